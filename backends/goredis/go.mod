module github.com/nonstick-go/nonstick/backends/goredis

go 1.26.0

require (
	github.com/nonstick-go/nonstick/backends/internal/redisstore v0.1.0
	github.com/nonstick-go/nonstick/core v0.1.0
	github.com/redis/go-redis/v9 v9.23.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
)

replace (
	github.com/nonstick-go/nonstick/backends/internal/redisstore => ../internal/redisstore
	github.com/nonstick-go/nonstick/core => ../../core
)
