// Package fallback keeps sessions in two stores, so that nobody is logged out when the fast one dies, loses what it had, or
// cannot be reached by some of the nodes:
//
//	fast, err := goredis.Open("redis://localhost:6379")
//	durable, err := filestore.New("/var/lib/sessions", nil)
//	store, err := fallback.New(fast, durable, nil)
//
// The durable store is the truth: a change is acknowledged when it is there. The fast store is a copy of it, from which
// sessions are read as long as all nodes keep it up to date. When one node cannot, all of them read from the durable store
// within a second, and the fast one begins anew, empty, when every node reaches it again.
//
// Any session.Handler can be either. The durable one must be one store for all nodes: filestore is that for the processes
// of one host.
//
// # What is promised
//
// An acknowledged change is not lost, a destroyed session does not come back, and two changes never overwrite each other,
// whether the fast store is away, empty, late or out of reach for some, and whatever happens to the nodes, as long as the
// durable store keeps what it has acknowledged. The node that made a change sees it at once, others within a second, and usually at once too.
//
// While the durable store does not answer, sessions are read from the fast one, if all nodes kept it up to date when they
// were last heard of; changes are session.ErrUnavailable. A session that is only kept alive lives on in the fast store then,
// but one whose life ends in the durable store meanwhile cannot be changed afterwards.
//
// The package's tests simulate this on the code itself, with answers that are lost or late, nodes that die, stand still or
// reach only one of the stores; and they show that every rule of the protocol is needed.
//
// What is not promised: a fast store that comes back with an older state than it had, from a snapshot or as a replica that
// lagged, is believed, unless a change has failed meanwhile. So the fast store should keep nothing on disk: an empty one is
// safe. After a failover or a restore, empty it.
//
// # Cost
//
// While all is well a read is one call of the fast store, a change one of each, the end of a session two of each, and
// keeping alive one of each. Each node reads one small record of the durable store four times a second. Locks (Exclusive)
// are in the durable store, so they outlive the fast one, and cost what they cost there.
//
// When a call of the fast store fails, that call pays for its timeouts; after three in a row it is not asked any more until
// probes in the background have worked. A call that takes longer than 100 ms has failed in this sense.
//
// # Errors
//
// They are those of the two stores. What needs a store that does not answer is session.ErrUnavailable.
//
// # Concurrency
//
// A Store is safe for concurrent use by any number of goroutines, and two stores by any number of nodes.
package fallback
