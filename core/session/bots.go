package session

import (
	"errors"
	"fmt"
	"time"
)

// Classifier tells robots from people. Package bots has one. It is called at most once for a request, when its session is
// first asked for, by many goroutines at once, and must not keep in.
type Classifier interface {
	// IsBot reports whether the request comes from a robot.
	IsBot(in RequestHeader) bool
}

// BotMode is what robots get for a session.
type BotMode uint8

const (
	// BotsShort stores the sessions of robots for a short time: BotOptions.FirstTimeout and Timeout.
	BotsShort BotMode = iota
	// BotsInMemory gives a robot a session that is new with each request and ends with it: handlers work as ever, and nothing
	// is read, stored or sent, whatever cookie comes.
	BotsInMemory
	// BotsRefused gives robots no session: Get fails with ErrBot, which StatusCode makes 403.
	BotsRefused
)

// BotOptions are how robots are treated. The zero value treats them like everybody.
type BotOptions struct {
	// Classifier tells who is a robot. Default nil: nobody is.
	Classifier Classifier
	// Mode is what robots get.
	Mode BotMode
	// Unlocked makes Exclusive the same as Optimistic for robots, so that they never wait for a lock nor keep one.
	Unlocked bool
	// FirstTimeout ends a robot's session that was written only once, and after twice that time one that was written
	// twice. Default 1 minute, or Timeout if that is shorter; negative: Timeout counts from the beginning.
	FirstTimeout time.Duration
	// Timeout is IdleTimeout for the sessions of robots, if that is not shorter. Default 2 hours.
	Timeout time.Duration
}

// ErrBot says that the visitor is a robot, and that robots get no session (BotsRefused).
var ErrBot = errors.New("robots get no session")

func (o BotOptions) withDefaults() BotOptions {
	if o.Classifier == nil {
		return o
	}
	setDefault(&o.Timeout, 2*time.Hour)
	if setDefault(&o.FirstTimeout, time.Minute); o.FirstTimeout == time.Minute {
		o.FirstTimeout = min(o.FirstTimeout, max(o.Timeout, 0))
	}
	return o
}

func (o *BotOptions) check() error {
	switch {
	case o.Classifier == nil && (o.Mode != 0 || o.Unlocked || o.FirstTimeout != 0 || o.Timeout != 0):
		return errors.New("Bots.Classifier: is nil, so nobody is a robot, and the other fields have no effect")
	case o.Classifier == nil:
		return nil
	case o.Mode > BotsRefused:
		return fmt.Errorf("Bots.Mode: there is no mode %d", o.Mode)
	case o.Timeout < time.Millisecond:
		return fmt.Errorf("Bots.Timeout: %v must be at least 1 ms", o.Timeout)
	case o.FirstTimeout > o.Timeout || o.FirstTimeout > 0 && o.FirstTimeout < time.Millisecond:
		return fmt.Errorf("Bots.FirstTimeout: %v must be at least 1 ms and not above Bots.Timeout, %v", o.FirstTimeout, o.Timeout)
	}
	return nil
}

// admit decides what a request gets before its session is read: it returns the mode, and done if there is nothing to read.
func (x *Exchange) admit(s *Session, mode Mode) (_ Mode, done bool, err error) {
	o := &x.m.o.Bots
	if o.Mode == BotsShort && !(o.Unlocked && mode.kind() == Exclusive) {
		return mode, false, nil // not before it is known whether the session has the verdict
	}
	if x.isBot(s); !s.bot {
		return mode, false, nil
	}
	if mode.kind() == Exclusive {
		mode = Optimistic
		s.mode = Optimistic
	}
	switch o.Mode {
	case BotsInMemory:
		s.passing = true
		return mode, true, nil
	case BotsRefused:
		return mode, true, ErrBot
	default:
		return mode, false, nil
	}
}

// isBot asks the classifier about the visitor.
func (x *Exchange) isBot(s *Session) {
	s.bot, s.judged = x.m.o.Bots.Classifier.IsBot(x.in), true
	if s.bot {
		s.observe(Event{Kind: EventBot})
	}
}

// judge makes the verdict about the visitor of a session that was found or begins: the one that is stored with it, if there
// is one.
func (x *Exchange) judge(s *Session) {
	if s.judged {
		return
	}
	if verdict, ok := find(s.rec.Payload, noteBot); ok {
		s.bot, s.judged = string(verdict) == "1", true
		return
	}
	x.isBot(s)
}

// Bot reports whether the visitor is a robot, as far as Options.Bots tells. The verdict is made once and kept with the
// session.
func (s *Session) Bot() bool {
	s.lock()
	defer s.mu.Unlock()
	return s.bot
}

// unlocked reports whether Exclusive is nothing else than Optimistic for the visitor. The mode stays the one that he has.
func (s *Session) unlocked() bool {
	s.lock()
	defer s.mu.Unlock()
	return s.bot && (s.passing || s.m.o.Bots.Unlocked)
}

// noteVerdict keeps the verdict with what the commit changes, if it is not there.
func (s *Session) noteVerdict() {
	if !s.judged {
		return
	}
	if _, kept := find(s.rec.Payload, noteBot); kept {
		return
	}
	if _, changed := s.changes.splice(s.rec.Payload); !changed {
		return
	}
	verdict := "0"
	if s.bot {
		verdict = "1"
	}
	s.note(noteBot, []byte(verdict))
}
