package session_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

func TestSealingOptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	type encryption = session.Encryption
	type compression = session.Compression
	later := time.Now().Add(time.Hour)
	broken := method{func(_, _ []byte) ([]byte, error) { return nil, nil }}
	for field, o := range map[string]session.Options{
		"Encryption.Keys: key 1":          {Encryption: encryption{Keys: []session.Secret{secretOf("a"), secretOf("b")[:31]}}},
		"Encryption: without Keys":        {Encryption: encryption{Token: true}},
		"Encryption: without Keys nothin": {Encryption: encryption{PlainUntil: later}},
		"Encryption: Begin is after":      {Encryption: encryption{Keys: ring("a"), Begin: later, PlainUntil: later.Add(-1)}},
		"Compression: a method is nil":    {Compression: compression{Reads: []session.Compressor{nil}}},
		"Compression: the method with":    {Compression: compression{Method: &session.Gzip{Level: 10}}},
		"TokenMAC.Keys: key 0":            {TokenMAC: session.TokenMAC{Keys: []session.Secret{nil}}},
		"TokenMAC: PlainUntil":            {TokenMAC: session.TokenMAC{PlainUntil: later}},
		"Cookie.Name":                     {TokenMAC: session.TokenMAC{Keys: ring("a")}, Cookie: session.Cookie{Name: strings.Repeat("a", 4096-66)}},
	} {
		if _, err := session.New(memstore.New(nil), o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got error %v", field, err)
		}
	}
	if _, err := session.New(memstore.New(nil), session.Options{Compression: compression{Method: broken}}); err != nil {
		t.Errorf("a method that only fails later: %v", err)
	}
}

// merger is a store that merges payloads.
type merger struct {
	*memstore.Store
	envelope *session.Envelope
}

func (m *merger) UseEnvelope(e *session.Envelope) { m.envelope = e }

// A store that merges gets an Envelope with which it can.
func TestEnvelopeForMergers(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]session.Options{
		"none": {}, "gzip": compressing(new(session.Gzip), -1), "key": {Encryption: bothWays["key"]}, "token": {Encryption: bothWays["token"]},
	} {
		store := &merger{Store: memstore.New(nil)}
		v := named(t, store, o, halves(500))
		id, _ := session.ParseToken(strings.TrimPrefix(v.cookie, "__Host-session="))
		rec, err := store.Read(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := store.envelope.Open(id, rec)
		if name == "token" {
			if _, seal := store.envelope.Seal(id, rec); !errors.Is(err, errors.ErrUnsupported) || !errors.Is(seal, errors.ErrUnsupported) {
				t.Errorf("%s: Open %v, Seal %v", name, err, seal)
			}
			continue
		}
		prev := rec.Version
		rec.Version[0]++
		rec.Payload = session.AppendFrame(payload, "count", []byte("7"))
		if rec.Payload, err = store.envelope.Seal(id, rec); err != nil {
			t.Fatal(err)
		}
		if err := store.Write(t.Context(), id, rec, prev); err != nil {
			t.Fatal(err)
		}
		v.do(func(s *session.Session) {
			if user.Get(s) != halves(500) || count.Get(s) != 7 {
				t.Errorf("%s: what was merged is lost", name)
			}
		})
	}
}

func sampleOf(payload []byte) (session.ID, session.Record) {
	now := time.UnixMilli(1_800_000_000_000)
	return session.ID{1}, session.Record{Version: session.Version{2}, Created: now, Seen: now, TTL: time.Hour, Payload: payload}
}

// FuzzCompressedRecord reads anything as what a compressed session is stored as: nothing panics, and what comes out is in
// the limits, as is the memory that it takes.
func FuzzCompressedRecord(f *testing.F) {
	payload := session.AppendFrame(nil, "user", []byte(halves(3000)))
	good := gzipped(f, payload)
	f.Add(uint64(len(payload)), good)
	f.Add(uint64(len(payload)), good[:len(good)/2])
	f.Add(uint64(1<<60), good)
	f.Add(uint64(16<<20), gzipped(f, make([]byte, 16<<20)))
	f.Add(uint64(0), []byte{})
	e := session.NewEnvelope(session.Options{})
	f.Fuzz(func(t *testing.T, size uint64, data []byte) {
		for _, stored := range [][]byte{data, packed(size, data), binary.AppendUvarint([]byte{0, 1, 1}, size)} {
			kept := bytes.Clone(stored)
			id, rec := sampleOf(stored)
			var got []byte
			var err error
			bounded(t, 2*min(16<<20, 100*len(stored)), func() { got, err = e.Open(id, rec) })
			switch {
			case !bytes.Equal(stored, kept):
				t.Fatal("its input was changed")
			case err != nil && !errors.Is(err, session.ErrCorrupt):
				t.Fatalf("not ErrCorrupt: %v", err)
			case len(got) > max(100*len(stored), len(stored)), len(got) > max(16<<20, len(stored)):
				t.Fatalf("%d bytes became %d", len(stored), len(got))
			case err == nil && session.CheckPayload(got) != nil:
				t.Fatal("it is no payload")
			}
		}
	})
}

// FuzzEncryptedRecord reads anything as what an encrypted session is stored as: nothing panics or takes much memory, and
// nothing is believed that was not encrypted with the key for this very session.
func FuzzEncryptedRecord(f *testing.F) {
	e := session.NewEnvelope(session.Options{Encryption: session.Encryption{Keys: ring("a", "b")}})
	payload := session.AppendFrame(nil, "user", []byte(halves(300)))
	id, rec := sampleOf(payload)
	good, err := e.Seal(id, rec)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(good[:7])
	f.Add(payload)
	f.Add(append([]byte{0, 2, 1}, good[3:]...))
	f.Add(packed(uint64(len(payload)), gzipped(f, payload)))
	f.Fuzz(func(t *testing.T, stored []byte) {
		for _, stored := range [][]byte{stored, append(good[:7:7], stored...)} {
			kept := bytes.Clone(stored)
			id, rec := sampleOf(stored)
			var got []byte
			var err error
			bounded(t, 2*len(stored), func() { got, err = e.Open(id, rec) })
			if !bytes.Equal(stored, kept) {
				t.Fatal("its input was changed")
			}
			if err == nil && !bytes.Equal(got, payload) {
				t.Fatalf("%q is believed", stored)
			}
			if err != nil && !errors.Is(err, session.ErrCorrupt) && !errors.Is(err, errors.ErrUnsupported) {
				t.Fatalf("not ErrCorrupt: %v", err)
			}
		}
	})
}

// FuzzTokenMAC takes anything for a token with a code: only ours is one.
func FuzzTokenMAC(f *testing.F) {
	v := newVisitor(f, newManager(f, nil, signing("a")))
	session.SetRandom(v.m, strings.NewReader(strings.Repeat("r", 32)))
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	ours := strings.TrimPrefix(v.cookie, "__Host-session=")
	f.Add(ours)
	f.Add(ours[:43])
	f.Add(strings.TrimPrefix(madeUp(50), "__Host-session="))
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if got := session.Genuine(secretOf("a"), token); got && token != ours {
			t.Fatalf("%q is taken for ours", token)
		}
	})
}
