package remember_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/remember"
	"github.com/nonstick-go/nonstick/core/session"
)

// TestEveryOptionHasAnEffect uses a cookie, twice, an hour after the login and a minute later. The house rules want each option
// to have a line.
func TestEveryOptionHasAnEffect(t *testing.T) {
	t.Parallel()
	gone := "remember: use: " + session.ErrNotFound.Error()
	for option, c := range map[string]struct {
		o    remember.Options
		want string
	}{
		"none":                      {remember.Options{}, "__Host-remember: ann, then " + remember.ErrStolen.Error()},
		"remember.Options.Cookie":   {remember.Options{Cookie: session.Cookie{Name: "keep"}}, "keep: ann, then " + remember.ErrStolen.Error()},
		"remember.Options.Grace":    {remember.Options{Grace: 2 * time.Minute}, "__Host-remember: ann, then ann"},
		"remember.Options.Lifetime": {remember.Options{Lifetime: time.Hour}, "__Host-remember: " + gone + ", then " + gone},
	} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLogins(t, memstore.New(nil), c.o)
				cookie, err := l.Issue(t.Context(), "ann", remember.Epoch{})
				if err != nil {
					t.Fatal(err)
				}
				see := func() string {
					login, err := l.Use(t.Context(), cookie.Value)
					if err != nil {
						return err.Error()
					}
					return login.Subject
				}
				time.Sleep(time.Hour)
				got := cookie.Name + ": " + see()
				time.Sleep(time.Minute)
				got += ", then " + see()
				if got != c.want {
					t.Errorf("got %s\nwant %s", got, c.want)
				}
			})
		})
	}
}
