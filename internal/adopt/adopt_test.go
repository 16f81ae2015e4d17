package adopt_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/adopt"
	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// cluster holds Applications.
type cluster map[string]*approval.Application

func (c cluster) Spec(_ context.Context, namespace, name string) (approval.Application, []approval.SpecField, error) {
	app, ok := c[namespace+"/"+name]
	if !ok {
		return approval.Application{}, nil, fmt.Errorf("read it: %w", approval.ErrNotFound)
	}
	return *app, fields(*app), nil
}

func (c cluster) Specs(_ context.Context, visit func(approval.Application, []approval.SpecField) error) error {
	for _, app := range c {
		if err := visit(*app, fields(*app)); err != nil {
			return err
		}
	}
	return nil
}

func fields(a approval.Application) []approval.SpecField {
	return []approval.SpecField{{Path: "source.helm.values", Digest: a.SpecDigest}, {Path: "source.path", Digest: a.SpecDigest, Value: a.SpecDigest}}
}

func app(name, project, digest string) *approval.Application {
	return &approval.Application{UID: "uid-" + name, Namespace: "argocd", Name: name, Project: project, SpecDigest: digest}
}

type setup struct {
	t       *testing.T
	cluster cluster
	store   *sqlite.Store
	adopter *adopt.Adopter
	woken   []string
}

func begin(t *testing.T) *setup {
	t.Helper()
	store, err := sqlite.Create(t.Context(), filepath.Join(t.TempDir(), "record.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	s := &setup{t: t, store: store, cluster: cluster{
		"argocd/shop": app("shop", "prod", "1"), "argocd/web": app("web", "prod", "2"), "argocd/dev": app("dev", "dev", "3"),
		"argocd/both": app("both", "both", "4"),
	}}
	policy := func(gate string, projects ...string) approval.Policy {
		p := approval.Policy{Gate: gate}
		for _, project := range projects {
			p.Applications = append(p.Applications, approval.Selector{Project: project, Server: "*", Namespace: "*"})
		}
		return p
	}
	s.adopter = adopt.New(adopt.Options{
		Policies: func() []approval.Policy {
			return []approval.Policy{policy("prod", "prod", "both"), policy("other", "both")}
		},
		Applications: s.cluster,
		Desk:         orders.NewDesk(orders.Options{Record: store}), Wake: func(_ context.Context, a string) { s.woken = append(s.woken, a) },
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	return s
}

func (s *setup) plan(r adopt.PlanRequest) map[string]adopt.Item {
	s.t.Helper()
	plan, err := s.adopter.Plan(s.t.Context(), r)
	require.NoError(s.t, err)
	items := map[string]adopt.Item{}
	for _, i := range plan.Items {
		items[i.Application] = i
	}
	require.Len(s.t, items, len(plan.Items))
	return items
}

func (s *setup) adopt(items ...adopt.Item) error {
	s.t.Helper()
	r := adopt.Request{By: "ada", Reason: "first"}
	for _, i := range items {
		r.Items = append(r.Items, adopt.Wanted{Application: i.Application, UID: i.UID, SpecDigest: i.SpecDigest})
	}
	answer, err := s.adopter.Adopt(s.t.Context(), r)
	if err == nil {
		require.Len(s.t, answer.Adopted, len(items))
	}
	return err
}

func refusal(t *testing.T, err error) *console.Error {
	t.Helper()
	var refused *console.Error
	require.ErrorAs(t, err, &refused)
	return refused
}

func TestStates(t *testing.T) {
	t.Parallel()
	s := begin(t)
	all := s.plan(adopt.PlanRequest{All: true})
	require.Len(t, all, 3, "what no gate protects is left out")
	require.Equal(t, adopt.StateNew, all["argocd/shop"].State)
	require.Equal(t, adopt.StateAmbiguous, all["argocd/both"].State)
	require.Equal(t, []approval.SpecField{{Path: "source.path", Digest: "1", Value: "1"}}, all["argocd/shop"].Fields)

	require.NoError(t, s.adopt(all["argocd/shop"]))
	require.Equal(t, []string{"argocd/shop"}, s.woken)
	shop := s.plan(adopt.PlanRequest{Applications: []string{"argocd/shop", "argocd/shop"}})["argocd/shop"]
	require.Equal(t, adopt.StateAdopted, shop.State)
	require.Equal(t, "ada", shop.AdoptedBy)

	s.cluster["argocd/shop"].SpecDigest = "9"
	shop = s.plan(adopt.PlanRequest{All: true})["argocd/shop"]
	require.Equal(t, adopt.StateChanged, shop.State)
	require.Equal(t, []string{"source.helm.values", "source.path (was 1, is 9)"}, shop.Changed)

	// Back to the first spec is an adoption too: the newest one holds.
	require.NoError(t, s.adopt(shop))
	s.cluster["argocd/shop"].SpecDigest = "1"
	require.Equal(t, adopt.StateChanged, s.plan(adopt.PlanRequest{All: true})["argocd/shop"].State)

	s.cluster["argocd/shop"].UID, s.cluster["argocd/shop"].SpecDigest = "uid-2", "9"
	shop = s.plan(adopt.PlanRequest{All: true})["argocd/shop"]
	require.Equal(t, adopt.StateRecreated, shop.State)
	require.Empty(t, shop.Changed)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := begin(t)
	for name, code := range map[string]console.Code{
		"argocd/dev": console.CodeRefused, "argocd/none": console.CodeNotFound, "shop": console.CodeInvalid, "a/b/c": console.CodeInvalid, "/shop": console.CodeInvalid,
	} {
		_, err := s.adopter.Plan(t.Context(), adopt.PlanRequest{Applications: []string{name}})
		require.Equal(t, code, refusal(t, err).Code, name)
		require.Equal(t, code, refusal(t, s.adopt(adopt.Item{Application: name, SpecDigest: "3"})).Code, name)
	}
	all := s.plan(adopt.PlanRequest{All: true})
	require.Equal(t, console.CodeRefused, refusal(t, s.adopt(all["argocd/both"])).Code)

	// What changed since it was shown is not adopted, and neither is what came with it.
	s.cluster["argocd/web"].SpecDigest = "7"
	require.Equal(t, console.CodeChanged, refusal(t, s.adopt(all["argocd/shop"], all["argocd/web"])).Code)
	s.cluster["argocd/web"].SpecDigest, s.cluster["argocd/web"].UID = "2", "uid-2"
	require.Equal(t, console.CodeChanged, refusal(t, s.adopt(all["argocd/shop"], all["argocd/web"])).Code)
	s.cluster["argocd/shop"].SpecDigest = ""
	require.Equal(t, console.CodeChanged, refusal(t, s.adopt(adopt.Item{Application: "argocd/shop", UID: "uid-shop"})).Code)
	s.cluster["argocd/shop"].SpecDigest = "1"

	_, err := s.adopter.Adopt(t.Context(), adopt.Request{By: "ada", Reason: "two\nlines", Items: []adopt.Wanted{{Application: "argocd/shop", UID: "uid-shop", SpecDigest: "1"}}})
	require.Equal(t, console.CodeInvalid, refusal(t, err).Code)
	_, err = s.adopter.Adopt(t.Context(), adopt.Request{By: "ada", Reason: "none"})
	require.Equal(t, console.CodeInvalid, refusal(t, err).Code)
	head, err := s.store.Head(t.Context())
	require.NoError(t, err)
	require.Zero(t, head.Sequence)
	require.Empty(t, s.woken)
}

// TestRecorded: the order says what was adopted, of which Application, by whom and why.
func TestRecorded(t *testing.T) {
	t.Parallel()
	s := begin(t)
	require.NoError(t, s.adopt(s.plan(adopt.PlanRequest{All: true})["argocd/shop"]))
	entries, err := s.store.Acts(t.Context())
	require.NoError(t, err)
	require.Len(t, entries, 1)
	act, err := history.Decode[history.ActPayload](entries[0])
	require.NoError(t, err)
	require.NotEmpty(t, act.ID)
	act.ID = ""
	require.Equal(t, "uid-shop", entries[0].Application)
	require.Equal(t, history.ActPayload{
		Verb: history.VerbAdopt, Gate: "prod", Application: "argocd/shop", Person: history.Person{Name: "ada", Via: history.ViaConsole},
		Reason: "first", SpecDigest: "1", SpecFields: fields(*s.cluster["argocd/shop"]),
	}, act)
}
