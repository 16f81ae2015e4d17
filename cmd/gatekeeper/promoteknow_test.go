package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/soak"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/promote"
	"github.com/argo-gatekeeper/gatekeeper/pkg/registry"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/ociregistry"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

const (
	oldRevision = "1111111111111111111111111111111111111111"
	newRevision = "2222222222222222222222222222222222222222"
)

// knowingWorld is a promotionWorld with a registry of its own, in which both images of
// the shop are, and a gate that verifies them and wants them proven in staging.
type knowingWorld struct {
	*promotionWorld
	registry *httptest.Server
	host     string
	digests  map[string]string // of tags

	mu    sync.Mutex
	asked []string
	fail  func(http.ResponseWriter, *http.Request) bool // answers in the registry's place
}

// newKnowingWorld adds settings to the gate's image quorum.
func newKnowingWorld(t *testing.T, settings ...string) *knowingWorld {
	t.Helper()
	w := &knowingWorld{promotionWorld: newPromotionWorld(t), digests: map[string]string{}}
	behind := ociregistry.Start()
	t.Cleanup(behind.Close)
	inner := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: behind.Host()})
	w.registry = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked = append(w.asked, r.Method+" "+r.URL.Path)
		fail := w.fail
		w.mu.Unlock()
		if fail == nil || !fail(rw, r) {
			inner.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(w.registry.Close)
	w.host = strings.TrimPrefix(w.registry.URL, "http://")
	for tag, revision := range map[string]string{"1.4.2": oldRevision, "1.4.3": newRevision} {
		w.push(tag, map[string]string{
			"org.opencontainers.image.version": tag, "org.opencontainers.image.revision": revision,
			"org.opencontainers.image.source": w.URL() + "/acme/shop",
		})
	}
	w.requests()
	w.values("prod", "image:\n  repository: "+w.host+"/acme/shop\n  tag: 1.4.2\n")
	w.runs("shop-staging", ":1.4.3")
	w.runs("shop-prod", ":1.4.2")

	content, err := os.ReadFile(w.file)
	require.NoError(t, err)
	image := fmt.Sprintf(`    image:
      requirements: [{approvals: 1, users: [carol]}]
      signers: [{name: release, githubTrusted: true, users: [carol]}]
      verify: [{name: build, repositories: ["%s/acme/*"], keys: [cosign.pub]}]
      provenIn: {from: "{{ .Service }}-prod", application: "{{ .Service }}-staging", soak: 30m}
`, w.host)
	for _, s := range settings {
		image += "      " + s + "\n"
	}
	content = fmt.Appendf(content, "%sregistries:\n  hosts: [{host: %q, plaintext: true}]\n", image, w.host)
	require.NoError(t, os.WriteFile(w.file, content, 0o600))
	return w
}

// values writes what an environment is configured with.
func (w *knowingWorld) values(environment, content string) {
	w.t.Helper()
	_, err := w.As("carol").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{environment + "/values.yaml": content}, Message: "Set it up"})
	require.NoError(w.t, err)
}

// pinned are values with a digest.
func (w *knowingWorld) pinned() string {
	return "image:\n  repository: " + w.host + "/acme/shop\n  tag: 1.4.2\n  digest: " + w.digests["1.4.2"] + "\n"
}

// runs says which versions of the shop an Application runs, beside envoy.
func (w *knowingWorld) runs(name string, versions ...string) {
	s := w.apps[name]
	s.images = []string{"docker.io/envoyproxy/envoy:v1.30"}
	for _, v := range versions {
		s.images = append(s.images, w.host+"/acme/shop"+v)
	}
	w.apps[name] = s
}

// push makes an image with labels.
func (w *knowingWorld) push(tag string, labels map[string]string) {
	w.t.Helper()
	put := func(method, path, contentType string, body []byte) string {
		req, err := http.NewRequestWithContext(w.t.Context(), method, w.registry.URL+"/v2/acme/shop/"+path, bytes.NewReader(body))
		require.NoError(w.t, err)
		req.Header.Set("Content-Type", contentType)
		resp, err := w.registry.Client().Do(req)
		require.NoError(w.t, err)
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		require.NoError(w.t, err)
		require.Equal(w.t, http.StatusCreated, resp.StatusCode, string(text))
		return digest(body)
	}
	config, err := json.Marshal(map[string]any{"config": map[string]any{"Labels": labels}})
	require.NoError(w.t, err)
	at := put(http.MethodPost, "blobs/uploads/?digest="+url.QueryEscape(digest(config)), "application/octet-stream", config)
	const mediaType = "application/vnd.oci.image.manifest.v1+json"
	w.digests[tag] = put(http.MethodPut, "manifests/"+tag, mediaType, fmt.Appendf(nil,
		`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`,
		mediaType, at, len(config)))
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// requests are those that the registry got since the last time.
func (w *knowingWorld) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	return asked
}

func (w *knowingWorld) failing(fail func(http.ResponseWriter, *http.Request) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = fail
}

// soaked makes staging healthy, and lets Gatekeeper remember that it has been for a time.
func (w *knowingWorld) soaked(ran time.Duration) {
	w.t.Helper()
	now := time.Now()
	healthy := func(object map[string]any, at time.Time) {
		spec, status := object["spec"].(map[string]any), object["status"].(map[string]any)
		stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
		status["health"].(map[string]any)["lastTransitionTime"] = stamp(now.Add(-2 * time.Hour))
		status["sync"].(map[string]any)["revision"] = oldRevision
		status["sync"].(map[string]any)["comparedTo"] = map[string]any{"source": spec["source"], "destination": spec["destination"]}
		status["operationState"] = map[string]any{
			"phase": "Succeeded", "startedAt": stamp(now.Add(-3 * time.Hour)), "finishedAt": stamp(now.Add(-3*time.Hour + time.Minute)),
		}
		status["reconciledAt"] = stamp(at.Add(-30 * time.Second))
	}
	w.change = func(_ string, object map[string]any) { healthy(object, time.Now()) }
	var memory soak.Memory
	for at := now.Add(-ran); at.Before(now); at = at.Add(5 * time.Minute) {
		// As a client reads it.
		data, err := json.Marshal(w.apps["shop-staging"].object("shop-staging", "https://git.example.com/env.git"))
		require.NoError(w.t, err)
		var object map[string]any
		require.NoError(w.t, json.Unmarshal(data, &object))
		healthy(object, at)
		memory = memory.Next(soak.Observe(object, at), soakRules())
	}
	data, err := memory.Encode()
	require.NoError(w.t, err)
	dir := filepath.Join(filepath.Dir(w.file), "data")
	require.NoError(w.t, os.MkdirAll(dir, 0o700))
	store, err := inbox.Open(w.t.Context(), inboxPath(dir))
	require.NoError(w.t, err)
	require.NoError(w.t, store.SaveSoaks(w.t.Context(), map[string][]byte{"argocd/shop-staging": data}))
	// Gatekeeper runs: its inbox stays open while the command reads it.
	w.t.Cleanup(func() { require.NoError(w.t, store.Close()) })
}

func (w *knowingWorld) pull(number int) string {
	w.t.Helper()
	pull, err := w.Pull("acme/env", number)
	require.NoError(w.t, err)
	return pull.Body
}

func TestPromoteTellsWhatIsKnown(t *testing.T) {
	t.Parallel()
	w := newKnowingWorld(t)
	w.soaked(42*time.Minute + 10*time.Second)
	code, _, stderr := w.promote()
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	body := w.pull(1)
	for _, want := range []string{
		"\n#### What `shop:1.4.3` says of itself\n\n- version: `1.4.3`\n- revision: `" + newRevision + "`\n- source: `" + w.URL() + "/acme/shop`\n",
		"- [The commits between 1111111 and 2222222](" + w.URL() + "/acme/shop/compare/" + oldRevision + "..." + newRevision + ")\n",
		"/acme/shop:1.4.3 ran Healthy in argocd/shop-staging for 42 minutes.\n",
		"\n#### What it still needs\n\nThe gate wants the commit signed by one of its signers",
	} {
		require.Contains(t, body, want)
	}
	require.NotContains(t, body, "What to know")
	asked := strings.Join(w.requests(), "\n")
	require.NotContains(t, asked, "envoy")
	require.NotContains(t, asked, "HEAD", "no digest is wanted")

	code, stdout, stderr := w.promote("-o", "json", "--dry-run")
	require.Zero(t, code, stderr)
	var out promotionJSON
	require.NoError(t, json.Unmarshal([]byte(stdout), &out))
	require.Equal(t, []promotedImage{{
		Repository: w.host + "/acme/shop", From: "1.4.2", To: "1.4.3",
		FromLabels: promotedLabels{"1.4.2", oldRevision, w.URL() + "/acme/shop"}, ToLabels: promotedLabels{"1.4.3", newRevision, w.URL() + "/acme/shop"},
		Commits: w.URL() + "/acme/shop/compare/" + oldRevision + "..." + newRevision,
	}}, out.Images)
	require.Len(t, out.Evidence, 3)
	require.Equal(t, w.host+"/acme/shop:1.4.3 ran Healthy in argocd/shop-staging for 42 minutes.", out.Evidence[2])
	require.Equal(t, []string{}, out.Notes)
	require.Contains(t, out.Body, "The commits between")

	code, stdout, stderr = w.promote("--dry-run")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "The commits between")
	require.Contains(t, stdout, "for 42 minutes")
}

func TestPromoteTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newKnowingWorld(t)
	w.soaked(12*time.Minute + 10*time.Second)
	code, _, stderr := w.promote()
	require.Zero(t, code, stderr)
	text := "The gate wants images proven elsewhere before they are deployed: " + w.host + "/acme/shop:1.4.3 ran Healthy in argocd/shop-staging for 12 of 30 minutes.\n"
	require.Equal(t, "gatekeeper: "+text, stderr)
	_, notes, found := strings.Cut(w.pull(1), "\n#### What to know\n\n")
	require.True(t, found)
	require.Contains(t, notes, "for 12 of 30 minutes")
}

// Where Gatekeeper does not run, nothing is remembered; that is said without its paths.
func TestPromoteElsewhere(t *testing.T) {
	t.Parallel()
	w := newKnowingWorld(t)
	code, _, stderr := w.promote()
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "could not be read where this was asked for: open the inbox: ")
	require.Contains(t, stderr, filepath.Dir(w.file))
	body := w.pull(1)
	require.Contains(t, body, "For how long these ran there is not known")
	require.NotContains(t, body, "inbox")
	require.NoFileExists(t, inboxPath(filepath.Join(filepath.Dir(w.file), "data")))
}

func TestPromoteFindsDigests(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		settings, args []string
		pinned         bool
		runs           string
		resolved       bool
	}{
		"the gate requires them":   {settings: []string{"requireDigest: true"}, pinned: true, runs: ":1.4.3", resolved: true},
		"the place is pinned":      {pinned: true, runs: ":1.4.3", resolved: true},
		"asked for":                {pinned: true, args: []string{"--pin"}, runs: ":1.4.3", resolved: true},
		"one image is meant":       {pinned: true, args: []string{"--pin", "--image", "@/acme/shop"}, runs: ":1.4.3", resolved: true},
		"the Application names it": {pinned: true, args: []string{"--pin"}, runs: ":1.4.3@"},
		"nobody wants one":         {runs: ":1.4.3"},
		"meant and named":          {pinned: true, args: []string{"--image", "@/acme/shop"}, runs: ":1.4.3@"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newKnowingWorld(t, tt.settings...)
			if tt.pinned {
				w.values("prod", w.pinned())
			}
			runs := tt.runs
			if strings.HasSuffix(runs, "@") {
				runs += w.digests["1.4.3"]
			}
			w.runs("shop-staging", runs)
			args := []string{}
			for _, a := range tt.args {
				args = append(args, strings.Replace(a, "@/", w.host+"/", 1))
			}
			code, _, stderr := w.promote(args...)
			require.Zero(t, code, stderr)
			head, err := w.Branch("acme/env", "gatekeeper/promote/argocd/shop-prod")
			require.NoError(t, err)
			content, _, err := w.File("acme/env", head, "prod/values.yaml")
			require.NoError(t, err)
			want := "image:\n  repository: " + w.host + "/acme/shop\n  tag: 1.4.3\n"
			if tt.pinned {
				want += "  digest: " + w.digests["1.4.3"] + "\n"
			}
			require.Equal(t, want, string(content))
			note := w.host + "/acme/shop:1.4.3 is " + w.digests["1.4.3"] + " in its registry now."
			if tt.resolved {
				require.Contains(t, stderr, note)
				require.Contains(t, w.pull(1), "names it by its tag alone")
			} else {
				require.NotContains(t, stderr, note)
				require.NotContains(t, strings.Join(w.requests(), "\n"), "HEAD")
			}
			require.Contains(t, w.pull(1), "The commits between")
		})
	}
}

// A registry that fails takes nothing away but what it would have said.
func TestPromoteWithoutTheRegistry(t *testing.T) {
	t.Parallel()
	w := newKnowingWorld(t)
	w.soaked(42 * time.Minute)
	w.registry.Close()
	code, _, stderr := w.promote()
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "What "+w.host+"/acme/shop:1.4.3 says of itself is not known: registry "+w.host+" cannot be reached: dial tcp")
	body := w.pull(1)
	require.Contains(t, body, "/acme/shop:1.4.3 says of itself is not known: registry "+w.host+" cannot be reached.\n")
	require.NotContains(t, body, "dial")
	require.NotContains(t, body, "tried again")
	require.NotContains(t, body, "The commits between")
	require.Contains(t, body, "for 42 minutes", "the rest is told")

	t.Run("a digest is wanted", func(t *testing.T) {
		w.values("prod", w.pinned())
		code, stdout, stderr := w.promote("--pin")
		require.Equal(t, exitFailed, code)
		require.Empty(t, stdout)
		require.Contains(t, stderr, "the wanted version has none; the digest of "+w.host+"/acme/shop:1.4.3 is not known: registry "+w.host+" cannot be reached")
	})
}

// A registry that says nothing is given up on, with time left for the promotion.
func TestPromoteDoesNotWaitForTheRegistry(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(over) })
	host := strings.TrimPrefix(server.URL, "http://")
	client, err := registry.New(registry.Options{
		Registries: []registry.Registry{{Host: host, Repositories: []string{"**"}, Insecure: true}}, Timeout: time.Hour,
	})
	require.NoError(t, err)
	shop := promote.Image{Repository: host + "/acme/shop", Version: imagediff.Version{Tag: "1.4.3"}}
	k := knowledge{
		promotable: promotable{policy: approval.Policy{Image: &approval.ImagePolicy{Verify: []approval.ImageKeys{{Name: "build", Repositories: []string{host + "/**"}}}}}},
		registry:   client, patience: 50 * time.Millisecond,
	}
	k.labels(t.Context(), []promote.Change{{Repository: shop.Repository, To: shop.Version}})
	require.Len(t, k.notes, 1)
	require.Contains(t, k.notes[0].text, "says of itself is not known: registry "+host+" did not answer in time.")
	images, failed := k.pin(t.Context(), promote.Request{Images: []promote.Image{shop}})
	require.Equal(t, []promote.Image{shop}, images)
	require.Len(t, failed, 1)
}

// What the image that goes says is half of it; without it there is the commit alone.
func TestPromoteWithoutTheOldImage(t *testing.T) {
	t.Parallel()
	w := newKnowingWorld(t)
	w.failing(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/manifests/1.4.2") {
			rw.WriteHeader(http.StatusNotFound)
			return true
		}
		return false
	})
	code, _, stderr := w.promote()
	require.Zero(t, code, stderr)
	body := w.pull(1)
	require.Contains(t, body, "[The commit that it was built from]("+w.URL()+"/acme/shop/commit/"+newRevision+")")
	require.Contains(t, body, "/acme/shop:1.4.2 says of itself is not known: registry "+w.host+" answered 404 Not Found")

	// The digest by which it runs is asked for where the file has the tag alone.
	w.runs("shop-prod", ":1.4.2@"+w.digests["1.4.2"])
	code, _, stderr = w.promote()
	require.Zero(t, code, stderr)
	require.Contains(t, w.pull(1), "The commits between")
}

// Nothing is asked of a registry for images that the gate does not verify.
func TestPromoteAsksNobodyElse(t *testing.T) {
	t.Parallel()
	w := newKnowingWorld(t)
	content, err := os.ReadFile(w.file)
	require.NoError(t, err)
	plain := "image:\n  repository: " + w.host + "/acme/shop\n  tag: 1.4.2\n"
	for _, other := range []string{w.host + "/acme/other", "127.0.0.1:1/acme/*"} {
		require.NoError(t, os.WriteFile(w.file, bytes.Replace(content, []byte(w.host+"/acme/*"), []byte(other), 1), 0o600))
		w.values("prod", plain)
		code, _, stderr := w.promote("--dry-run")
		require.Zero(t, code, stderr)
		require.NotContains(t, stderr, "says of itself")
		w.values("prod", w.pinned())
		for _, args := range [][]string{{"--dry-run"}, {"--dry-run", "--pin"}} {
			code, _, stderr = w.promote(args...)
			require.Equal(t, exitFailed, code)
			require.Contains(t, stderr, "it is pinned to a digest, and the wanted version has none\n")
		}
		require.Empty(t, w.requests())
	}
}

// The gate's own places of images are written to.
func TestPromoteUsesTheRulesOfTheGate(t *testing.T) {
	t.Parallel()
	thing := func(w *knowingWorld, tag string) string {
		return "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\nspec:\n  workload: " + w.host + "/acme/shop:" + tag + "\n"
	}
	for name, tt := range map[string]struct {
		settings []string
		code     int
	}{
		"named":     {[]string{`paths: ["spec.workload=image"]`}, 0},
		"not named": {nil, exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newKnowingWorld(t, tt.settings...)
			_, err := w.As("carol").PushBranch("acme/env", "main", standin.Change{
				Files: map[string]string{"prod/thing.yaml": thing(w, "1.4.2"), "prod/values.yaml": "replicas: 1\n"}, Message: "A thing",
			})
			require.NoError(t, err)
			code, _, stderr := w.promote()
			require.Equal(t, tt.code, code, stderr)
			if code != 0 {
				require.Contains(t, stderr, "nothing names")
				return
			}
			head, err := w.Branch("acme/env", "gatekeeper/promote/argocd/shop-prod")
			require.NoError(t, err)
			content, _, err := w.File("acme/env", head, "prod/thing.yaml")
			require.NoError(t, err)
			require.Equal(t, thing(w, "1.4.3"), string(content))
		})
	}
}
