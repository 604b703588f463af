package session_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

const maxMillis = 1<<48 - 1 // the last time that a record can hold

// sampleRecord has every field set.
func sampleRecord() session.Record {
	created := time.UnixMilli(1_767_225_600_123) // 2026-01-01
	rec := session.Record{
		Created: created,
		Seen:    created.Add(90 * time.Second),
		Expires: created.Add(24 * time.Hour),
		TTL:     time.Hour,
		Payload: []byte("\x04user\x0242"),
	}
	for i := range rec.Version {
		rec.Version[i] = byte(0xa0 + i)
	}
	return rec
}

func successorRecord() session.Record {
	rec := sampleRecord()
	rec.Payload = nil
	for i := range rec.Successor {
		rec.Successor[i] = byte(i + 1)
	}
	return rec
}

func equalRecords(a, b session.Record) bool {
	return a.Version == b.Version && a.Created.Equal(b.Created) && a.Seen.Equal(b.Seen) && a.Expires.Equal(b.Expires) &&
		a.Expires.IsZero() == b.Expires.IsZero() && a.TTL == b.TTL && a.Successor == b.Successor && bytes.Equal(a.Payload, b.Payload)
}

// The format is what every backend has stored: these bytes must be readable for ever, so this literal never changes.
func TestRecordGolden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		rec  session.Record
		hex  string
	}{
		{"data", sampleRecord(), "4e01a0a1a2a3a4a5a6a7a8a9aaabacadaeaf00019b76daa87b90bf0581b8992980dddb01" +
			"047573657202343280feb046"},
		{"successor", successorRecord(), "4e01a0a1a2a3a4a5a6a7a8a9aaabacadaeaf01019b76daa87b90bf0581b8992980dddb01" +
			"0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20e57cbf94"},
		{"zero", session.Record{}, "4e0100000000000000000000000000000000000000000000000000007ec0a45f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := hex.EncodeToString(session.AppendRecord(nil, &c.rec)); got != c.hex {
				t.Errorf("format 1 has changed\n got %s\nwant %s", got, c.hex)
			}
			data, err := hex.DecodeString(c.hex)
			if err != nil {
				t.Fatal(err)
			}
			got, err := session.ParseRecord(data)
			if err != nil {
				t.Fatal(err)
			}
			if c.rec.Created.IsZero() { // a record has no zero for these two
				c.rec.Created, c.rec.Seen = time.UnixMilli(0), time.UnixMilli(0)
			}
			if !equalRecords(got, c.rec) {
				t.Errorf("got %+v, want %+v", got, c.rec)
			}
		})
	}
}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	prefix := []byte("prefix")
	longest := 0
	for range 5000 {
		want := randomRecord(rng)
		data := session.AppendRecord(bytes.Clone(prefix), &want)
		if !bytes.HasPrefix(data, prefix) {
			t.Fatalf("AppendRecord changed what was there: %x", data)
		}
		data = data[len(prefix):]
		if got := [16]byte(data[session.VersionOffset:]); got != want.Version {
			t.Fatalf("version at VersionOffset is %x, want %x", got, want.Version)
		}
		got, err := session.ParseRecord(data)
		if err != nil || !equalRecords(got, want) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
		}
		if !got.Deadline().Equal(want.Deadline()) {
			t.Fatalf("deadline %v, want %v", got.Deadline(), want.Deadline())
		}
		longest = max(longest, len(data)-len(want.Payload))
	}
	if longest != session.RecordOverhead {
		t.Errorf("the encoding adds up to %d bytes, RecordOverhead says %d", longest, session.RecordOverhead)
	}
}

// randomRecord prefers the ends of every range.
func randomRecord(rng *rand.Rand) session.Record {
	millis := func(least, most int64) int64 {
		switch rng.IntN(4) {
		case 0:
			return least
		case 1:
			return most
		case 2:
			return min(most, least+rng.Int64N(100_000))
		default:
			return least + rng.Int64N(most-least+1)
		}
	}
	created := millis(0, maxMillis)
	rec := session.Record{
		Created: time.UnixMilli(created),
		Seen:    time.UnixMilli(millis(created, maxMillis)),
		TTL:     time.Duration(millis(0, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond,
	}
	binary.NativeEndian.PutUint64(rec.Version[:], rng.Uint64())
	if rng.IntN(2) == 0 {
		rec.Expires = time.UnixMilli(millis(created, maxMillis))
	}
	if rng.IntN(3) == 0 {
		binary.NativeEndian.PutUint64(rec.Successor[rng.IntN(25):], rng.Uint64()|1)
	}
	for range rng.IntN(300) {
		rec.Payload = append(rec.Payload, byte(rng.Uint32()))
	}
	return rec
}

// A record cannot hold every time.Time; what it cannot hold becomes the nearest that it can.
func TestRecordNearest(t *testing.T) {
	t.Parallel()
	at := func(ms int64) time.Time { return time.UnixMilli(ms) }
	for _, c := range []struct {
		name      string
		rec, want session.Record
	}{
		{"zero times", session.Record{}, session.Record{Created: at(0), Seen: at(0)}},
		{"before 1970", session.Record{Created: at(-5), Seen: at(-4), Expires: at(-3), TTL: time.Second},
			session.Record{Created: at(0), Seen: at(0), Expires: at(0), TTL: time.Second}},
		{"after the last year", session.Record{Created: at(maxMillis + 1), Seen: at(maxMillis + 2), Expires: at(maxMillis + 3)},
			session.Record{Created: at(maxMillis), Seen: at(maxMillis), Expires: at(maxMillis)}},
		{"negative TTL", session.Record{Created: at(7), Seen: at(9), TTL: -time.Hour}, session.Record{Created: at(7), Seen: at(9)}},
		{"most negative TTL", session.Record{Created: at(7), Seen: at(9), TTL: math.MinInt64}, session.Record{Created: at(7), Seen: at(9)}},
		{"longest TTL", session.Record{Created: at(7), Seen: at(9), TTL: math.MaxInt64},
			session.Record{Created: at(7), Seen: at(9), TTL: math.MaxInt64 / time.Millisecond * time.Millisecond}},
		{"seen before created", session.Record{Created: at(9), Seen: at(7)}, session.Record{Created: at(9), Seen: at(9)}},
		{"expires before created", session.Record{Created: at(9), Seen: at(9), Expires: at(1)},
			session.Record{Created: at(9), Seen: at(9), Expires: at(9)}},
		{"microseconds", session.Record{Created: at(9), Seen: at(9).Add(1999 * time.Microsecond), TTL: 1999 * time.Microsecond},
			session.Record{Created: at(9), Seen: at(10), TTL: time.Millisecond}},
		{"another zone", session.Record{Created: at(9).In(time.FixedZone("far", 50_000)), Seen: at(9).UTC()},
			session.Record{Created: at(9), Seen: at(9)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := session.ParseRecord(session.AppendRecord(nil, &c.rec))
			if err != nil || !equalRecords(got, c.want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestRecordDeadline(t *testing.T) {
	t.Parallel()
	seen := time.UnixMilli(1_000_000)
	for _, c := range []struct {
		name string
		rec  session.Record
		want time.Time
	}{
		{"idle alone", session.Record{Seen: seen, TTL: time.Hour}, seen.Add(time.Hour)},
		{"idle first", session.Record{Seen: seen, TTL: time.Hour, Expires: seen.Add(2 * time.Hour)}, seen.Add(time.Hour)},
		{"absolute first", session.Record{Seen: seen, TTL: time.Hour, Expires: seen.Add(time.Minute)}, seen.Add(time.Minute)},
		{"expired", session.Record{Seen: seen, TTL: time.Hour, Expires: seen.Add(-time.Minute)}, seen.Add(-time.Minute)},
		{"no life", session.Record{Seen: seen}, seen},
	} {
		if got := c.rec.Deadline(); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Any change of any single byte, and any loss at the end, is noticed.
func TestRecordDamaged(t *testing.T) {
	t.Parallel()
	for name, rec := range map[string]session.Record{"data": sampleRecord(), "successor": successorRecord(), "zero": {}} {
		whole := session.AppendRecord(nil, &rec)
		for i := range whole {
			for flip := 1; flip < 256; flip++ {
				data := bytes.Clone(whole)
				data[i] ^= byte(flip)
				if got, err := session.ParseRecord(data); !errors.Is(err, session.ErrCorrupt) {
					t.Errorf("%s: byte %d ^ %#x: got %+v, %v", name, i, flip, got, err)
				}
			}
		}
		for n := range whole {
			if got, err := session.ParseRecord(whole[:n]); !errors.Is(err, session.ErrCorrupt) {
				t.Errorf("%s: first %d bytes: got %+v, %v", name, n, got, err)
			}
			if got, err := session.ParseRecord(whole[n+1:]); !errors.Is(err, session.ErrCorrupt) {
				t.Errorf("%s: without the first %d bytes: got %+v, %v", name, n+1, got, err)
			}
		}
		if got, err := session.ParseRecord(append(bytes.Clone(whole), 0)); !errors.Is(err, session.ErrCorrupt) {
			t.Errorf("%s: one byte more: got %+v, %v", name, got, err)
		}
	}
}

// checksummed makes body a record as far as its checksum goes.
func checksummed(body []byte) []byte {
	return binary.BigEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// What has a good checksum and is no record all the same: another library version made it, or somebody who can write
// to the store.
func TestRecordMalformed(t *testing.T) {
	t.Parallel()
	rec := sampleRecord()
	good := session.AppendRecord(nil, &rec)
	good = good[:len(good)-4]
	edited := func(at int, with ...byte) []byte { return append(bytes.Clone(good[:at]), with...) }
	replaced := func(at int, with byte) []byte {
		body := bytes.Clone(good)
		body[at] = with
		return body
	}
	huge := bytes.Repeat([]byte{0xff}, 9)
	for _, c := range []struct {
		name string
		body []byte
	}{
		{"no magic", replaced(0, 'n')},
		{"format 0", replaced(1, 0)},
		{"format 2", replaced(1, 2)},
		{"format 255", replaced(1, 255)},
		{"flag 2", replaced(18, 2)},
		{"all flags", replaced(18, 255)},
		{"successor cut off", replaced(18, 1)},
		{"times cut off", edited(25, 0x80, 0x80, 0x80)},
		{"times that never end", edited(25, append(huge, huge...)...)},
		{"time of 64 bits", edited(25, append(huge, 1, 0, 0)...)},
		{"time beyond the range", edited(25, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0, 0)},
		{"two times only", edited(25, 0, 0, 0x80)},
	} {
		if got, err := session.ParseRecord(checksummed(c.body)); !errors.Is(err, session.ErrCorrupt) {
			t.Errorf("%s: got %+v, %v", c.name, got, err)
		}
	}
	if got, err := session.ParseRecord(checksummed(good)); err != nil || !equalRecords(got, rec) {
		t.Errorf("the test itself: got %+v, %v", got, err)
	}
}

// Parsing allocates nothing for a record and no more than its message for anything else, whatever lengths it claims.
func TestParseRecordAllocates(t *testing.T) {
	rec := sampleRecord()
	rec.Payload = make([]byte, 1<<20)
	whole := session.AppendRecord(nil, &rec)
	if n := testing.AllocsPerRun(100, func() { _, _ = session.ParseRecord(whole) }); n != 0 {
		t.Errorf("a record of 1 MiB takes %v allocations", n)
	}
	whole[len(whole)-1] ^= 1
	if n := testing.AllocsPerRun(100, func() { _, _ = session.ParseRecord(whole) }); n > 4 {
		t.Errorf("a corrupt record takes %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = session.AppendRecord(whole[:0], &rec) }); n > 1 {
		t.Errorf("encoding takes %v allocations", n)
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, rec := range []session.Record{sampleRecord(), successorRecord(), {}} {
		data := session.AppendRecord(nil, &rec)
		f.Add(data)
		f.Add(data[:len(data)-4])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, checksummed(data)} { // the fuzzer does not find checksums by itself
			kept := bytes.Clone(data)
			var rec session.Record
			var err error
			bounded(t, 2*len(data), func() { rec, err = session.ParseRecord(data) })
			if !bytes.Equal(data, kept) {
				t.Fatal("ParseRecord changed its input")
			}
			if err != nil {
				if !errors.Is(err, session.ErrCorrupt) {
					t.Fatalf("not ErrCorrupt: %v", err)
				}
				continue
			}
			again, err := session.ParseRecord(session.AppendRecord(nil, &rec))
			if err != nil || !equalRecords(rec, again) {
				t.Fatalf("parsed     %+v\nencoded to %+v, %v", rec, again, err)
			}
		}
	})
}
