// Package redigo keeps sessions in Redis (7 or later) or Valkey, through github.com/gomodule/redigo.
//
// Importing it makes session.Open understand its URLs; New is the typed door to the same code. Package goredis has the same
// URLs, and keeps the same bytes under the same keys: replacing the import of one by that of the other keeps every session,
// and both may serve the same sessions at once, locks included.
//
// # URLs
//
//	redis://[[user]:password@]host[:port][/database]
//	redis+unix://[[user]:password@]/path/of/socket[?db=database]
//	redis+cluster://[[user]:password@]host[:port][,host:port...]
//	redis+sentinel://[[user]:password@]host[:port][,host:port...]/master[/database]
//
// With rediss instead of redis (rediss+cluster, rediss+sentinel) all connections speak TLS, and certificates are always
// verified. The hosts of a cluster are some of its nodes, which know the others; those of redis+sentinel are sentinels, and
// master is the name by which they know the master. Of several hosts, the last needs a port.
//
// The default port is 6379, of sentinels 26379, the default database 0. Special characters in user and password must be
// percent-encoded. Parameters, all optional; any other one is an error:
//
//	prefix            of every key; default nonstick:
//	max_bytes         the largest record that is taken; default 16777216
//	pool_size         the most connections to a server; default 32; in a fallback.Store
//	                  as many again, to read from one server
//	pipelines         how many batches of commands are under way to a server at once (see below);
//	                  default 2; 0: each command has a connection for itself
//	dial_timeout      for a connection, TLS and login included; default 150ms
//	read_timeout      for an answer; default 150ms
//	write_timeout     for sending a command; default 150ms
//	pool_timeout      for a free connection of the pool; default 150ms
//	password_file     a file with the password, read for each connection: a new password needs no restart
//	ca_file           TLS: PEM file of the authorities to trust instead of the system's
//	cert_file         TLS: PEM file of the client's certificate, together with key_file
//	key_file          TLS: PEM file of its key
//	server_name       TLS: the name that certificates must have, if it is not the host's
//	db                redis+unix: the number of the database
//	sentinel_user     redis+sentinel: the user of the sentinels themselves
//	sentinel_password redis+sentinel: and the password, if they want one
//	replicas          read from replicas: true; of one server, their hosts with commas between
//	wait              how many replicas must have what creates or ends a session; default 0
//	wait_timeout      for how long to wait for them; default 100ms
//
// Open makes no connection, so a program starts while Redis is away. Use Ping to find out: it does with a session what
// requests do, in a cluster on each master, and so proves reads, writes, scripts and permissions.
//
// # Timeouts
//
// redigo has no timeouts of its own: a server that stalls holds its callers for ever. A Store waits no longer than the
// parameters say and than the context's deadline, and never repeats what the server may have done: the session.Manager
// does, within its budgets, and all commands here may be repeated. A context that is cancelled without having a deadline
// is noticed at the next of these timeouts.
//
// A connection that was idle for 30 seconds is tested before it is used, with one round trip; others are not. When one
// connection turns out to be dead, or to lead to a server that has become a replica, all that were idle at that time are
// dropped. None is used for longer than five minutes.
//
// Pipelines are those that package goredis describes, in a cluster for each node.
//
// # Clusters and sentinels
//
// redigo knows neither, and the libraries that add them cannot bound a call by its context; so this package follows
// redirections (MOVED, ASK) and asks sentinels itself. A command that was certainly not run, as there is no master at the
// moment, is tried again until shortly before the deadline, and a connection that breaks is a reason to ask at once where
// everything is.
//
// # What is stored, permissions, replicas, errors
//
// The same as for package goredis, whose documentation has it. The cause of an error that the server gave is the word that
// its text begins with, such as OOM.
//
// # Concurrency
//
// A Store is safe for concurrent use by any number of goroutines and processes.
package redigo
