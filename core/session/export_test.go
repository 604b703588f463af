package session

import (
	"io"
	"time"
)

// What the tests of package session_test need of the inside.

func ParseToken(token string) (ID, bool)             { return parseToken(token) }
func NewToken(random io.Reader) (string, error)      { return newToken(random) }
func SetRandom(m *Manager, random io.Reader)         { m.random = random }
func CheckPayload(payload []byte) error              { return checkPayload(payload) }
func FindFrame(p []byte, name string) ([]byte, bool) { return find(p, name) }

func AppendFrame(dst []byte, name string, value []byte) []byte { return appendFrame(dst, name, value) }

func NextFrame(payload []byte) (name, value, rest []byte, ok bool) { return nextFrame(payload) }

// VersionNode makes the versions of one node.
type VersionNode struct{ versions versions }

func NewVersionNode(node uint64) *VersionNode {
	return &VersionNode{versions: versions{node: node}}
}

func (n *VersionNode) Next(now time.Time, after Version) Version { return n.versions.next(now, after) }
