//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
)

// DestroyVersion removes a session that has the version, and tells why else.
func TestDestroyVersion(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	id := session.ID{9}
	wantError(t, s.DestroyVersion(t.Context(), id, version()), session.ErrNotFound, dir)
	rec := create(t, s, id, "payload")
	err := s.DestroyVersion(t.Context(), id, version())
	wantError(t, err, session.ErrConflict, dir)
	if conflict, ok := errors.AsType[*session.ConflictError](err); !ok || conflict.Newest.Version != rec.Version {
		t.Errorf("the refusal brings %v, want what is stored", err)
	}
	wantPayload(t, s, id, "payload")
	must(t, s.DestroyVersion(t.Context(), id, rec.Version))
	wantError(t, readError(t, s, id), session.ErrNotFound, dir)
	wantError(t, s.DestroyVersion(t.Context(), id, rec.Version), session.ErrNotFound, dir)
	if names := list(t, filepath.Dir(pathOf(dir, id))); len(names) != 1 {
		t.Errorf("the folder holds %q, want its lock", names)
	}
}
