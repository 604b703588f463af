package session

import (
	"io"
	"time"
)

// What the tests of package session_test need of the inside.

func SetRandom(m *Manager, random io.Reader)         { m.random = random }
func CheckPayload(payload []byte) error              { return checkPayload(payload) }
func FindFrame(p []byte, name string) ([]byte, bool) { return find(p, name) }

func AppendFrame(dst []byte, name string, value []byte) []byte { return appendFrame(dst, name, value) }

func NextFrame(payload []byte) (name, value, rest []byte, ok bool) { return nextFrame(payload) }

func NewToken(random io.Reader) (string, error) { return new(TokenMAC).newToken(random) }

func ParseToken(token string) (ID, bool) {
	s, err := new(TokenMAC).parse(token)
	if err != nil {
		return ID{}, false
	}
	return s.id(), true
}

// Genuine reports whether a token has the code of a key.
func Genuine(key Secret, token string) bool {
	_, err := (&TokenMAC{Keys: []Secret{key}}).parse(token)
	return err == nil
}

func NewEnvelope(o Options) *Envelope { return newEnvelope(&o) }

// VersionNode makes the versions of one node.
type VersionNode struct{ versions versions }

func NewVersionNode(node uint64) *VersionNode {
	return &VersionNode{versions: versions{node: node}}
}

func (n *VersionNode) Next(now time.Time, after Version) Version { return n.versions.next(now, after) }

func EncodePlain(v any) ([]byte, bool) { return encodePlain(v) }

func DecodePlain(data []byte, v any) bool { return decodePlain(data, v) }
