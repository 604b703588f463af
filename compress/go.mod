module github.com/nonstick-go/nonstick/compress

go 1.26.0

require (
	github.com/klauspost/compress v1.20.4
	github.com/nonstick-go/nonstick/core v0.1.0
	github.com/pierrec/lz4/v4 v4.1.33
)

replace github.com/nonstick-go/nonstick/core => ../core
