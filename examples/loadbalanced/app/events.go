package app

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

const (
	eventCount = 3
	eventPause = 400 * time.Millisecond
)

// Subscribe notes in the session which node streams to the visitor. It comes before the first event: with the first byte
// of the response the session is committed and cannot be changed any more.
func (a *App) Subscribe(s *session.Session) error { return Set(s, "stream", a.node.Name) }

// Events are the events of a stream, ready to be written and flushed one by one (text/event-stream). They come with
// pauses between them and end early when ctx does.
func (a *App) Events(ctx context.Context) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range eventCount {
			if i > 0 && sleep(ctx, eventPause) != nil {
				return
			}
			if !yield(fmt.Sprintf("data: {\"node\":%q,\"event\":%d}\n\n", a.node.Name, i+1)) {
				return
			}
		}
	}
}
