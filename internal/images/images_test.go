package images

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
)

const values = "image:\n  repository: ghcr.io/acme/web\n  tag: v1\nreplicas: 2\n"

func edit(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(values) }

func web(tag string) approval.Image { return approval.Image{Repository: "ghcr.io/acme/web", Tag: tag} }

// states are those of a pull request's signatures, the newest commit first.
func states(pr *approval.PullRequest) []approval.SignatureState {
	var out []approval.SignatureState
	for _, s := range pr.Signatures {
		out = append(out, s.State)
	}
	return out
}

func base() files {
	return files{"prod/web.yaml": values, "prod/api.yaml": values, "stage/web.yaml": values, "prod/notes.md": "words\n"}
}

func bumped() files { return base().with("prod/web.yaml", edit("v1", "v2")) }

// TestSignatures: who signed what a pull request brings.
func TestSignatures(t *testing.T) {
	const (
		trusted, stranger = approval.SignatureTrusted, approval.SignatureStranger
		unsigned, neutral = approval.SignatureMissing, approval.SignatureNeutral
	)
	for name, c := range map[string]struct {
		// make gives the commit before the landing, the landing and the head.
		make func(w *world, root approval.SHA) (parent, at, head approval.SHA)
		want []approval.SignatureState
	}{
		"signed": {func(w *world, root approval.SHA) (approval.SHA, approval.SHA, approval.SHA) {
			head := w.commit("renovate", bumped(), root)
			return root, w.commit("", bumped(), root, head), head
		}, []approval.SignatureState{trusted}},
		"not signed": {func(w *world, root approval.SHA) (approval.SHA, approval.SHA, approval.SHA) {
			head := w.commit("", bumped(), root)
			return root, w.commit("renovate", bumped(), root, head), head
		}, []approval.SignatureState{unsigned}},
		"by a stranger": {func(w *world, root approval.SHA) (approval.SHA, approval.SHA, approval.SHA) {
			head := w.commit("mallory", bumped(), root)
			return root, w.commit("", bumped(), root, head), head
		}, []approval.SignatureState{stranger}},
		"an older commit is not signed": {func(w *world, root approval.SHA) (approval.SHA, approval.SHA, approval.SHA) {
			first := w.commit("", bumped(), root)
			head := w.commit("renovate", bumped().with("prod/api.yaml", edit("v1", "v2")), first)
			return root, w.commit("", bumped().with("prod/api.yaml", edit("v1", "v2")), root, head), head
		}, []approval.SignatureState{trusted, unsigned}},
		"squashed": {func(w *world, root approval.SHA) (approval.SHA, approval.SHA, approval.SHA) {
			head := w.commit("renovate", bumped(), w.commit("renovate", base().with("prod/web.yaml", edit("v1", "v1.5")), root))
			return root, w.commit("", bumped(), root), head
		}, []approval.SignatureState{trusted, trusted}},
		"rebased": {func(w *world, root approval.SHA) (approval.SHA, approval.SHA, approval.SHA) {
			first := w.commit("renovate", bumped(), root)
			head := w.commit("", bumped().with("prod/api.yaml", edit("v1", "v2")), first)
			parent := w.commit("", base().with("stage/web.yaml", "a: 1\n"), root)
			run := w.commit("", bumped().with("stage/web.yaml", "a: 1\n"), parent)
			return parent, w.commit("", bumped().with("stage/web.yaml", "a: 1\n", "prod/api.yaml", edit("v1", "v2")), run), head
		}, []approval.SignatureState{unsigned, trusted}},
		"brought up to date": {func(w *world, root approval.SHA) (approval.SHA, approval.SHA, approval.SHA) {
			first := w.commit("renovate", bumped(), root)
			parent := w.commit("", base().with("stage/web.yaml", "a: 1\n"), root)
			head := w.commitTree("", w.merged(first, parent), first, parent)
			return parent, w.commitTree("", w.merged(parent, head), parent, head), head
		}, []approval.SignatureState{neutral, trusted}},
		"brought up to date, with more": {func(w *world, root approval.SHA) (approval.SHA, approval.SHA, approval.SHA) {
			first := w.commit("renovate", bumped(), root)
			parent := w.commit("", base().with("stage/web.yaml", "a: 1\n"), root)
			evil := bumped().with("stage/web.yaml", "a: 1\n", "prod/web.yaml", edit("v1", "v6"))
			head := w.commit("", evil, first, parent)
			return parent, w.commit("", evil, parent, head), head
		}, []approval.SignatureState{unsigned, trusted}},
		"with more, signed": {func(w *world, root approval.SHA) (approval.SHA, approval.SHA, approval.SHA) {
			first := w.commit("renovate", bumped(), root)
			parent := w.commit("", base().with("stage/web.yaml", "a: 1\n"), root)
			more := bumped().with("stage/web.yaml", "a: 1\n", "prod/web.yaml", edit("v1", "v3"))
			head := w.commit("renovate", more, first, parent)
			return parent, w.commit("", more, parent, head), head
		}, []approval.SignatureState{trusted, trusted}},
		"behind a merge that adds nothing": {func(w *world, root approval.SHA) (approval.SHA, approval.SHA, approval.SHA) {
			first := w.commit("renovate", base().with("prod/api.yaml", edit("v1", "v2")), root)
			side := w.commit("", bumped(), root)
			head := w.commitTree("", w.merged(first, side), first, side)
			return root, w.commitTree("", w.merged(root, head), root, head), head
		}, []approval.SignatureState{neutral, unsigned, trusted}},
		"a merge of three": {func(w *world, root approval.SHA) (approval.SHA, approval.SHA, approval.SHA) {
			first := w.commit("renovate", bumped(), root)
			b, c := w.commit("renovate", base().with("prod/b.yaml", "b: 1\n"), root), w.commit("renovate", base().with("prod/c.yaml", "c: 1\n"), root)
			all := bumped().with("prod/b.yaml", "b: 1\n", "prod/c.yaml", "c: 1\n")
			head := w.commit("", all, first, b, c)
			return root, w.commit("", all, root, head), head
		}, []approval.SignatureState{unsigned, trusted, trusted, trusted}},
		"on the base already": {func(w *world, root approval.SHA) (approval.SHA, approval.SHA, approval.SHA) {
			return root, w.commit("", bumped(), root), root
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			parent, at, head := c.make(w, w.commit("", base()))
			w.fetched(at, head)
			collector, _ := w.collector(map[string]Gate{"prod": {Verifier: w.signers("renovate")}})
			facts := factsOf(w.landing(parent, at, pull(1, head)))
			require.NoError(t, collector.Complete(t.Context(), policy(), facts))
			got := facts.Lines[0].Landings[0]
			sorted := states(got.Pull)
			slices.Sort(sorted)
			slices.Sort(c.want)
			require.Equal(t, c.want, sorted)
			for _, s := range got.Pull.Signatures {
				require.Equal(t, s.State == trusted, s.Signer == "renovate", "%v", s)
			}

			// A report on the pull request while it is open says the same.
			answer, _, err := collector.CompletePull(t.Context(), policy(), policy().Repositories[0], approval.PullAnswer{
				Pull: *pull(1, head), BaseHead: parent, Changes: w.landing(parent, at, nil).Changes,
			})
			require.NoError(t, err)
			require.Equal(t, got.Pull.Signatures, answer.Pull.Signatures)
			require.Equal(t, got.Changes, answer.Changes)
		})
	}
}

// TestClasses: what changes do to images.
func TestClasses(t *testing.T) {
	many := base()
	for i := range maxFiles {
		many[fmt.Sprintf("prod/many/%04d.yaml", i)] = "a: 1\n"
	}
	for name, c := range map[string]struct {
		before, after files
		path          string
		want          *approval.ImageChange // Why is not compared
		class         approval.ChangeClass
	}{
		"a bump": {base(), bumped(), "prod/web.yaml", &approval.ImageChange{
			Only: true, Moves: []approval.ImageMove{{Place: "0 image.tag", From: web("v1"), To: web("v2")}}, Takes: []approval.Image{web("v1")},
		}, approval.ClassImage},
		"back": {bumped(), base(), "prod/web.yaml", &approval.ImageChange{
			Only: true, Moves: []approval.ImageMove{{Place: "0 image.tag", From: web("v2"), To: web("v1"), Downgrade: true}}, Takes: []approval.Image{web("v2")},
		}, approval.ClassMixed},
		"to a tag that moves": {base(), base().with("prod/web.yaml", edit("v1", "stable")), "prod/web.yaml", &approval.ImageChange{
			Only: true, Moves: []approval.ImageMove{{Place: "0 image.tag", From: web("v1"), To: web("stable"), Mutable: true}}, Takes: []approval.Image{web("v1")},
		}, approval.ClassMixed},
		"a setting": {base(), base().with("prod/web.yaml", edit("replicas: 2", "replicas: 3")), "prod/web.yaml", &approval.ImageChange{}, approval.ClassConfig},
		"both in one file": {base(), base().with("prod/web.yaml", edit("v1", "v2", "replicas: 2", "replicas: 3")), "prod/web.yaml", &approval.ImageChange{
			Touches: true, Moves: []approval.ImageMove{{Place: "0 image.tag", From: web("v1"), To: web("v2")}}, Takes: []approval.Image{web("v1")},
		}, approval.ClassMixed},
		"a new file": {base(), base().with("prod/new.yaml", edit("v1", "v7")), "prod/new.yaml", &approval.ImageChange{
			Touches: true, Moves: []approval.ImageMove{{Place: "0 image.tag", To: web("v7")}},
		}, approval.ClassMixed},
		"a new file without an image": {base(), base().with("prod/new.yaml", "a: 1\n"), "prod/new.yaml", &approval.ImageChange{}, approval.ClassConfig},
		"a file that goes": {base(), base().with("prod/web.yaml", ""), "prod/web.yaml", &approval.ImageChange{
			Touches: true, Takes: []approval.Image{web("v1")},
		}, approval.ClassMixed},
		"a rename": {base(), base().with("prod/web.yaml", "", "prod/renamed.yaml", values), "prod/renamed.yaml", &approval.ImageChange{
			Touches: true, Moves: []approval.ImageMove{{Place: "0 image.tag", To: web("v1")}},
		}, approval.ClassMixed},
		"a link": {base(), base().with("prod/web.yaml", "link:../stage/web.yaml"), "prod/web.yaml", &approval.ImageChange{
			Touches: true, Moves: []approval.ImageMove{{}},
		}, approval.ClassMixed},
		"a link that becomes a file": {base().with("prod/web.yaml", "link:../stage/web.yaml"), base(), "prod/web.yaml", &approval.ImageChange{
			Touches: true, Moves: []approval.ImageMove{{Place: "0 image.tag", To: web("v1")}}, Whole: true,
		}, approval.ClassMixed},
		"a link above the scope": {base(), base().with("prod/web.yaml", "", "prod/api.yaml", "", "prod/notes.md", "", "prod", "link:stage"), "prod", &approval.ImageChange{
			Touches: true, Moves: []approval.ImageMove{{}},
		}, approval.ClassMixed},
		"too large": {base(), base().with("prod/web.yaml", values+"# "+strings.Repeat("x", imagediff.MaxFile)), "prod/web.yaml", &approval.ImageChange{
			Touches: true, Moves: []approval.ImageMove{{}},
		}, approval.ClassMixed},
		"too large before": {base().with("prod/web.yaml", values+"# "+strings.Repeat("x", imagediff.MaxFile)), base(), "prod/web.yaml", &approval.ImageChange{
			Touches: true, Moves: []approval.ImageMove{{}},
		}, approval.ClassMixed},
		"too many files": {files{"prod/z": "a"}, many.with("prod/zz.yaml", "a: 1\n"), "prod/zz.yaml", &approval.ImageChange{
			Touches: true, Moves: []approval.ImageMove{{}},
		}, approval.ClassMixed},
		"words": {base(), base().with("prod/notes.md", "other words\n"), "prod/notes.md", &approval.ImageChange{}, approval.ClassConfig},
		"a manifest by another name": {base(), base().with("prod/notes.md", "image: ghcr.io/acme/web:v6\n"), "prod/notes.md", &approval.ImageChange{
			Touches: true, Moves: []approval.ImageMove{{Place: "0 image", To: web("v6")}},
		}, approval.ClassMixed},
		"outside of the scope": {base(), base().with("stage/web.yaml", edit("v1", "v2")), "stage/web.yaml", nil, approval.ClassNone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			root := w.commit("", c.before)
			at := w.commit("renovate", c.after, root)
			w.fetched(at, at)
			collector, _ := w.collector(map[string]Gate{"prod": {Verifier: w.signers("renovate")}})
			facts := factsOf(w.landing(root, at, pull(1, at)))
			shared := facts.Lines[0].Landings
			for again := range 2 {
				require.NoError(t, collector.Complete(t.Context(), policy(), facts))
				landing := facts.Lines[0].Landings[0]
				i := slices.IndexFunc(landing.Changes, func(change approval.Change) bool { return change.Path == c.path })
				require.GreaterOrEqual(t, i, 0)
				got := landing.Changes[i].Images
				if got != nil {
					require.Equal(t, !got.Only, got.Why != "", "%+v", got)
					got = new(*got)
					got.Why = ""
				}
				require.Equal(t, c.want, got, "run %d", again)
				require.Equal(t, c.class, policy().Classify(policy().Repositories[0], landing.Changes))
				require.Equal(t, c.class == approval.ClassImage || c.class == approval.ClassMixed, len(landing.Pull.Signatures) > 0, "only changes of images are verified")
				require.Nil(t, shared[0].Changes[i].Images, "what is shared was changed")
				require.Empty(t, shared[0].Pull.Signatures, "what is shared was changed")
			}
		})
	}
}

// TestTwoGates: gates over one repository do not see each other's answers.
func TestTwoGates(t *testing.T) {
	w := newWorld(t)
	const resource = "apiVersion: acme.io/v1\nkind: App\nspec:\n  version: v1\n"
	root := w.commit("", base().with("prod/app.yaml", resource))
	at := w.commit("mallory", base().with("prod/app.yaml", strings.Replace(resource, "version: v1", "version: v2", 1), "prod/web.yaml", edit("v1", "v2")), root)
	w.fetched(at, at)
	pattern, err := imagediff.ParsePattern("spec.version=tag")
	require.NoError(t, err)
	other := policy()
	other.Gate, other.Image = "other", new(*other.Image)
	other.Image.Signers = []approval.Signer{{Name: "mallory"}}
	plain := policy()
	plain.Gate, plain.Image = "plain", nil
	collector, _ := w.collector(map[string]Gate{
		"prod":  {Verifier: w.signers("renovate")},
		"other": {Verifier: w.signers("mallory"), Rules: imagediff.Rules{Paths: []imagediff.Pattern{pattern}}},
	})
	shared := factsOf(w.landing(root, at, pull(1, at)))
	check := func(p approval.Policy) {
		facts := *shared // as those of one repository are shared between gates
		if err := collector.Complete(t.Context(), p, &facts); err != nil {
			t.Error(err)
			return
		}
		landing := facts.Lines[0].Landings[0]
		want, state := approval.ClassMixed, []approval.SignatureState{approval.SignatureStranger}
		switch p.Gate {
		case "other":
			want, state = approval.ClassImage, []approval.SignatureState{approval.SignatureTrusted}
		case "plain":
			want, state = approval.ClassConfig, nil
		}
		if got := p.Classify(p.Repositories[0], landing.Changes); got != want {
			t.Errorf("gate %s: %s", p.Gate, got)
		}
		if got := states(landing.Pull); !slices.Equal(got, state) {
			t.Errorf("gate %s: %v", p.Gate, got)
		}
	}
	var all sync.WaitGroup
	for range 8 {
		for _, p := range []approval.Policy{policy(), other, plain} {
			all.Go(func() { check(p) })
		}
	}
	all.Wait()
	for _, p := range []approval.Policy{policy(), other, plain} {
		check(p) // from what is remembered by now
	}
	require.Nil(t, shared.Lines[0].Landings[0].Changes[0].Images)
	require.Nil(t, shared.Lines[0].Landings[0].Pull.Signatures)
}

// TestReads: what cannot change is read once, and what cannot be read is an error.
func TestReads(t *testing.T) {
	w := newWorld(t)
	root := w.commit("", base())
	head := w.commit("renovate", bumped(), root)
	at := w.commit("", bumped(), root, head)
	m := w.fetched(at, head)
	collector, _ := w.collector(map[string]Gate{"prod": {Verifier: w.signers("renovate")}})
	landing := w.landing(root, at, pull(1, head))

	m.err = errors.New("the disk is gone")
	require.ErrorIs(t, collector.Complete(t.Context(), policy(), factsOf(landing)), m.err, "an image that cannot be read is not no image")
	_, _, err := collector.CompletePull(t.Context(), policy(), policy().Repositories[0], approval.PullAnswer{Pull: *landing.Pull, BaseHead: root, Changes: landing.Changes})
	require.ErrorIs(t, err, m.err)
	m.err = nil

	before := m.reads
	require.NoError(t, collector.Complete(t.Context(), policy(), factsOf(landing)))
	require.Greater(t, m.reads, before, "errors are not remembered")
	before = m.reads
	require.NoError(t, collector.Complete(t.Context(), policy(), factsOf(landing)))
	require.Equal(t, before, m.reads, "all of it was known")

	m.err = errors.New("the disk is gone")
	require.NoError(t, collector.Complete(t.Context(), policy(), factsOf(landing)))
	later := landing
	later.Pull = new(*landing.Pull)
	later.Pull.HeadPushedAt = pushed.Add(time.Hour)
	require.ErrorIs(t, collector.Complete(t.Context(), policy(), factsOf(later)), m.err, "a key may have expired since")
	m.err = nil

	unknown := landing
	unknown.Pull = new(*landing.Pull)
	unknown.Pull.HeadPushedAt = time.Time{}
	facts := factsOf(unknown)
	require.NoError(t, collector.Complete(t.Context(), policy(), facts))
	require.Empty(t, facts.Lines[0].Landings[0].Pull.Signatures, "without the time nothing is verified, which blocks")

	absent := landing
	absent.Changes = slices.Clone(landing.Changes)
	absent.Changes[0].After.SHA = approval.SHA(strings.Repeat("1", 40))
	require.ErrorIs(t, collector.Complete(t.Context(), policy(), factsOf(absent)), approval.ErrNotFound)
	absent = landing
	absent.Pull = pull(1, approval.SHA(strings.Repeat("1", 40)))
	require.ErrorIs(t, collector.Complete(t.Context(), policy(), factsOf(absent)), approval.ErrNotFound)

	nobody, _ := w.collector(nil)
	require.ErrorContains(t, nobody.Complete(t.Context(), policy(), factsOf(landing)), "nothing is known of its signers")
	lost, err := New(Options{
		Gates: map[string]Gate{"prod": {Verifier: w.signers("renovate")}}, Firsts: &firsts{}, Logger: w.log(),
		Mirrors: func(context.Context, approval.RepositoryName) (Mirror, error) { return nil, errors.New("no mirror") },
	})
	require.NoError(t, err)
	require.ErrorContains(t, lost.Complete(t.Context(), policy(), factsOf(landing)), "no mirror")

	push := landing
	push.Pull = nil
	facts = factsOf(push)
	require.NoError(t, collector.Complete(t.Context(), policy(), facts))
	require.True(t, facts.Lines[0].Landings[0].Changes[0].Images.Only, "a direct push is classified too")
}

// TestTooManyFiles: how many files are looked at does not depend on what is known.
func TestTooManyFiles(t *testing.T) {
	w := newWorld(t)
	before, after := files{"prod/x": "a"}, files{"prod/x": "a"}
	for i := range maxFiles + 3 {
		name := fmt.Sprintf("prod/%04d.yaml", i)
		before[name], after[name] = fmt.Sprintf("image: a:v1\ni: %d\n", i), fmt.Sprintf("image: a:v2\ni: %d\n", i)
	}
	root := w.commit("", before)
	at := w.commit("renovate", after, root)
	m := w.fetched(at, at)
	collector, _ := w.collector(map[string]Gate{"prod": {Verifier: w.signers("renovate")}})
	var first []approval.Change
	for range 3 {
		facts := factsOf(w.landing(root, at, pull(1, at)))
		require.NoError(t, collector.Complete(t.Context(), policy(), facts))
		changes := facts.Lines[0].Landings[0].Changes
		require.Len(t, slices.DeleteFunc(slices.Clone(changes), func(c approval.Change) bool { return c.Images.Only }), 3)
		if first != nil {
			require.Equal(t, first, changes)
		}
		first = changes
	}
	require.Less(t, m.reads, 2*maxFiles+10)
}
