package inspect

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
)

// blobs are files by the names of their content.
type blobs map[approval.SHA]string

func (b blobs) Blob(_ context.Context, sha approval.SHA, limit int64) ([]byte, error) {
	text, ok := b[sha]
	if !ok || int64(len(text)) > limit {
		return nil, errors.New("it is not there")
	}
	return []byte(text), nil
}

func changed(path, before, after string) approval.Change {
	return approval.Change{Path: path, Before: approval.Entry{Mode: "100644", SHA: approval.SHA(before)}, After: approval.Entry{Mode: "100644", SHA: approval.SHA(after)}}
}

func TestImageClassifier(t *testing.T) {
	files := blobs{"one": "image: app:1\n", "two": "image: app:2\n", "custom": "spec: {v: a}\n", "custom2": "spec: {v: b}\n"}
	scope := approval.ProtectedRepository{Paths: []string{"prod/**"}}
	classify := func(c ImageClassifier, changes ...approval.Change) Classification {
		t.Helper()
		got, err := c.Classify(t.Context(), files, scope, changes)
		require.NoError(t, err)
		return got
	}
	got := classify(ImageClassifier{}, changed("prod/a.yaml", "one", "two"), changed("dev/a.yaml", "one", "lost"))
	require.Equal(t, Classification{Class: ClassImage, Moves: []Move{{File: "prod/a.yaml", Path: "image", Repository: "docker.io/library/app", From: "1", To: "2", Flags: []string{}}}}, got)
	require.Equal(t, ClassNone, classify(ImageClassifier{}, changed("dev/a.yaml", "one", "two")).Class)
	require.Equal(t, ClassMixed, classify(ImageClassifier{}, changed("prod/a.yaml", "one", "two"), changed("prod/README.md", "lost", "lost2")).Class)

	pattern, err := imagediff.ParsePattern("spec.v=tag")
	require.NoError(t, err)
	require.Equal(t, ClassConfig, classify(ImageClassifier{}, changed("prod/a.yaml", "custom", "custom2")).Class)
	require.Equal(t, ClassImage, classify(ImageClassifier{Rules: imagediff.Rules{Paths: []imagediff.Pattern{pattern}}}, changed("prod/a.yaml", "custom", "custom2")).Class)

	got = classify(ImageClassifier{}, changed("prod/a.yaml", "one", "lost"))
	require.Equal(t, ClassConfig, got.Class)
	require.Equal(t, []Finding{{CodeUnread, "prod/a.yaml cannot be read and counts as config: it is not there"}}, got.Findings)

	var many []approval.Change
	for n := range maxImageFiles + 1 {
		many = append(many, changed(fmt.Sprintf("prod/%d.yaml", n), "one", "two"))
	}
	got = classify(ImageClassifier{}, many...)
	require.Equal(t, ClassMixed, got.Class)
	require.Len(t, got.Moves, maxClassified)
	require.Equal(t, CodeUnread, got.Findings[0].Code)
	require.Equal(t, CodeCut, got.Findings[1].Code)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = ImageClassifier{}.Classify(ctx, files, scope, []approval.Change{changed("prod/a.yaml", "one", "lost")})
	require.ErrorIs(t, err, context.Canceled)
}

// TestUnreadImages: in a clone without contents an image change is config.
func TestUnreadImages(t *testing.T) {
	s := tell(t, "commit base \"Begin\" a.yaml=image:␣app:1~\ncommit main on base \"Bump\" a.yaml=image:␣app:2~\nref refs/heads/main main\n")
	landings, _ := s.inspect("base", "main", Options{})
	require.Equal(t, ClassImage, landings[0].Class)
	git(t, s.dir, "config", "uploadpack.allowFilter", "true")
	full := s.dir
	s.dir = filepath.Join(t.TempDir(), "partial.git")
	git(t, "", "clone", "--quiet", "--bare", "--filter=blob:none", "file://"+full, s.dir)
	landings, summary := s.inspect("base", "main", Options{})
	require.Equal(t, ClassConfig, landings[0].Class)
	require.Empty(t, landings[0].Moves)
	require.Equal(t, 1, summary.Findings[CodeUnread])
}
