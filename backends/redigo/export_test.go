package redigo

// For tests of what takes untrusted input apart, without a server.
var (
	Redirection = redirection
	Slot        = slot
)
