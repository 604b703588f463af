// Package mysqlstore keeps sessions in MySQL or MariaDB, through github.com/go-sql-driver/mysql.
//
// Importing it makes session.Open understand its URLs; New is the typed door to the same code. It is a whole store of its
// own. It runs on MariaDB 10.11 and 11.8 in the tests of this repository, and uses nothing that MySQL 8.0 and later do not
// have; on those it has not been run.
//
// # URLs
//
//	mysql://user[:password]@host[:port]/database
//	mysqls://user[:password]@host[:port]/database
//	mysql+unix://user[:password]@/path/of/socket?db=database
//
// With mysqls all connections speak TLS, and certificates are always verified. The default port is 3306. Special characters
// in user and password must be percent-encoded. Parameters, all optional; any other one is an error:
//
//	table          the name of the table; default nonstick_sessions
//	create_table   make the table if it is missing: true, the default, or false
//	max_bytes      the largest record that is taken; default 4194304, at most 16777215
//	batches        how many statements that read are under way at once (see below); default 2; 0: each read has its own
//	pool_size      the most connections to the server; default 32
//	dial_timeout   for a connection; default 150ms
//	read_timeout   for an answer; default 250ms
//	write_timeout  for sending a statement; default 250ms
//	password_file  a file with the password, read for each connection: a new password needs no restart
//	ca_file        mysqls: PEM file of the authorities to trust instead of the system's
//	cert_file      mysqls: PEM file of the client's certificate, together with key_file
//	key_file       mysqls: PEM file of its key
//	server_name    mysqls: the name that certificates must have, if it is not the host's
//	db             mysql+unix: the name of the database; required
//
// Open makes no connection, so a program starts while the server is away. Use Ping to find out: it does with a session what
// requests do, and so proves reads, writes, deletes and permissions. Its first call warns (slog.Default) of settings that
// lose sessions: an engine other than InnoDB, innodb_flush_log_at_trx_commit=0, and a max_allowed_packet that is too small.
//
// # What is stored
//
// One row a session: its id (a SHA-256 already), version, when it was last seen and when it ends, in milliseconds since
// 1970, the encoded session.Record, and, only while somebody holds it or waits, its lock. Schema returns the SQL. A Store
// looks at the table before its first call, makes it if it is missing and the user may, and refuses one that is not its own:
// the comment of the table says whose it is. Nodes that start at once do not disturb each other.
//
// Reading, changing, touching, creating and destroying take one statement each, or less, all by primary key and each a
// transaction of its own: nothing is left open when a program dies. A statement that changed nothing is followed by one that
// reads, to tell why. Touching does not rewrite the record. Expired rows stay until GC, which removes a hundred with two short
// statements, without locking rows of the living; run it from any number of nodes.
//
// A Store of a URL keeps these statements prepared, at most eleven for each connection, which takes one more round trip for each,
// at its second use there. The server's max_prepared_stmt_count, mostly 16382, bounds those of all programs. A server or a proxy
// that does not prepare gets texts.
//
// A session's end is compared with the clock of the program, which made its times. GC wants it to have passed by the clock
// of the server too, so that one wrong clock removes nobody's session. Locks go by the server's clock alone. Who waits
// for one asks every 5 to 15 ms.
//
// # Batches
//
// Sessions that are to be read at the same time are read together: at most two statements that read are under way, and reads that
// come meanwhile share the next one, of up to 64 sessions, when one of the two has come back. With many requests at once that saves
// most of what reading costs the server. A read that meets no others has a statement for itself at once, and none waits for longer
// than 25 ms: as long as none comes back, there is one more every 25 ms. What changes sessions is never shared.
//
// Each read ends at its own deadline, whatever becomes of the statement; but one that is under way with others does not end when its
// context is cancelled. A statement that fails, or a connection that breaks, fails all reads that it was for, which the
// session.Manager repeats as it does others. A record of more than 16 KiB does not come with others: it is read by a statement of
// its own, which at its first time follows a shared one. What a shared statement was to read and has failed to is read by a
// statement of its own the next time. A driver of the program's that traces sees a shared statement with the
// context of one of the requests.
//
// # Permissions
//
// A user needs no more than this, and CREATE as well if the Store is to make its table:
//
//	GRANT SELECT, INSERT, UPDATE, DELETE ON database.nonstick_sessions TO 'web'@'%'
//
// # Timeouts
//
// The driver has none of its own: a server that stalls holds its callers for ever. A Store waits no longer than the
// parameters say and than the context's deadline; a call without one ends after a second. A statement waits for a row or a
// table that somebody else has locked for a second at most (innodb_lock_wait_timeout, lock_wait_timeout), also if its
// caller has long given up. No connection is used for longer than four minutes.
//
// A statement whose answer was lost may have been applied, or may be later. Neither the driver nor a Store repeats it: the
// session.Manager does, within its budgets, and all statements here may be repeated, and may come late. Only a statement
// that the server has undone (deadlock, lock wait timeout) is run again, once, and one that was never sent, or refused by a
// server that is read-only, on another connection.
//
// All reads and writes must reach the same server: a proxy that sends reads to replicas logs users out who have just logged
// in. Replication that does not wait for replicas loses, at a failover, what they did not have.
//
// # Errors
//
// Whatever keeps the server from answering, its refusals included, is session.ErrUnavailable. Of an error of the server no
// more is kept than the number, since servers quote users, hosts and values in the text. What only an operator can mend is
// session.ErrMisconfigured too, with a hint: a wrong password, a missing table or permission, a certificate that is
// refused. After that a Store opened from a URL makes one connection a second, and what needs one in between fails at once.
// A record over max_bytes or the server's max_allowed_packet is session.ErrTooLarge. Errors hold no id, no payload, no
// address and no credential. The driver logs nothing; one that was made by the program logs as it was told to.
//
// # Concurrency
//
// A Store is safe for concurrent use by any number of goroutines and processes.
package mysqlstore
