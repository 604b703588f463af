package fallback_test

import (
	"os"
	"time"
)

// soak is for how long make soak lets a test run that takes as long as it is given; zero in make test.
func soak() time.Duration {
	d, _ := time.ParseDuration(os.Getenv("SOAK")) // none is zero
	return d
}

// while returns how long something lasts: as long as it is given in make test, some times as long in make soak.
func while(short time.Duration) time.Duration {
	if soak() > 0 {
		return 6 * short
	}
	return short
}
