// Package filestore keeps sessions as files in one folder that several processes of one host share. It is the embedded
// default: no server, no daemon, nothing is lost at a restart, and with Options.NoSync unset nothing that was
// acknowledged is lost at a power failure. The folder belongs on a local disk: network file systems and several hosts
// on one folder are not supported, because their locks and renames promise less.
//
// # URLs
//
//	file:///var/lib/app/sessions                 the folder, as an absolute path
//	file:///var/lib/app/sessions?sync=false      Options.NoSync
//	file:///var/lib/app/sessions?lock_wait=500ms Options.LockWait
//	file:///var/lib/app/sessions?max_bytes=65536 Options.MaxBytes
//
// A host, as in file://sessions, a relative path and every other parameter are errors.
//
// # Folder
//
// New creates the folder if its parent exists, with mode 0700. A folder that was there must belong to the user of this
// process. If others may enter it, New takes that permission away when the folder is empty or holds sessions already,
// and refuses it when it holds anything else. The folder may be a symbolic link; nothing in it may be one.
//
//	3f/                   one folder of 256, by the first byte of the session.ID
//	3f/lock               flock(2) for changes in this folder; created once and never removed
//	3f/3fa0…              a session: its ID in hex, an encoded session.Record, or two slots with one each; the file's mtime
//	                      is Seen
//	3f/3fa0….lock         the lock of that session for session.Exclusive and the queue in front of it, as JSON; only
//	                      while somebody has it or waits, or until the next one comes if the holder has died
//	3f/tmp-1760…          a write under way; GC removes those that are older than an hour
//	quarantine/           what was found in the place of a session and is none
//
// Files have mode 0600, folders 0700. What is in the folder may be deleted at any time, also while processes run; but
// two changes of one session that are under way while its lock file is deleted may overwrite each other. When the
// folder itself is deleted, calls fail with ErrUnavailable until the processes are restarted.
//
// # Durability
//
// A write goes to a new file, which is synced and renamed over the old one; then the folder is synced. A reader sees
// the old record or the new one, a crash leaves one of the two, and a step that fails (a full disk, an I/O error)
// leaves the old one. If the very last step fails, syncing the folder, Write reports the failure although readers see
// the new record. Touch sets only the file's mtime and is not synced: after a power failure a session may look unused
// since its last write. The lock of a session is not synced either: it may be free after a power failure, when nobody is
// left who held it. A lock that cannot be read, or is over 1 MiB, counts as a free one and goes to the quarantine.
//
// With Options.NoSync nothing is synced, and a change writes no new file: the file of a session has two slots, and the record
// goes into the one that is not the newest. Readers see the old record or the new one, and a process that dies or a disk that
// is full in the middle of it leaves the old one. The record before may stay in the other slot until the next change. After a
// power failure both slots may be garbage, if both were written in the seconds before. A new file is still needed for a new or
// renewed session, for one that has outgrown its slot, which has room for a quarter more, or has shrunk to less than a quarter
// of it, and for each change of one of more than some 13 KB, which has no slots.
//
// Stores with and without NoSync may share a folder, and the option may change at a restart: all read both kinds of files, and
// those that sync write new files, without slots. Versions of this library that know no slots call such files ErrCorrupt and
// leave them alone.
//
// The later of the record's own time and the mtime counts as Seen, unless the mtime is more than an hour ahead of the
// clock. So a copy of the folder that does not keep times (cp without -p) makes sessions look freshly used: they may
// live for one TTL more, but never beyond Expires. The same goes for a process that dies between a change in place and its
// setting the mtime; who reads just then gets the time of the change as Seen.
//
// # Errors
//
// ErrUnavailable comes with its cause: an I/O error, a lock that another process held for longer than Options.LockWait,
// or a context that ended. It may hold an errno, never a path. What is no record, or no regular file, is ErrCorrupt
// once and is moved to the quarantine, so that the next Read is ErrNotFound; GC keeps the newest 256 of these for
// 7 days. A record that a newer version of this library wrote, and one over the size limit, is ErrCorrupt and stays:
// during a rolling deployment the other processes can read it.
//
// # Concurrency
//
// A Store is safe for concurrent use, and so are many Stores of many processes on one folder. Reads take no lock, unless
// changes in place spoil three attempts in a row. Changes prepare what they write first, then hold the lock of one of the 256
// folders for the time of a comparison and a rename, or of another read and a write. Goroutines of one process queue for it
// in order, so each process has at most one waiter, which tries with growing pauses of up to 2 ms. A process that dies loses
// its lock at once.
//
// That is the lock of a folder, for one call. The lock of a session, which a request holds, is a file of its own that is
// changed under the folder's. Its lease goes by the clock of the host. Processes that wait for it look every 2 to 6 ms
// whether their turn has come; one that died while it waited delays those behind it by a second.
//
// A Store holds up to 770 file descriptors.
//
// It works on Linux, macOS, the BSDs and illumos. Elsewhere New returns errors.ErrUnsupported.
package filestore
