package standin_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// BenchmarkStart is one stand-in up and down again.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := standin.Start(b.Context(), standin.Options{})
		require.NoError(b, err)
		require.NoError(b, s.Close())
	}
}

// BenchmarkOpenPull is one more pull request in a repository that gets many.
func BenchmarkOpenPull(b *testing.B) {
	s, err := standin.Start(context.WithoutCancel(b.Context()), standin.Options{Dir: b.TempDir()})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	_, err = s.CreateUser("alice", "Alice")
	require.NoError(b, err)
	repo, err := s.CreateRepository("alice", "many", standin.RepositoryOptions{})
	require.NoError(b, err)
	for b.Loop() {
		_, err := s.As("alice").OpenPull(repo.Name, standin.PullOptions{Title: "x", Change: standin.Change{Files: map[string]string{"a": "b"}}})
		require.NoError(b, err)
	}
}

// BenchmarkRepositoryPullMerge is a repository, one pull request, and its merge by each method.
func BenchmarkRepositoryPullMerge(b *testing.B) {
	s, err := standin.Start(context.WithoutCancel(b.Context()), standin.Options{Dir: b.TempDir()})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	_, err = s.CreateUser("alice", "Alice")
	require.NoError(b, err)
	for _, method := range []string{"merge", "squash", "rebase"} {
		b.Run(method, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				repo, err := s.CreateRepository("alice", fmt.Sprintf("%s-%d-%d", method, b.N, i), standin.RepositoryOptions{})
				require.NoError(b, err)
				opened, err := s.As("alice").OpenPull(repo.Name, standin.PullOptions{Title: "x", Change: standin.Change{Files: map[string]string{"a": "b"}}})
				require.NoError(b, err)
				_, err = s.As("alice").Merge(repo.Name, opened.Number, method)
				require.NoError(b, err)
			}
		})
	}
}
