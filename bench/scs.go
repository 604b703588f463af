package main

import (
	"net/http"
	"strings"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/mysqlstore"
	"github.com/alexedwards/scs/redisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
)

// scsOps read and change by scs' documentation. slides says that IdleTimeout is set, with which scs writes at each request.
func scsOps(m, sliding *scs.SessionManager) ops[exchange] {
	look := func(m *scs.SessionManager) func(x exchange) (int, error) {
		return func(x exchange) (int, error) { return len(m.GetString(x.r.Context(), "user")), nil }
	}
	return ops[exchange]{
		read: look(m), slide: look(sliding),
		change: func(x exchange) (int, error) {
			n := m.GetInt(x.r.Context(), "count") + 1
			m.Put(x.r.Context(), "count", n)
			return n, nil
		},
		login: func(x exchange) error {
			ctx := x.r.Context()
			if err := m.RenewToken(ctx); err != nil {
				return err
			}
			m.Put(ctx, "user", userValue)
			m.Put(ctx, "csrf", strings.Repeat("c", csrfSize))
			m.Put(ctx, "page", strings.Repeat("p", pageSize))
			m.Put(ctx, "cart", []string{"book", "pen"})
			m.Put(ctx, "count", 0)
			return nil
		},
		logout: func(x exchange) error { return m.Destroy(x.r.Context()) },
	}
}

func scsOn(name, floor string, open func(env) (scs.Store, error)) variant {
	return variant{name: name, framework: "http", floor: floor, redis: true, open: func(e env) (server, error) {
		store, err := open(e)
		if err != nil {
			return nil, err
		}
		m, sliding := scs.New(), scs.New()
		m.Store, sliding.Store = store, store
		sliding.IdleTimeout = ttl
		return serveHTTP(scsOps(m, sliding), func(h http.Handler) http.Handler {
			fixed, slides := m.LoadAndSave(h), sliding.LoadAndSave(h)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slide" {
					slides.ServeHTTP(w, r)
				} else {
					fixed.ServeHTTP(w, r)
				}
			})
		}), nil
	}}
}

func scsVariants() []variant {
	memory := scsOn("scs-memory", "nonstick-memory", func(env) (scs.Store, error) { return memstore.New(), nil })
	mysql := scsOn("scs-mysql", "raw-mysql", openSCSMySQL)
	memory.redis, mysql.redis, mysql.mysql = false, false, true
	return []variant{
		crowd(scsOn("scs-goredis", "raw-goredis", func(e env) (scs.Store, error) { return goredisstore.New(goredisClient(e)), nil })),
		scsOn("scs-redigo", "raw-redigo", func(e env) (scs.Store, error) { return redisstore.New(redigoPool(e)), nil }),
		memory, mysql,
	}
}

func openSCSMySQL(e env) (scs.Store, error) {
	db, err := openMySQL(e, false)
	if err != nil {
		return nil, err
	}
	_, err = db.Exec(`CREATE TABLE IF NOT EXISTS sessions (token CHAR(43) PRIMARY KEY, data BLOB NOT NULL, expiry TIMESTAMP(6) NOT NULL,
		KEY sessions_expiry_idx (expiry))`)
	if err != nil {
		return nil, err
	}
	return mysqlstore.NewWithCleanupInterval(db, 0), nil
}
