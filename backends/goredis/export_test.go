package goredis

// For tests of what takes untrusted input apart, without a server.
var (
	ParseFields = parseFields
)
