// Package goredis keeps sessions in Redis (7 or later) or Valkey, through github.com/redis/go-redis/v9.
//
// Importing it makes session.Open understand its URLs; New is the typed door to the same code.
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
//	dial_timeout      for a connection, TLS included; default 150ms
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
//	replicas          read from replicas (see below): true; of one server, their hosts with commas between
//	wait              how many replicas must have what creates or ends a session; default 0
//	wait_timeout      for how long to wait for them; default 100ms
//
// Open makes no connection, so a program starts while Redis is away. Use Ping to find out: it does with a session what
// requests do, in a cluster on each master, and so proves reads, writes, scripts and permissions.
//
// # Timeouts
//
// The defaults of go-redis wait for 5 to 100 seconds when a server stalls, and repeat what may have been done already. A
// client made from a URL waits as long as the parameters say, never longer than the context's deadline, and never
// repeats anything: the session.Manager does, within its budgets, and all commands here may be repeated. A client passed
// to New must have ContextTimeoutEnabled set. A context that is cancelled without having a deadline is noticed at the
// next of these timeouts.
//
// # Pipelines
//
// Commands that are to be run at the same time share round trips: at most two batches are under way to a server, and what comes
// meanwhile is sent together, on one connection, when one of them has come back, up to 64 commands or 64 KiB. With many requests at
// once that saves most of what Redis and its clients spend on reading and writing. A command that meets no others is sent at
// once, as without, and none waits for longer than 25 ms: as long as none comes back, one more batch is sent every 25 ms.
// Each call ends at its own deadline, whatever becomes of the batch; a connection that breaks fails all
// commands under way on it, which the session.Manager repeats as it does others. Records of more than 16 KiB are written alone;
// one that is read delays the few that come back with it.
//
// A Store of a URL of a cluster has that for each node, so that nobody waits for another node than the one that has the
// session; what is redirected follows by itself. A client that was passed to New has it if it is a *redis.Client; through any
// other one, such as a *redis.ClusterClient, each command is sent by itself: that would wait for the slowest of all masters
// concerned, and the clients of its nodes do not know the hooks that you may have added to it. go-redis takes the connections
// from the pool of its own that it has for pipelines, if the client has one (PipelinePoolSize). Hooks of a client of yours see
// a batch as a pipeline, with the context of the request that runs it, and its Limiter is asked once for it.
//
// # What is stored
//
// One key a session: the prefix and the id in base64url, with padding. It is a hash with the field r, the encoded
// session.Record, and, only if the session was touched since it was last written, t, when it was last seen in
// milliseconds since 1970. Every key has a time to live from the first moment on, so Redis forgets by itself and GC has
// nothing to do. Reading is one HMGET; Write and Touch are one script each, on this one key, so they work in a cluster.
//
// The lock of a session is in the same hash, only while somebody holds it or waits: in l who, in q the queue. They show
// method, path and node of the requests. Each method of session.Locker is one script. A Store whose caller has to wait
// subscribes to one channel of its own, the prefix and wake: and a random name, on one connection more. Messages that hand
// a lock over contain the session, unless it is larger than 16 KiB or the client is one for a cluster: who may listen to
// these channels may read sessions, as who may read the keys.
//
// maxmemory-policy should be noeviction: the others drop living sessions, which logs their users out.
//
// # Permissions
//
// A user of its own needs no more than this, with the prefix in place of nonstick: (and +select for a database other
// than 0):
//
//	ACL SETUSER web on >password ~nonstick:* +hmget +hset +hdel +pexpire +del +evalsha +eval
//
// and, if the application uses session.Exclusive, this. Without the channels and the last two commands it works too, but
// whoever waits for a session asks for it every 10 to 30 ms:
//
//	ACL SETUSER web &nonstick:* +time +publish +subscribe
//
// With +info, Ping can tell that the server is too old, or evicts sessions. In a cluster the client must learn which nodes
// there are, and be served by the one that a session is moving to; of sentinels it must learn which server is the master:
//
//	ACL SETUSER web +cluster|slots +asking
//	ACL SETUSER watch on >password &+switch-master &+slave-reconf-done +subscribe +ping
//	  +sentinel|get-master-addr-by-name +sentinel|sentinels
//
// With replicas=true that is +readonly in a cluster, and +sentinel|replicas of sentinels, more; with wait, +wait.
//
// # Clusters and failover
//
// In a cluster a session is on one master, whatever moves: redirections are followed within the deadline of a call, and a
// command that was certainly not run, as there is no master at the moment, is tried again until shortly before it. A
// connection that breaks is a reason to ask at once where everything is. Set cluster-require-full-coverage to no, or else
// one master that fails takes the sessions of all others with it until a replica is promoted.
//
// A master may acknowledge a change and die before its replicas have it: such a change is lost, with Redis. A managed
// cluster with a configuration endpoint, TLS and a password, such as ElastiCache in cluster mode, takes the URL
// rediss+cluster://:password@the.configuration.endpoint:6379.
//
// # Replicas
//
// With replicas, requests that have their session with session.ReadOnly read it from a replica. Others never do, and where
// the replica has no living session, or no answer, the master is asked: nobody is logged out because of a replica, or
// waits for one for more than half of the time. What a replica says is at most two seconds old, and usually a millisecond.
// Within that, such a request may not see what the same visitor has just done, a logout included; there is no trace of it in
// the cookie, which would have to change with every write. A replica that has lost its master would answer for ever, so each
// Store that reads replicas writes a session to each master once a second, and believes the replicas that have it, on the
// connections that were there. A request that asks for its session again, without ReadOnly, gets it from the master.
//
// With wait, whatever creates, renews or destroys a session (so login and logout) also waits, with WAIT, until so many
// replicas have it, which costs a second round trip. If they do not in time it is session.ErrUnavailable, although the
// master has done it: a logout is then not confirmed rather than undone by a failover. It narrows that window and does not
// close it, as the documentation of WAIT says.
//
// # Errors
//
// Whatever keeps the server from answering, its refusals included, is session.ErrUnavailable with the cause. Of a refusal
// no more is kept than the word that it begins with, since servers quote keys and passwords in the rest:
// redis.HasErrorPrefix(err, "OOM") tells that the memory is full. What only an operator can mend is
// session.ErrMisconfigured too, with a hint: a wrong password, a missing permission, a certificate that is refused, a node
// of a cluster under a URL for one server. After the server has refused the password or the certificate, a client made from
// a URL tries once a second, and what needs a connection in between fails at once. A key that holds something else than a
// session is session.ErrCorrupt. Errors hold no key, no payload and no credential.
//
// go-redis itself logs connections that it could not make, by default to standard error; redis.SetLogger changes that.
//
// # Concurrency
//
// A Store is safe for concurrent use by any number of goroutines and processes.
package goredis
