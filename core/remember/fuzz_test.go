package remember_test

import (
	"context"
	"errors"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/remember"
	"github.com/nonstick-go/nonstick/core/session"
)

// A cookie of ann, and her record before and after its first use. They are valid until the year 2200.
const (
	annCookie = "oq20E9kIBh9guREAEYEVRCjN1uHMsMS1fJ95sg9E_oSzxwcQwuk7LOdRB1oDRSkX7KGzTukvx8Xi3fO2ZfdpNA"
	annRecord = "\rc\x83(\xb3\xf9\x02^\x1cYTƣ3\x8b\x01" + `{"u":"rvqDodMiIBUWAXAT4SkgkP2JlgV1qaHFZf8gPof1sw==",` +
		`"h":"pJSos82CTZ8GX6Q/vaoKZNzcUjwviIkC3H3/RZ5fhzY=","i":1700000000000,"x":7258118400000}`
	annUsed = "\rc\x83(\xb3\xf9\x02^\x1cYTƣ3\xef\x01" + `{"u":"rvqDodMiIBUWAXAT4SkgkP2JlgV1qaHFZf8gPof1sw==",` +
		`"h":"izM0LKvnvXSpmYp5DifJft6TA81y6+c+1iACuusOGsE=","p":"pJSos82CTZ8GX6Q/vaoKZNzcUjwviIkC3H3/RZ5fhzY=",` +
		`"n":"2dOPU1ONQR2CsIpZqeZyng==","r":1700000000000,"i":1700000000000,"x":7258118400000}`
)

// one is a store that has one record, whoever asks.
type one struct {
	session.Handler
	rec session.Record
}

func newOne(payload []byte) *one {
	return &one{rec: session.Record{Version: session.Version{1}, Created: time.Now(), Seen: time.Now(), TTL: time.Hour, Payload: payload}}
}

func (o *one) Read(context.Context, session.ID) (session.Record, error) {
	if o.rec.Version.IsZero() {
		return session.Record{}, session.ErrNotFound
	}
	return o.rec, nil
}

func (o *one) Write(_ context.Context, _ session.ID, rec session.Record, prev session.Version) error {
	if prev != o.rec.Version {
		return session.ErrConflict
	}
	o.rec = rec
	return nil
}

func (o *one) Destroy(context.Context, session.ID) error {
	o.rec = session.Record{}
	return nil
}

// TestStoredForm wants what earlier programs have stored to stay good.
func TestStoredForm(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New(nil), session.Options{})
	use(t, newLoginsOf(t, m, newOne([]byte(annRecord)), remember.Options{}), annCookie, "ann")
	refused(t, newLoginsOf(t, m, newOne([]byte(annUsed)), remember.Options{}), annCookie, remember.ErrStolen)
}

// FuzzRecord reads anything as the record of a user: nothing panics or takes much memory, nobody else comes out of it, and a new
// login is remembered all the same.
func FuzzRecord(f *testing.F) {
	m := newManager(f, memstore.New(nil), session.Options{})
	for _, payload := range []string{annRecord, annUsed, annUsed[:len(annUsed)/2], "\x01e\x100123456789abcdef" + annRecord, annRecord + annUsed,
		"\x0dc01234567890a\x02{}", "\x01e\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", ""} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		store := newOne(payload)
		l := newLoginsOf(t, m, store, remember.Options{})
		bounded(t, 100*len(payload), func() {
			*store = *newOne(payload)
			if who, err := l.Subject(t.Context(), annCookie); err == nil && who != "ann" || err != nil && !errors.Is(err, session.ErrNotFound) {
				t.Errorf("subject: %q, %v", who, err)
			}
			login, err := l.Use(t.Context(), annCookie)
			switch {
			case err == nil, errors.Is(err, remember.ErrStolen):
				if login.Subject != "ann" {
					t.Errorf("use: the user is %q, %v", login.Subject, err)
				}
			case !errors.Is(err, session.ErrNotFound):
				t.Errorf("use: %v", err)
			}
		})
		epoch, err := l.Epoch(t.Context(), "ann")
		if err != nil {
			t.Fatal(err)
		}
		c, err := l.Issue(t.Context(), "ann", epoch)
		if err != nil {
			t.Fatal(err)
		}
		use(t, l, c.Value, "ann")
	})
}

// bounded runs f, and fails if it allocates more than limit bytes, give or take one MiB. It is for fuzzing, where nothing else runs:
// the work of other goroutines is counted too. What was allocated before may be counted as late as at the next garbage collection,
// so if it seems too much f runs once more.
func bounded(t *testing.T, limit int, f func()) {
	t.Helper()
	const slack = 1 << 20
	allocated := func() uint64 {
		taken := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
		metrics.Read(taken)
		return taken[0].Value.Uint64()
	}
	before := allocated()
	f()
	if allocated()-before <= uint64(limit)+slack {
		return
	}
	runtime.GC()
	before = allocated()
	f()
	if took := allocated() - before; took > uint64(limit)+slack {
		t.Errorf("%d bytes were allocated, more than %d", took, limit)
	}
}
