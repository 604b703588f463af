package session

import "encoding/json"

// Codec turns values into bytes and back. Each key's value is encoded by itself, when it is set, and decoded when it
// is asked for. Implementations are safe for concurrent use, do not keep the data they are given, and never build types
// that the data names (ASVS 1.5.2): data from the store is decoded into the type of the Key, nothing else.
type Codec interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

// JSON is the default Codec: encoding/json, readable from every language.
type JSON struct{}

// Marshal returns the JSON of v.
func (JSON) Marshal(v any) ([]byte, error) { return json.Marshal(v) }

// Unmarshal decodes JSON into v.
func (JSON) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }
