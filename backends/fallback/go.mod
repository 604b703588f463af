module github.com/nonstick-go/nonstick/backends/fallback

go 1.26.0

require github.com/nonstick-go/nonstick/core v0.1.0

replace github.com/nonstick-go/nonstick/core => ../../core
