package images

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// verifying is a policy whose images are verified.
func verifying() approval.Policy {
	p := policy()
	p.Image.Verify = []approval.ImageKeys{{Name: "build", Repositories: []string{"ghcr.io/acme/**"}}}
	return p
}

// TestFirstDigests: the digest counts that a tag had when a head was first seen that
// wants it.
func TestFirstDigests(t *testing.T) {
	w := newWorld(t)
	root := w.commit("", base())
	head := w.commit("renovate", bumped(), root)
	one := w.commit("", bumped(), root, head)
	second := w.commit("renovate", bumped().with("prod/api.yaml", edit("v1", "v2")), one)
	two := w.commit("", bumped().with("prod/api.yaml", edit("v1", "v2")), one, second)
	w.fetched(two, head, second)
	r := &registry{has: map[string]string{"ghcr.io/acme/web:v2": "sha256:a"}}
	collector, remembered := w.collector(map[string]Gate{"prod": {Verifier: w.signers("renovate"), Registry: r}})
	complete := func(landings ...approval.Landing) []approval.ImageEvidence {
		t.Helper()
		facts := factsOf(landings...)
		require.NoError(t, collector.Complete(t.Context(), verifying(), facts))
		return facts.Images
	}
	first, next := w.landing(root, one, pull(1, head)), w.landing(one, two, pull(2, second))

	known := approval.ImageEvidence{Image: web("v2"), Signed: approval.ImageSignedYes, Digest: "sha256:a", First: "sha256:a"}
	require.Equal(t, []approval.ImageEvidence{known}, complete(first), "what the registry says was first is nothing")

	r.has["ghcr.io/acme/web:v2"] = "sha256:b"
	known.Digest = "sha256:b"
	require.Equal(t, []approval.ImageEvidence{known}, complete(first), "the tag moved")
	require.Equal(t, []approval.ImageEvidence{known}, complete(first, next), "whoever approved the first saw another image")
	require.Equal(t, []approval.ImageEvidence{known}, complete(next, first), "in whatever order")
	known.First = "sha256:b"
	require.Equal(t, []approval.ImageEvidence{known}, complete(next), "the second was seen later")

	// Approvals of a head are kept when the branch is brought up to date: so is what
	// they saw.
	updated := next
	updated.Pull = new(*next.Pull)
	updated.Pull.Number, updated.Pull.Kept = 1, []approval.KeptHead{{Commit: head}}
	known.First = "sha256:a"
	require.Equal(t, []approval.ImageEvidence{known}, complete(updated), "a tag moves before the branch is brought up to date")

	delete(r.has, "ghcr.io/acme/web:v2")
	known.First, known.Digest = "", ""
	require.Equal(t, []approval.ImageEvidence{known}, complete(first), "the tag is gone")
	require.Len(t, remembered.seen, 3)

	r.has["ghcr.io/acme/web:v2"] = "sha256:a"
	remembered.err = errors.New("the store is gone")
	facts := factsOf(first)
	require.ErrorIs(t, collector.Complete(t.Context(), verifying(), facts), remembered.err)
	remembered.err = nil

	require.Empty(t, func() string {
		push := first
		push.Pull = nil
		return complete(push)[0].First
	}(), "nobody wanted it")
	r.asked = nil
	complete(first, next)
	require.Equal(t, []string{"build ghcr.io/acme/web:v2"}, r.asked, "each image is asked for once")
}

// TestEvidence: which images are looked at.
func TestEvidence(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	many := "a:\n"
	for i := range maxImages + 5 {
		many += fmt.Sprintf("- image: ghcr.io/acme/web:v%d\n", i)
	}
	for name, c := range map[string]struct {
		file  string
		after string
		want  []approval.Image
		asked []string
	}{
		"a tag":                     {"prod/web.yaml", edit("v1", "v2"), []approval.Image{web("v2")}, []string{"build ghcr.io/acme/web:v2"}},
		"a tag with a digest":       {"prod/web.yaml", edit("v1", "v2@"+digest), []approval.Image{{Repository: "ghcr.io/acme/web", Tag: "v2", Digest: digest}}, []string{"build ghcr.io/acme/web:v2@" + digest}},
		"with a setting":            {"prod/web.yaml", edit("v1", "v2", "replicas: 2", "replicas: 3"), []approval.Image{web("v2")}, []string{"build ghcr.io/acme/web:v2"}},
		"a new file":                {"prod/new.yaml", edit("v1", "v3"), []approval.Image{web("v3")}, []string{"build ghcr.io/acme/web:v3"}},
		"without a tag":             {"prod/new.yaml", "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/web\n", nil, nil},
		"of another repository":     {"prod/web.yaml", edit("acme/web", "evil/web"), []approval.Image{{Repository: "ghcr.io/evil/web", Tag: "v1"}}, nil},
		"a setting":                 {"prod/web.yaml", edit("replicas: 2", "replicas: 3"), nil, nil},
		"what cannot be read":       {"prod/web.yaml", "\t", nil, nil},
		"out of the gate's sight":   {"stage/web.yaml", edit("v1", "v2"), nil, nil},
		"without a repository":      {"prod/new.yaml", "image:\n  tag: v1\n", nil, nil},
		"more than are looked at":   {"prod/new.yaml", many, make([]approval.Image, maxImages), make([]string, maxImages)},
		"one that was there before": {"prod/web.yaml", values + "sidecar:\n  image: ghcr.io/acme/web:v1\n", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			root := w.commit("", base())
			at := w.commit("renovate", base().with(c.file, c.after), root)
			w.fetched(at, at)
			r := &registry{has: map[string]string{}}
			collector, _ := w.collector(map[string]Gate{"prod": {Verifier: w.signers("renovate"), Registry: r}})
			facts := factsOf(w.landing(root, at, pull(1, at)))
			require.NoError(t, collector.Complete(t.Context(), verifying(), facts))
			if len(c.want) == maxImages {
				require.Len(t, facts.Images, maxImages, "of the others nothing is known, which blocks")
				require.Len(t, r.asked, maxImages)
				require.Len(t, facts.Lines[0].Landings[0].Changes[0].Images.Moves, maxImages+5)
				return
			}
			var got []approval.Image
			for _, e := range facts.Images {
				got = append(got, e.Image)
			}
			require.Equal(t, c.want, got)
			require.Equal(t, c.asked, r.asked)

			_, evidence, err := collector.CompletePull(t.Context(), verifying(), policy().Repositories[0], approval.PullAnswer{
				Pull: *pull(1, at), BaseHead: root, Changes: w.landing(root, at, nil).Changes,
			})
			require.NoError(t, err)
			require.Equal(t, facts.Images, evidence)
		})
	}
}

// TestImagesLimit: images that were brought long ago do not keep new ones from being
// looked at.
func TestImagesLimit(t *testing.T) {
	w := newWorld(t)
	many := "a:\n"
	for i := range maxImages + 5 {
		many += fmt.Sprintf("- image: ghcr.io/acme/web:v1%d\n", i)
	}
	root := w.commit("", base())
	flood := w.commit("", base().with("prod/new.yaml", many), root)
	undone := w.commit("", base(), flood)
	at := w.commit("renovate", bumped(), undone)
	w.fetched(at, at)
	collector, _ := w.collector(map[string]Gate{"prod": {Verifier: w.signers("renovate"), Registry: &registry{}}})
	facts := factsOf(w.landing(root, flood, nil), w.landing(flood, undone, nil), w.landing(undone, at, pull(1, at)))
	require.NoError(t, collector.Complete(t.Context(), verifying(), facts))
	require.Len(t, facts.Images, maxImages)
	require.Equal(t, web("v2"), facts.Images[0].Image)
}

// soaks says how long each image ran for an Application.
type soaks map[string]time.Duration

func (s soaks) Soak(_ context.Context, a approval.Application, image approval.Image) approval.Soak {
	return approval.Soak{Application: "argocd/stage", State: approval.SoakRunning, Ran: s[a.Name+" "+image.String()]}
}

func TestSoaks(t *testing.T) {
	w := newWorld(t)
	root := w.commit("", base())
	at := w.commit("renovate", bumped(), root)
	w.fetched(at, at)
	collector, _ := w.collector(map[string]Gate{"prod": {Verifier: w.signers("renovate"), Soaks: soaks{"web-prod ghcr.io/acme/web:v2": time.Hour}}})
	p := policy()
	p.Image.ProvenIn = &approval.ProvenIn{Application: "x", Soak: time.Hour}
	facts := factsOf(w.landing(root, at, pull(1, at)))
	facts.Application.Name = "web-prod"
	require.NoError(t, collector.Complete(t.Context(), p, facts))
	require.Equal(t, []approval.ImageEvidence{{Image: web("v2"), Soak: &approval.Soak{Application: "argocd/stage", State: approval.SoakRunning, Ran: time.Hour}}}, facts.Images)

	_, evidence, err := collector.CompletePull(t.Context(), p, p.Repositories[0], approval.PullAnswer{
		Pull: *pull(1, at), BaseHead: root, Changes: w.landing(root, at, nil).Changes,
	})
	require.NoError(t, err)
	require.Equal(t, []approval.ImageEvidence{{Image: web("v2")}}, evidence, "a report is about no Application")
}

// word is GitHub's, of one commit; it counts how often it was asked for.
type word struct {
	of    approval.SHA
	asked int
	err   error
}

func (w *word) Ask(context.Context, approval.RepositoryName, int) (Verifier, error) {
	w.asked++
	return w, w.err
}

func (w *word) Verify(commit approval.SHA, _ []byte, _ time.Time) approval.CommitSignature {
	if commit != w.of {
		return approval.CommitSignature{State: approval.SignatureStranger}
	}
	return approval.CommitSignature{State: approval.SignatureTrusted, Signer: "app", User: &approval.User{ID: 5, Login: "octo"}}
}

// TestWitness: GitHub is asked only for what the keys leave open, and its word takes
// nothing away from them.
func TestWitness(t *testing.T) {
	w := newWorld(t)
	root := w.commit("", base())
	signed := w.commit("renovate", bumped(), root)
	open := w.commit("mallory", bumped().with("prod/api.yaml", edit("v1", "v2")), signed)
	parent := w.commit("", base().with("stage/web.yaml", "a: 1\n"), root)
	update := w.commitTree("", w.merged(signed, parent), signed, parent)
	w.fetched(parent, signed, open, update)
	said := &word{}
	collector, _ := w.collector(map[string]Gate{"prod": {Verifier: w.signers("renovate"), Witness: said}})
	of := func(number int, base, head approval.SHA) ([]approval.SignatureState, error) {
		facts := factsOf(w.landing(root, head, pull(number, head)))
		facts.Lines[0].Landings[0].Parent = base
		err := collector.Complete(t.Context(), policy(), facts)
		return states(facts.Lines[0].Landings[0].Pull), err
	}

	got, err := of(1, root, signed)
	require.NoError(t, err)
	require.Equal(t, []approval.SignatureState{approval.SignatureTrusted}, got)
	got, err = of(3, parent, update)
	require.NoError(t, err)
	require.ElementsMatch(t, []approval.SignatureState{approval.SignatureNeutral, approval.SignatureTrusted}, got)
	require.Zero(t, said.asked, "there was nothing to ask")

	got, err = of(2, root, open)
	require.NoError(t, err)
	require.Equal(t, []approval.SignatureState{approval.SignatureStranger, approval.SignatureTrusted}, got)
	require.Equal(t, 1, said.asked)
	said.of = open
	got, err = of(2, root, open)
	require.NoError(t, err)
	require.Equal(t, []approval.SignatureState{approval.SignatureTrusted, approval.SignatureTrusted}, got, "what GitHub says may change")
	require.Equal(t, 2, said.asked)

	said.err = errors.New("GitHub is down")
	_, err = of(2, root, open)
	require.ErrorIs(t, err, said.err)
	_, err = of(1, root, signed)
	require.NoError(t, err)
}
