package tools

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func cacheOf(t *testing.T) *Builder {
	t.Helper()
	return &Builder{root: t.TempDir(), cache: t.TempDir(), progress: NewProgress(nil)}
}

// TestCachedFillsOnce lets several builders of one cache ask at once, as test processes do.
func TestCachedFillsOnce(t *testing.T) {
	cache := t.TempDir()
	fills := make(chan struct{}, 8)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			b := &Builder{cache: cache, progress: NewProgress(nil)}
			dir, err := b.cached(t.Context(), "x", "key", func(dir string) error {
				fills <- struct{}{}
				if err := os.Mkdir(dir, 0o750); err != nil {
					return err
				}
				return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o600)
			})
			if err == nil {
				_, err = os.Stat(filepath.Join(dir, "whole"))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Len(t, fills, 1)
}

func TestCachedKeepsNothingUnfinished(t *testing.T) {
	b := cacheOf(t)
	broken := errors.New("broken")
	_, err := b.cached(t.Context(), "x", "key", func(dir string) error {
		return errors.Join(os.Mkdir(dir, 0o750), broken)
	})
	require.ErrorIs(t, err, broken)
	left, err := filepath.Glob(filepath.Join(b.cache, "x-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestNodeModulesNeedNode(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := cacheOf(t).NodeModules(t.Context(), t.TempDir())
	require.ErrorIs(t, err, ErrNoNode)
}

func TestNodeModulesNeedALockFile(t *testing.T) {
	if _, err := nodeVersions(context.WithoutCancel(t.Context())); err != nil {
		t.Skip(err)
	}
	_, err := cacheOf(t).NodeModules(t.Context(), t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}
