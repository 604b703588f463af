package session_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

func TestVersionsNearTheEndDoNotRepeat(t *testing.T) {
	t.Parallel()
	node, now := session.NewVersionNode(1), time.UnixMilli(1_767_225_600_000)
	a := node.Next(now, session.Version{})
	end := session.Version{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}
	node.Next(now, end)
	if b := node.Next(now, session.Version{}); a == b {
		t.Errorf("%x was made twice", a)
	}
}

func TestClockBefore1970(t *testing.T) {
	t.Parallel()
	node := session.NewVersionNode(1)
	seen := map[session.Version]bool{}
	for i := range 1<<16 + 10 {
		v := node.Next(time.UnixMilli(-1), session.Version{})
		if seen[v] {
			t.Fatalf("%d: %x was made twice", i, v)
		}
		seen[v] = true
	}
}

func TestRecordTimesBeyondRange(t *testing.T) {
	t.Parallel()
	rec := session.Record{Created: time.UnixMilli(maxMillis), Seen: time.UnixMilli(maxMillis)}
	body := session.AppendRecord(nil, &rec)
	body = append(body[:25], 5, 0, 0) // seen = created + 5 ms
	data := binary.BigEndian.AppendUint32(body, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	got, err := session.ParseRecord(data)
	if err != nil {
		return
	}
	again, _ := session.ParseRecord(session.AppendRecord(nil, &got))
	if !equalRecords(got, again) {
		t.Errorf("seen %v becomes %v", got.Seen, again.Seen)
	}
}

func TestEventsAndSessionsPrintNoSecrets(t *testing.T) {
	t.Parallel()
	h := &telling{Handler: memstore.New(nil), ids: map[session.ID]bool{}}
	events := &recorder{}
	m := newManager(t, h, session.Options{Observer: events, LogKey: []byte("my secret log key")})
	v := newVisitor(t, m)
	var texts []string
	v.do(func(s *session.Session) { _ = user.Set(s, secret) })
	v.do(func(s *session.Session) { texts = append(texts, fmt.Sprintf("%+v", s), fmt.Sprint(s)) })
	for _, e := range events.events {
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "event", e)
		texts = append(texts, fmt.Sprintf("%+v", e), fmt.Sprint(e), out.String())
	}
	for id := range h.ids {
		forms := append(idForms(id), fmt.Sprint([]byte(secret))[1:20], fmt.Sprint([]byte("my secret log key"))[1:20])
		for _, text := range texts {
			for _, form := range forms {
				if strings.Contains(text, form) {
					t.Errorf("%q in %.300s", form, text)
				}
			}
		}
	}
}

func TestIDsInJSONAreRedacted(t *testing.T) {
	t.Parallel()
	id := sampleID()
	jsonID, _ := json.Marshal(id)
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "ids", []session.ID{id}, "rec", session.Record{Successor: id})
	for name, text := range map[string]string{
		"json.Marshal": string(jsonID), "slog JSON, nested": out.String(),
	} {
		for _, form := range idForms(id) {
			if strings.Contains(text, form) {
				t.Errorf("%s: %s", name, text)
				break
			}
		}
	}
}

type failing struct {
	session.Handler
	err error
}

func (f failing) Read(context.Context, session.ID) (session.Record, error) {
	return session.Record{}, f.err
}

func TestUnavailableIsNeverAbsent(t *testing.T) {
	t.Parallel()
	for _, other := range []error{session.ErrNotFound, session.ErrCorrupt} {
		// As a Handler of several stores may join their answers.
		err := fmt.Errorf("%w: %w", session.ErrUnavailable, fmt.Errorf("mysql: %w", other))
		if got := session.StatusCode(err); got != 503 {
			t.Errorf("status of %v: %d", err, got)
		}
		m := newManager(t, failing{memstore.New(nil), err}, session.Options{})
		token, _ := goodToken()
		v := &visitor{t: t, m: m, cookie: "__Host-session=" + token}
		res := v.do(func(s *session.Session) { t.Errorf("%v: a fresh session: new %v", err, s.IsNew()) })
		if res.StatusCode != 503 {
			t.Errorf("%v: %s", err, res.Status)
		}
	}
}

func TestOpenHidesUnescapedPasswords(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"redis://user:86753/09@h:1", "redis://:86753#09@h", "redis://user:86753?x@h", "redis://S3cretUserOnly/x@h"} {
		_, err := testMux().Open(t.Context(), raw)
		if err == nil || strings.Contains(err.Error(), "86753") || strings.Contains(err.Error(), "S3cret") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	t.Parallel()
	for field, o := range map[string]session.Options{
		"MaxBytes":                 {MaxBytes: session.RecordOverhead},
		"IdleTimeout":              {IdleTimeout: 30 * 24 * time.Hour},
		"Cookie.SameSite":          {Cookie: session.Cookie{SameSite: 99}},
		"Header (Cookie)":          {Header: "cookie"},
		"Header (Set-Cookie)":      {Header: "set-cookie"},
		"Header (Cache-Control)":   {Header: "cache-control"},
		"Header (Vary)":            {Header: "vary"},
		"Header (Host)":            {Header: "host"},
		"Header (Content-Length)":  {Header: "Content-Length"},
		"Header (Transfer-Enc...)": {Header: "Transfer-Encoding"},
	} {
		m, err := session.New(memstore.New(nil), o)
		if err == nil {
			t.Errorf("%s is accepted", field)
			_ = m.Close()
		}
	}
}

func TestEncodeErrorsHideTheValue(t *testing.T) {
	t.Parallel()
	events := &recorder{}
	m := newManager(t, nil, session.Options{Observer: events})
	newVisitor(t, m).do(func(s *session.Session) {
		_ = session.NewKey[json.Number]("n").Set(s, json.Number(secret))
	})
	for _, e := range events.events {
		if e.Err != nil && strings.Contains(e.Err.Error(), secret) {
			t.Errorf("%v: %v", e.Kind, e.Err)
		}
	}
}

func TestReadOnlyReadsCountForRejectStale(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil, session.Options{RejectStale: true})
	v := newVisitor(t, m)
	v.do(func(s *session.Session) { _ = user.Set(s, "a") })
	res := v.serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
		look, _ := session.Get(r.Context(), session.ReadOnly) // some middleware looks
		old := user.Get(look)
		v.do(func(s *session.Session) { _ = user.Set(s, "b") })
		s, _ := session.Get(r.Context()) // the handler changes
		_ = user.Set(s, old+"!")
	})
	if res.StatusCode == http.StatusOK {
		t.Error("the other request's change was overwritten although RejectStale is set")
	}
}

func TestParsedPayloadIsClipped(t *testing.T) {
	t.Parallel()
	rec := sampleRecord()
	one := session.AppendRecord(nil, &rec)
	both := session.AppendRecord(bytes.Clone(one), &rec)
	got, _ := session.ParseRecord(both[:len(one)])
	_ = append(got.Payload, "xxxxxxxxxx"...)
	if !bytes.Equal(both[:len(one)], one) {
		t.Error("appending to the payload changed the bytes it was parsed from")
	}
}

func TestUpperCaseScheme(t *testing.T) {
	t.Parallel()
	var m session.Mux
	m.Register("Memory", "x", openMemory)
	if _, err := m.Open(t.Context(), "Memory://"); err != nil {
		t.Error(err)
	}
}

func TestOpenOfABareAddress(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{"localhost:6379": "no scheme", "127.0.0.1:6379": "no scheme", "user:pw@tcp(h:3306)/db": "no scheme"} {
		if _, err := testMux().Open(t.Context(), raw); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if _, err := (&session.Mux{}).Open(t.Context(), "redis://"); strings.HasSuffix(err.Error(), ": ") {
		t.Errorf("%v", err)
	}
}

func TestErrorsCarryNoRecord(t *testing.T) {
	t.Parallel()
	var told error
	m := newManager(t, nil, session.Options{ErrorResponse: func(err error) session.Response { told = err; return session.Response{Status: 500} }})
	session.SetRandom(m, bytes.NewReader(make([]byte, 4*32)))
	newVisitor(t, m).do(func(s *session.Session) { _ = user.Set(s, "alice's secret") })
	newVisitor(t, m).do(func(s *session.Session) { _ = user.Set(s, "carol") })
	if c, ok := errors.AsType[*session.ConflictError](told); ok && bytes.Contains(c.Newest.Payload, []byte("alice")) {
		t.Errorf("carol's error holds %q", c.Newest.Payload)
	}
}

func TestPersistentCookieLivesAsLongAsTheSession(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil, session.Options{Cookie: session.Cookie{Persistent: true}})
	v := newVisitor(t, m)
	if got := v.do(func(s *session.Session) { _ = user.Set(s, "a") }).Header.Get("Set-Cookie"); !strings.Contains(got, "Max-Age=86400") {
		t.Error(got)
	}
}

func TestLogKeyIsCopied(t *testing.T) {
	t.Parallel()
	key, events := []byte("shared key"), &recorder{}
	m := newManager(t, nil, session.Options{LogKey: key, Observer: events})
	v := newVisitor(t, m)
	v.do(func(s *session.Session) { _ = user.Set(s, "a") })
	before := events.events[0].Session()
	clear(key) // the caller wipes her copy
	v.do(func(s *session.Session) {})
	if before != events.events[1].Session() {
		t.Error("the hash changes with the caller's slice")
	}
}
