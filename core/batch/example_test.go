package batch_test

import (
	"context"
	"fmt"
	"time"

	"github.com/nonstick-go/nonstick/core/batch"
)

// A server that is asked for the squares of numbers: for one, or for a few at once.
func Example() {
	type square struct{ of, is int }
	ask := func(_ context.Context, squares []*square) {
		for _, s := range squares {
			s.is = s.of * s.of
		}
	}
	batches := batch.New(batch.DefaultMost, func(ctx context.Context, s *square) { ask(ctx, []*square{s}) }, ask)

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s := &square{of: 7}
	if err := batches.Run(ctx, s, 0); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.is)
	// Output: 49
}
