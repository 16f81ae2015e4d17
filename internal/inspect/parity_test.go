package inspect

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/argo-gatekeeper/gatekeeper/internal/images"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// contents are the files of a repository; signatures are not asked for here.
type contents struct {
	images.Mirror
	local *mirror.Local
}

func (c contents) Blob(ctx context.Context, sha approval.SHA, limit int64) ([]byte, error) {
	return c.local.Blob(ctx, sha, limit)
}

type noFirsts struct{ images.Firsts }

type noVerifier struct{ images.Verifier }

// TestSameClassAsTheGate: of every landing in testdata the class is the one that a
// running gate decides on.
func TestSameClassAsTheGate(t *testing.T) {
	pattern, err := imagediff.ParsePattern("limit=tag")
	require.NoError(t, err)
	seen := map[Class]int{}
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	require.NoError(t, err)
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		require.NoError(t, err)
		var history string
		for _, f := range archive.Files {
			if f.Name == "history" {
				history = string(f.Data)
			}
		}
		s := tell(t, history)
		for _, rules := range []imagediff.Rules{{}, {Paths: []imagediff.Pattern{pattern}, Values: []string{"envs/**"}}} {
			for _, quorum := range []*approval.ImagePolicy{nil, {Downgrade: approval.HandleEscalate}, {Downgrade: approval.HandleAllow, MutableTag: approval.HandleAllow}} {
				scope := approval.ProtectedRepository{Name: "acme/env", Branch: "main", Paths: []string{"envs/**", "*.yaml", "a", "prod/**"}}
				policy := approval.Policy{Gate: "prod", Repositories: []approval.ProtectedRepository{scope}, Image: quorum}
				gate := Gate{Name: "prod", Repository: scope, Classifier: ImageClassifier{Rules: rules, Policy: &policy}}
				landings, _ := s.inspect("base", "main", Options{Gates: []Gate{gate}})
				repo := openLocal(t, s.dir)
				collector, err := images.New(images.Options{
					Gates: map[string]images.Gate{"prod": {Rules: rules, Verifier: noVerifier{}}}, Firsts: noFirsts{}, Logger: slog.New(slog.DiscardHandler),
					Mirrors: func(context.Context, approval.RepositoryName) (images.Mirror, error) {
						return contents{local: repo}, nil
					},
				})
				require.NoError(t, err)
				for _, l := range landings {
					if l.Commits != 1 {
						continue // the gate judges each commit of a rebased run by itself
					}
					if slices.ContainsFunc(l.Findings, func(f Finding) bool { return f.Code == CodePath }) {
						continue // which no facts have: reading them fails
					}
					commit, err := repo.Commit(t.Context(), l.SHA)
					require.NoError(t, err)
					before, err := repo.Commit(t.Context(), *l.Parent)
					require.NoError(t, err)
					changes, err := repo.Changes(t.Context(), before.Tree, commit.Tree)
					require.NoError(t, err)
					facts := approval.Facts{Lines: []approval.Line{{Repository: scope.Name, Landings: []approval.Landing{{Commit: l.SHA, Changes: changes}}}}}
					require.NoError(t, collector.Complete(t.Context(), policy, &facts))
					want := Class(policy.Classify(scope, facts.Lines[0].Landings[0].Changes))
					got := l.Class
					if got == ClassRefused {
						if got = ClassMixed; quorum == nil {
							got = ClassConfig
						}
					}
					seen[l.Class]++
					require.Equal(t, want, got, "%s %s", file, l.Title)
				}
			}
		}
	}
	for _, c := range []Class{ClassNone, ClassImage, ClassConfig, ClassMixed, ClassRefused} {
		require.NotZero(t, seen[c], c)
	}
}
