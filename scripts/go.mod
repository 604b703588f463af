module github.com/nonstick-go/nonstick/scripts

go 1.26.0
