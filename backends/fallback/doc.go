// Package fallback keeps sessions in several stores, so that nobody is logged out when one of them dies, loses what it had, or
// cannot be reached by some of the nodes:
//
//	fast, err := goredis.Open("redis://localhost:6379")
//	durable, err := mysqlstore.Open("mysql://app:secret@localhost:3306/app")
//	local, err := filestore.New("/var/lib/app/sessions", nil)
//	store, err := fallback.New(fast, durable, &fallback.Options{Local: local})
//
// The durable store is the truth: a change is acknowledged when it is there. The fast store is a copy of it, from which
// sessions are read as long as all nodes keep it up to date. When one node cannot, all of them read from the durable store
// within a second, and the fast one begins anew, empty, when every node reaches it again.
//
// When the durable store is away, a change is made in the fast store, where all nodes see it, and in the node's local store,
// which outlives the process; when the fast one is away too, in the local store alone. As soon as the durable store answers
// it is told of everything.
//
// Any session.Handler can be fast or durable. The durable one must be one store for all nodes: filestore is that for the
// processes of one host. The local one belongs to one node, and without it nothing is changed while the durable store is away: all nodes have
// one, or none has.
//
// # What is promised
//
// As long as the durable store keeps what it has acknowledged: an acknowledged change is not lost, a destroyed session does not
// come back, and two changes never overwrite each other, whether the fast store is away, empty, late, set back or out of reach
// for some, and whatever happens to the nodes. The node that made a change sees it at once, others within a second, and
// usually at once too.
//
// While the durable store is away and the fast one is there, the same holds for all nodes that have been running since before.
// What is acknowledged then is lost only if the fast store loses it and the disk of the node that made the change never comes
// back. A node that begins in such a time knows only the sessions that it has changed itself.
//
// While both are away, a node goes on with the sessions that it has changed, and for five minutes with those that it has seen
// last. If each visitor stays with one node, nothing is lost. If not, several nodes may change one session without knowing of
// each other. Then the changes are merged key by key; of a key that several have changed, the latest value is kept, and the
// record that has lost is a dead letter: see Store.DeadLetters. A key that one of them has removed again may come back. A
// session that is destroyed in such a time is refused by that node at once, and by the others when the durable store is back:
// Destroy says so with ErrNotDurable. An outage of the durable store may last for a week; then changes begin to be forgotten.
//
// Sessions that are compressed or encrypted are merged all the same, with what session.New gives the Store for that
// (session.Merger); branches wait for it. With session.Encryption.Token nobody but the visitor can open a session: then the
// later one is kept whole, and the dead letter cannot be read.
//
// A fast store that goes back in time, because it restarts with an older snapshot or a replica that lagged takes the master's
// place, is found out by the first read if it is a session.Incarnated, as the Redis backends are. Another kind of store
// that does so is believed, unless a change has failed meanwhile: let it keep nothing on disk, since an empty one is safe.
//
// What is not promised: two masters of one shard at the same time, one of which some of the nodes still use, may each have
// sessions that the other one lacks, for as long as both of them take writes.
//
// The package's tests simulate this on the code itself, with answers that are lost or late, nodes that die, stand still or
// reach only some of the stores; and they leave rules of the protocol out in turn, which must be noticed.
//
// # Standby
//
// With Options.Mode Standby the fast store has the sessions, alone, and the durable one is a spare: it is told of the ends of
// sessions, takes the place of the fast one for nodes that do not reach it, and gives everything back. Nobody is logged
// out by that, but only those can go on meanwhile whom their node has seen in the last five minutes, and what the fast store
// loses is lost. A logout is never undone, also not by a fast store that comes back with an older snapshot. See
// docs/promises.md. While all is well a read is one call of the fast store and none of the durable one, and so is a change; the
// end of a session is one of the fast and two of the durable store.
//
// # Cost
//
// In the mode Mirrored:
//
// While all is well a read is one call of the fast store, a change one of each, the end of a session two of the fast and one of
// the durable store, and keeping alive one of each. With a local store the end of a session costs one more of the durable
// one, for a note which stays for a week, and so does a change that meets a newer one in the fast store. Each node reads one small record of the durable store four times a second. Locks (Exclusive)
// are in the durable store, so they outlive the fast one, and cost what they cost there; while it is away there are none.
//
// When a call of a store fails, that call pays for its timeouts; after three, one after the other, it is not asked any more until
// probes in the background have worked. A call of the fast store that takes longer than 100 ms has failed in this sense.
// Nothing takes the place of the durable store before that: the first calls that fail are session.ErrUnavailable, because
// it may be about to apply the very change.
//
// With a local store a node remembers the sessions that it has seen last, in at most 40,000 sessions and 32 MiB of memory.
//
// # Errors
//
// They are those of the stores. What needs a store that does not answer is session.ErrUnavailable.
//
// # Concurrency
//
// A Store is safe for concurrent use by any number of goroutines, and two stores by any number of nodes. A local store may be
// opened by two processes while one takes the place of the other.
package fallback
