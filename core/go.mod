module github.com/nonstick-go/nonstick/core

go 1.26.0
