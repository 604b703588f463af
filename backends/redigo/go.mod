module github.com/nonstick-go/nonstick/backends/redigo

go 1.26.0

require (
	github.com/gomodule/redigo v1.9.3
	github.com/nonstick-go/nonstick/backends/internal/redisstore v0.1.0
	github.com/nonstick-go/nonstick/core v0.1.0
)

replace (
	github.com/nonstick-go/nonstick/backends/internal/redisstore => ../internal/redisstore
	github.com/nonstick-go/nonstick/core => ../../core
)
