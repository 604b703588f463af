package redisstore

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

const (
	// A waiter that is told of its turn asks by itself at this interval, in case that the message is lost.
	listeningRetry = 250 * time.Millisecond
	// One that is not, because the subscription is not up, at this one.
	pollingRetry = 20 * time.Millisecond
)

// Acquire implements session.Locker with one script.
func (s *Store) Acquire(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
	if s.closed.Load() {
		return session.Lock{}, session.ErrClosed
	}
	channel, wake, asked := polling, (<-chan session.Lock)(nil), time.Now()
	if ask.Wait > 0 {
		channel, wake = s.wakes.listen(ask.Token)
	}
	holder := bytesArg(encodeHolder(ask.Holder))
	reply, err := s.run(ctx, s.acquire, s.key(id), hexToken(ask.Token), ask.Lease.Milliseconds(), max(ask.Wait.Milliseconds(), 0), &holder, channel)
	if err != nil {
		return session.Lock{}, s.failed(ctx, err)
	}
	if reply == replyAbsent {
		s.wakes.forget(ask.Token)
		return session.Lock{}, session.ErrNotFound
	}
	fields, ok := reply.([]any)
	if !ok || len(fields) < 4 {
		return session.Lock{}, errNonsense()
	}
	switch textOf(fields[0]) {
	case "held":
		s.wakes.forget(ask.Token)
		return held(fields)
	case "wait":
		if ask.Wait > 0 {
			s.wakes.start()
			s.wakes.expect(ask.Token, asked, fields[2])
		}
		return session.Lock{Holder: holderOf(fields[1], fields[2]), Wake: wake, Retry: retry(fields[2], fields[3], wake != nil)}, nil
	case "full":
		s.wakes.forget(ask.Token)
		return session.Lock{Holder: holderOf(fields[1], fields[2])}, session.ErrLocked
	}
	return session.Lock{}, errNonsense()
}

// held makes the lock of an answer "held": record, time last seen, whether it was broken, of whom, and now.
func held(fields []any) (session.Lock, error) {
	if len(fields) != 6 {
		return session.Lock{}, errNonsense()
	}
	rec, err := decode(dataOf(fields[2]), dataOf(fields[1]))
	if err != nil {
		return session.Lock{}, err
	}
	lock := session.Lock{Held: true, Record: rec, Unclean: fields[3] == int64(1)}
	if lock.Unclean {
		lock.Holder = holderOf(fields[4], fields[5])
	}
	return lock, nil
}

// retry is when to ask again of a lease that ends: soon after its end, as nobody tells of that.
func retry(now, ends any, listening bool) time.Duration {
	from, _ := now.(int64)
	to, _ := ends.(int64)
	left := time.Duration(max(to-from, 0))*time.Millisecond + time.Millisecond
	if listening {
		return min(left, listeningRetry+rand.N(listeningRetry/10))
	}
	return min(left, pollingRetry/2+rand.N(pollingRetry))
}

// WriteRelease implements session.Locker with one script.
func (s *Store) WriteRelease(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
	data, end, err := s.encode(&rec)
	if err != nil {
		return err
	}
	a := newWriteArgs(data, end, prev)
	reply, err := s.run(ctx, s.writeRelease, s.key(id), &a.data, &a.end, &a.replaces, hexToken(token))
	if err != nil {
		return s.failed(ctx, err)
	}
	if fields, ok := reply.([]any); ok {
		return refused(fields, prev)
	}
	if err := lockAnswer(reply); err != nil || rec.Successor.IsZero() {
		return err
	}
	return s.replicate(ctx, id)
}

// Extend implements session.Locker with one script, which Redis runs even when its memory is full.
func (s *Store) Extend(ctx context.Context, id session.ID, token session.LockToken, lease time.Duration) error {
	if s.closed.Load() {
		return session.ErrClosed
	}
	reply, err := s.run(ctx, s.extend, s.key(id), hexToken(token), lease.Milliseconds())
	if err != nil {
		return s.failed(ctx, err)
	}
	return lockAnswer(reply)
}

// Release implements session.Locker with one script, which Redis runs even when its memory is full.
func (s *Store) Release(ctx context.Context, id session.ID, token session.LockToken) error {
	if s.closed.Load() {
		return session.ErrClosed
	}
	s.wakes.forget(token)
	reply, err := s.run(ctx, s.release, s.key(id), hexToken(token))
	if err != nil {
		return s.failed(ctx, err)
	}
	return lockAnswer(reply)
}

func lockAnswer(reply any) error {
	switch reply {
	case replyDone:
		return nil
	case replyAbsent:
		return session.ErrNotFound
	case replyLost:
		return session.ErrLockLost
	}
	return errNonsense()
}

// hexToken returns a token as an argument.
func hexToken(token session.LockToken) *bytesArg {
	arg := bytesArg(hex.AppendEncode(make([]byte, 0, hex.EncodedLen(len(token))), token[:]))
	return &arg
}

// encodeHolder makes one word of h: its texts, each with its length before it, in base64.
func encodeHolder(h session.Holder) []byte {
	var buf [128]byte
	b := buf[:0]
	for _, text := range [...]string{h.Method, h.Path, h.Node} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return base64.RawURLEncoding.AppendEncode(make([]byte, 0, base64.RawURLEncoding.EncodedLen(len(b))), b)
}

// holderOf decodes a holder with its since. now is the server's clock when it answered, which need not agree with ours.
func holderOf(field, now any) (h session.Holder) {
	word, since, _ := strings.Cut(textOf(field), "@")
	b, err := base64.RawURLEncoding.DecodeString(word)
	if err != nil {
		return session.Holder{}
	}
	for _, to := range []*string{&h.Method, &h.Path, &h.Node} {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return session.Holder{}
		}
		*to, b = string(b[size:size+int(n)]), b[size+int(n):]
	}
	from, err := strconv.ParseInt(since, 10, 64)
	if to, ok := now.(int64); ok && err == nil {
		h.Since = time.Now().Add(-time.Duration(to-from) * time.Millisecond)
	}
	return h
}

var (
	_ [session.MaxLockQueue]struct{} = [64]struct{}{}    // of acquireScript
	_ [maxMessage]struct{}           = [16384]struct{}{} // of lockLibrary
)
