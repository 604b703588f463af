package goredis

// For tests of what takes untrusted input apart, without a server.
var (
	ParseURL     = parseURL
	ParseFields  = parseFields
	EncodeHolder = encodeHolder
	HolderOf     = holderOf
)
