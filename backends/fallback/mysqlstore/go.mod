module github.com/nonstick-go/nonstick/backends/fallback/mysqlstore

go 1.26.0

require (
	github.com/go-sql-driver/mysql v1.10.1
	github.com/nonstick-go/nonstick/core v0.1.0
)

require filippo.io/edwards25519 v1.2.0 // indirect

replace github.com/nonstick-go/nonstick/core => ../../../core
