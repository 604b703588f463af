package session

import "strconv"

// encodePlain is JSON.Marshal for the values that most keys have, without what encoding/json costs. It reports false for
// what it leaves to it: other types, and strings with anything but plain ASCII.
func encodePlain(v any) ([]byte, bool) {
	switch v := v.(type) {
	case string:
		for i := range len(v) {
			if c := v[i]; !isPlain(c) || c == '<' || c == '>' || c == '&' { // encoding/json escapes these, for HTML
				return nil, false
			}
		}
		data := make([]byte, 0, len(v)+2)
		return append(append(append(data, '"'), v...), '"'), true
	case int:
		return strconv.AppendInt(nil, int64(v), 10), true
	case int64:
		return strconv.AppendInt(nil, v, 10), true
	case bool:
		return strconv.AppendBool(nil, v), true
	}
	return nil, false
}

// decodePlain is JSON.Unmarshal for the same. It leaves errors to it, too.
func decodePlain(data []byte, v any) bool {
	switch v := v.(type) {
	case *string:
		last := len(data) - 1
		if last < 1 || data[0] != '"' || data[last] != '"' {
			return false
		}
		for _, c := range data[1:last] {
			if !isPlain(c) {
				return false
			}
		}
		*v = string(data[1:last])
		return true
	case *int:
		n, ok := decodeInt(data, strconv.IntSize)
		*v = int(n)
		return ok
	case *int64:
		n, ok := decodeInt(data, 64)
		*v = n
		return ok
	case *bool:
		*v = string(data) == "true"
		return *v || string(data) == "false"
	}
	return false
}

// isPlain reports whether a byte of a string stands for itself in JSON and is no part of another character.
func isPlain(c byte) bool { return c >= ' ' && c < 0x7f && c != '"' && c != '\\' }

// decodeInt decodes an integer as encodePlain writes it.
func decodeInt(data []byte, bits int) (int64, bool) {
	n, err := strconv.ParseInt(string(data), 10, bits)
	if err != nil || n == 0 && len(data) > 1 || data[0] == '+' || data[0] == '0' && n != 0 || len(data) > 1 && data[0] == '-' && data[1] == '0' {
		return 0, false
	}
	return n, true
}
