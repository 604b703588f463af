package filestore

import (
	"context"
	"errors"
	"os"
	"time"
)

// Ping implements session.Pinger: it creates, locks, writes, syncs and removes a file.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	name := tempName(time.Now())
	file, err := s.base.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|nonblock, 0o600)
	if err != nil {
		return unavailable("the session folder is not writable", err)
	}
	_, err = file.WriteString("ping")
	if err == nil {
		_, err = tryFlock(file.Fd())
	}
	if err == nil && !s.opts.NoSync {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close(), s.base.Remove(name)); err != nil {
		return unavailable("the session folder does not work", err)
	}
	return nil
}
