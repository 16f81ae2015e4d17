package promote_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/collect"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/promote"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

const (
	repoName = "acme/env"
	branch   = "gatekeeper/promote/argocd/shop-prod"
	shop     = "ghcr.io/acme/shop"
	prodFile = "envs/prod/values.yaml"
	oldSHA   = "1111111111111111111111111111111111111111"
	newSHA   = "2222222222222222222222222222222222222222"
)

const prodValues = `# of production
replicas: 4
image:
  repository: ghcr.io/acme/shop # ours
  tag: "1.4.2"   # moved by promotions
resources: {cpu: 2}
`

var appKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

// world is a GitHub with the repository acme/env and a promoter. Alice, bob and carol
// may write; alice, bob and carol are in acme/sre.
type world struct {
	t        *testing.T
	gh       *standin.Server
	repo     standin.Repository
	app      *github.App
	users    map[string]approval.User
	promoter *promote.Promoter
	before   func(*http.Request) // called before each request, may be nil
	ahead    atomic.Int64        // how far GitHub's clock is ahead, in nanoseconds
}

// RoundTrip is the way of all requests of the App.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.before != nil {
		w.before(r)
	}
	return http.DefaultTransport.RoundTrip(r)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	w := &world{t: t, users: map[string]approval.User{}}
	s, err := standin.Start(context.WithoutCancel(t.Context()), standin.Options{
		Dir: t.TempDir(), Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.Empty(t, s.ClientViolations(), "requests that GitHub's description does not have")
	})
	w.gh = s
	for _, login := range []string{"alice", "bob", "carol"} {
		u, err := s.CreateUser(login, strings.ToUpper(login[:1])+login[1:], login+"@example.com")
		require.NoError(t, err)
		w.users[login] = approval.User{ID: approval.UserID(u.ID), Login: login, Type: "User"}
	}
	_, err = s.CreateUser("web-flow", "GitHub", "noreply@github.com")
	require.NoError(t, err)
	_, err = s.CreateOrganization("acme", "carol")
	require.NoError(t, err)
	_, err = s.CreateTeam("acme", "sre", "alice", "bob", "carol")
	require.NoError(t, err)
	w.repo, err = s.CreateRepository("acme", "env", standin.RepositoryOptions{
		Files: map[string]string{
			prodFile:                       prodValues,
			"envs/staging/values.yaml":     strings.ReplaceAll(prodValues, "1.4.2", "1.4.3"),
			"chart/values.yaml":            "image:\n  repository: ghcr.io/acme/shop\n  tag: \"0\"\n",
			"chart/templates/service.yaml": "{{ with .x }}\nimage: ghcr.io/acme/shop:9\n{{ end }}\n",
		},
		Author: "carol", Collaborators: map[string]string{"alice": "write", "bob": "maintain"},
	})
	require.NoError(t, err)
	app, err := s.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: appKey(),
		Permissions: map[string]string{"pull_requests": "write", "contents": "write", "checks": "write", "issues": "read", "members": "read"},
	})
	require.NoError(t, err)
	_, err = s.Install(app.ID, "acme", "env")
	require.NoError(t, err)
	w.app, err = github.NewApp(github.Options{
		BaseURL: s.APIURL(), AppID: app.ID, PrivateKeyPEM: app.PrivateKeyPEM, Logger: w.logger(), Transport: w,
	})
	require.NoError(t, err)
	w.promoter, err = promote.New(promote.Options{GitHub: w.app, WebURL: "https://github.com", Logger: w.logger()})
	require.NoError(t, err)
	return w
}

func (w *world) logger() *slog.Logger { return slog.New(slog.NewTextHandler(w.t.Output(), nil)) }

// request is alice's, to bring 1.4.3 from staging to production.
func (w *world) request() promote.Request {
	return promote.Request{
		Asker: w.users["alice"], From: "argocd/shop-staging", To: "argocd/shop-prod",
		Repository: approval.ProtectedRepository{Name: repoName, Branch: "main", EnrolledAt: approval.SHA(w.repo.Head)},
		Reads:      []approval.Read{{Repository: repoName, Path: "chart/"}, {Repository: repoName, Path: prodFile}},
		Shared:     []approval.Read{{Repository: repoName, Path: "chart/"}, {Repository: repoName, Path: "envs/staging/values.yaml"}},
		Images: []promote.Image{
			{
				Repository: shop, Version: imagediff.Version{Tag: "1.4.3"},
				Labels: promote.Labels{Version: "1.4.3", Revision: newSHA, Source: "https://github.com/acme/shop"},
			},
			{Repository: "envoyproxy/envoy", Version: imagediff.Version{Tag: "v1.30"}},
		},
		Running: []promote.Image{{
			Repository: shop, Version: imagediff.Version{Tag: "1.4.2"},
			Labels: promote.Labels{Revision: oldSHA, Source: "https://github.com/acme/shop.git"},
		}},
		Evidence: []string{"argocd/shop-staging was Synced and Healthy."},
	}
}

// to is a request for another version.
func (w *world) to(tag string) promote.Request {
	r := w.request()
	r.Images[0].Version.Tag = tag
	return r
}

func (w *world) plan(r promote.Request) promote.Plan {
	w.t.Helper()
	p, err := w.promoter.Plan(w.t.Context(), r)
	require.NoError(w.t, err)
	return p
}

func (w *world) open(r promote.Request) promote.Pull {
	w.t.Helper()
	pull, err := w.try(r)
	require.NoError(w.t, err)
	w.check(pull, r.Images[0].Version.Tag)
	return pull
}

func (w *world) try(r promote.Request) (promote.Pull, error) {
	p, err := w.promoter.Plan(w.t.Context(), r)
	if err != nil {
		return promote.Pull{}, err
	}
	return w.promoter.Open(w.t.Context(), p)
}

// check: there is one open pull request, with one commit that changes one value.
func (w *world) check(pull promote.Pull, tag string) {
	w.t.Helper()
	require.Equal(w.t, []int{pull.Number}, w.pulls())
	head, err := w.gh.Branch(repoName, branch)
	require.NoError(w.t, err)
	require.Equal(w.t, approval.SHA(head), pull.Head)
	commits, err := w.gh.PullCommits(repoName, pull.Number)
	require.NoError(w.t, err)
	require.Len(w.t, commits, 1)
	files, err := w.gh.PullFiles(repoName, pull.Number)
	require.NoError(w.t, err)
	require.Len(w.t, files, 1)
	require.Equal(w.t, prodFile, files[0].Path)
	content, _, err := w.gh.File(repoName, head, prodFile)
	require.NoError(w.t, err)
	require.Contains(w.t, string(content), `  tag: "`+tag+`"   # moved by promotions`)
}

// pulls are the open pull requests of the branch.
func (w *world) pulls() []int {
	w.t.Helper()
	all, err := w.gh.Pulls(repoName)
	require.NoError(w.t, err)
	open := []int{}
	for _, p := range all {
		if p.State == "open" && p.Branch == branch {
			open = append(open, p.Number)
		}
	}
	return open
}

// calls are the API calls of the repository that were answered since the last time.
func (w *world) calls() []string {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return len(w.gh.Calls()) > 0 }, time.Minute, time.Millisecond)
	var out []string
	for _, c := range w.gh.Calls() {
		if c.Token == "installation" && c.Kind == "api" {
			out = append(out, c.Method+" "+strings.TrimPrefix(c.Pattern, c.Method+" /repos/{owner}/{repo}"))
		}
	}
	w.gh.ResetCalls()
	return out
}

func (w *world) push(who, path, content string) string {
	w.t.Helper()
	sha, err := w.gh.As(who).PushBranch(repoName, "main", standin.Change{Files: map[string]string{path: content}, Message: "Change " + path})
	require.NoError(w.t, err)
	return sha
}

// collector reads what the decision is made of, as the product does.
func (w *world) collector() *collect.Collector {
	w.t.Helper()
	m, err := mirror.Open(w.t.Context(), mirror.Options{
		Dir: filepath.Join(w.t.TempDir(), "env.git"), URL: w.repo.CloneURL, Logger: w.logger(),
		Token: func(ctx context.Context) (string, error) {
			c, err := w.app.Client(ctx, repoName)
			if err != nil {
				return "", err
			}
			return c.Token(ctx)
		},
	})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, m.Close()) })
	c, err := collect.New(collect.Options{
		GitHub: w.app, Witness: nothing{}, Logger: w.logger(), IndexGrace: time.Nanosecond,
		Mirror: func(context.Context, approval.RepositoryName) (*mirror.Mirror, error) { return m, nil },
	})
	require.NoError(w.t, err)
	return c
}

// nothing was witnessed.
type nothing struct{}

func (nothing) Review(context.Context, int64, int64) (approval.WitnessedReview, bool, error) {
	return approval.WitnessedReview{}, false, nil
}

func (nothing) HeadPush(context.Context, int64, int, approval.SHA) (approval.WitnessedHead, bool, error) {
	return approval.WitnessedHead{}, false, nil
}

func (nothing) MergedPull(context.Context, int64, approval.SHA) (int, bool, error) {
	return 0, false, nil
}

func (nothing) FormerHead(context.Context, int64, int, approval.SHA, approval.SHA, time.Time) (approval.WitnessedHead, bool, error) {
	return approval.WitnessedHead{}, false, nil
}
