package mysqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// With a URL, a blank import of this package is all that a program needs. No connection is made yet.
func Example() {
	store, err := session.Open(context.Background(), "mysql://web:secret@db-1/shop?pool_size=16")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.(*mysqlstore.Store).Close()

	_, err = session.Open(context.Background(), "mysql://web:secret@db-1")
	fmt.Println(err)
	// Output:
	// session: open: mysql://db-1: the path must be the name of the database, such as /sessions
}

// A program that has a pool already shares it.
func ExampleNew() {
	db, err := sql.Open("mysql", "web:secret@tcp(db-1)/shop?interpolateParams=true&rejectReadOnly=true"+
		"&timeout=150ms&readTimeout=250ms&writeTimeout=250ms&innodb_lock_wait_timeout=1")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(32)
	db.SetMaxIdleConns(32)
	db.SetConnMaxLifetime(4 * time.Minute)

	store, err := mysqlstore.New(db, &mysqlstore.Options{Table: "shop_sessions"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
}

// Who may not let the program make its table runs this once.
func ExampleSchema() {
	text, err := mysqlstore.Schema("shop_sessions")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(text)
	// Output:
	// CREATE TABLE IF NOT EXISTS `shop_sessions` (
	//   id         BINARY(32)      NOT NULL,
	//   version    BINARY(16)      NOT NULL,
	//   seen       BIGINT          NOT NULL,
	//   expires    BIGINT          NOT NULL,
	//   lock_turn  BIGINT UNSIGNED NOT NULL DEFAULT 0,
	//   lock_state MEDIUMBLOB      NULL,
	//   record     MEDIUMBLOB      NOT NULL,
	//   PRIMARY KEY (id),
	//   KEY expires (expires)
	// ) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET binary COMMENT='nonstick sessions, format 1'
}
