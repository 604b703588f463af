package goredis_test

import (
	"os"
	"testing"

	"github.com/redis/go-redis/v9/logging"
)

// TestMain keeps go-redis from logging every connection that these tests make fail.
func TestMain(m *testing.M) {
	logging.Disable()
	os.Exit(m.Run())
}
