package inbox_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestFirstDigest(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		ctx, path := t.Context(), in.place(t)
		s, err := path(ctx)
		require.NoError(t, err)
		head, other := approval.SHA(strings.Repeat("a", 40)), approval.SHA(strings.Repeat("b", 40))
		web := approval.Image{Repository: "ghcr.io/acme/web", Tag: "v1"}
		first := func(repository int64, pull int, head approval.SHA, i approval.Image, digest string) string {
			t.Helper()
			got, err := s.FirstDigest(ctx, repository, pull, head, i, digest)
			require.NoError(t, err)
			return got
		}
		require.Equal(t, "sha256:1", first(1, 7, head, web, "sha256:1"))
		require.Equal(t, "sha256:1", first(1, 7, head, web, "sha256:2"), "the tag was moved")
		require.Equal(t, "sha256:3", first(1, 7, other, web, "sha256:3"), "another head")
		require.Equal(t, "sha256:3", first(1, 8, head, web, "sha256:3"), "another pull request")
		require.Equal(t, "sha256:3", first(2, 7, head, web, "sha256:3"), "another repository")
		require.Equal(t, "sha256:3", first(1, 7, head, approval.Image{Repository: web.Repository, Tag: "v2"}, "sha256:3"), "another tag")
		require.NoError(t, s.Close())
		s, err = path(ctx)
		require.NoError(t, err)
		require.Equal(t, "sha256:1", first(1, 7, head, web, "sha256:4"), "kept")

		for name, call := range map[string]func() (string, error){
			"no head":       func() (string, error) { return s.FirstDigest(ctx, 1, 7, "", web, "sha256:1") },
			"no repository": func() (string, error) { return s.FirstDigest(ctx, 0, 7, head, web, "sha256:1") },
			"no tag": func() (string, error) {
				return s.FirstDigest(ctx, 1, 7, head, approval.Image{Repository: "a"}, "sha256:1")
			},
			"no digest": func() (string, error) { return s.FirstDigest(ctx, 1, 7, head, web, "") },
			"too long": func() (string, error) {
				return s.FirstDigest(ctx, 1, 7, head, approval.Image{Repository: strings.Repeat("a", 2000), Tag: "v1"}, "sha256:1")
			},
		} {
			_, err := call()
			require.ErrorIs(t, err, inbox.ErrInvalid, name)
		}
		require.NoError(t, s.Close())
	})
}
