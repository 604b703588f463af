package mysqlstore

import (
	"fmt"
	"strings"

	"github.com/nonstick-go/nonstick/core/batch"
)

const (
	// format is the number of the table's layout. It is in the comment of the table, so that a program knows one that a
	// later version of this package has changed.
	format        = "1"
	commentPrefix = "nonstick sessions, format "

	maxTable = 60

	// The smallest statement that reads several sessions takes so many ids, the next one moreIDs times as many, and so on: there are
	// few, since connections prepare each.
	leastIDs, moreIDs = 4, 4
)

// serverNow is the server's clock in microseconds since 1970, whatever time zone the connection has.
const serverNow = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))"

// statements are the texts of all statements, with the name of the table in them. Nothing else is ever put into a text.
type statements struct {
	schema string

	read, create, change, replace, touch, destroy string
	find, remove                                  string // GC
	list                                          string
	lock, locked, stored                          string

	reads []string // of 4, 16 and 64 ids

	table string
}

// newStatements makes the statements. Those that change rows find them by id alone: ENDS keeps the server from choosing the
// index of expires, in which it would lock the neighbours too.
func newStatements(table string) *statements {
	in := strings.NewReplacer("TABLE", "`"+table+"`", "SERVER_NOW", serverNow, "ENDS", "(expires + 0)").Replace
	s := &statements{
		table:  table,
		schema: createTable(table),
		// The row is alive if its end is after now, which is the program's clock: that which made the times of the record.
		read:   in("SELECT seen, record FROM TABLE WHERE id = ?"),
		create: in("INSERT INTO TABLE (id, version, seen, expires, record) VALUES (?, ?, ?, ?, ?)"),
		change: in("UPDATE TABLE SET version = ?, seen = ?, expires = ?, record = ? WHERE id = ? AND version = ? AND ENDS > ?"),
		// Of an expired row: the lock goes with the session that it belonged to.
		replace: in("UPDATE TABLE SET version = ?, seen = ?, expires = ?, record = ?, lock_state = NULL, lock_turn = lock_turn + 1" +
			" WHERE id = ? AND version = ? AND ENDS <= ?"),
		touch:   in("UPDATE TABLE SET seen = ?, expires = ? WHERE id = ? AND version = ? AND seen <= ? AND ENDS > ?"),
		destroy: in("DELETE FROM TABLE WHERE id = ?"),
		find:    in("SELECT id FROM TABLE WHERE expires <= LEAST(?, SERVER_NOW DIV 1000) ORDER BY expires LIMIT ?"),
		list:    in("SELECT id FROM TABLE WHERE id > ? ORDER BY id LIMIT ?"),
		remove:  in("DELETE FROM TABLE WHERE ENDS <= LEAST(?, SERVER_NOW DIV 1000) AND id IN "),
		lock: in("SELECT version, expires, seen, lock_turn, lock_state, SERVER_NOW," +
			" IF(? OR lock_state IS NULL OR LEFT(lock_state, 16) = ?, record, NULL) FROM TABLE WHERE id = ?"),
		locked: in("UPDATE TABLE SET lock_state = ?, lock_turn = lock_turn + 1" +
			" WHERE id = ? AND lock_turn = ? AND version = ? AND ENDS > ?"),
		stored: in("UPDATE TABLE SET version = ?, seen = ?, expires = ?, record = ?, lock_state = ?, lock_turn = lock_turn + 1" +
			" WHERE id = ? AND version = ? AND ENDS > ? AND lock_turn = ?"),
	}
	for n := leastIDs; n < moreIDs*batch.MostCalls; n *= moreIDs {
		// A large record is NULL. LIMIT, or the server's sql_select_limit would be it.
		s.reads = append(s.reads, in(fmt.Sprintf("SELECT id, seen, IF(LENGTH(record) > %d, NULL, record) FROM TABLE FORCE INDEX (PRIMARY)"+
			" WHERE id IN (?%s) LIMIT %d", batch.Largest, strings.Repeat(", ?", n-1), n)))
	}
	return s
}

// several is the statement for some reads. The last id stands for those that it takes besides.
func (s *statements) several(reads []*reading) (text string, args []any) {
	i, size := 0, leastIDs
	for size < len(reads) {
		i, size = i+1, size*moreIDs
	}
	args = make([]any, size)
	for n := range args {
		args[n] = reads[min(n, len(reads)-1)].id[:]
	}
	return s.reads[i], args
}

// often are the statements that visitors wait for.
func (s *statements) often() map[string]bool {
	often := make(map[string]bool)
	for _, text := range append([]string{s.read, s.create, s.change, s.touch, s.destroy, s.lock, s.locked, s.stored}, s.reads...) {
		often[text] = true
	}
	return often
}
