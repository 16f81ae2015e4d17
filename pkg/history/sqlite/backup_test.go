package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// TestBackup: copies made while entries are appended are whole records, each as it was at
// one moment.
func TestBackup(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	store := create(t, filepath.Join(folder, "record.db"))
	deploy(t, store, "first")
	reader, err := sqlite.Inspect(t.Context(), filepath.Join(folder, "record.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()

	appending := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for i := 0; ; i++ {
			head, err := store.Head(t.Context())
			if err == nil {
				_, err = store.Append(t.Context(), head, appended(t, head, fmt.Sprint("i-", i))...)
			}
			if err != nil || ctx.Err() != nil {
				appending <- err
				return
			}
		}
	}()
	var last history.Head
	for i := range 5 {
		path := filepath.Join(folder, fmt.Sprint("copy-", i))
		before, err := store.Head(t.Context())
		require.NoError(t, err)
		report, err := reader.Backup(t.Context(), path)
		require.NoError(t, err)
		require.True(t, report.Intact(), "%+v", report.Fault)
		require.GreaterOrEqual(t, report.Head.Sequence, before.Sequence, "what was appended before is in it")
		require.Zero(t, report.Head.Sequence%3, "an append is in it whole or not at all")
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		last = report.Head
	}
	stop()
	require.NoError(t, <-appending)

	// It continues where it ended.
	restored, err := sqlite.Open(t.Context(), filepath.Join(folder, "copy-4"))
	require.NoError(t, err)
	defer func() { require.NoError(t, restored.Close()) }()
	head, err := restored.Append(t.Context(), last, appended(t, last, "after")...)
	require.NoError(t, err)
	report, err := history.Verify(t.Context(), restored, last, head)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
}

func TestBackupRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	store := create(t, filepath.Join(folder, "record.db"))
	deploy(t, store, "first")
	there := filepath.Join(folder, "there")
	require.NoError(t, os.WriteFile(there, []byte("precious"), 0o600))
	_, err := store.Backup(t.Context(), there)
	require.ErrorIs(t, err, os.ErrExist)
	content, err := os.ReadFile(there)
	require.NoError(t, err)
	require.Equal(t, "precious", string(content))

	_, err = store.Backup(t.Context(), filepath.Join(folder, "no", "folder"))
	require.ErrorIs(t, err, os.ErrNotExist)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = store.Backup(ctx, filepath.Join(folder, "cancelled"))
	require.ErrorIs(t, err, context.Canceled)
	require.NoFileExists(t, filepath.Join(folder, "cancelled"))
}

// appended are the drafts of a deployment, three of them.
func appended(t *testing.T, head history.Head, id string) []history.Draft {
	t.Helper()
	return historytest.Deployment(t, head, "a", "prod", id, history.ResultSucceeded)
}
