package reload

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
)

const document = `github:
  appID: 1
  privateKeyFile: key
  webhookSecretFiles: [hook]
argocd:
  server: argocd:443
  tokenFile: token
dataDirectory: data
gates:
- name: prod
  applications: [{project: payments}]
  repositories: [{repository: acme/env, branch: main, enrolledAt: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}]
  config: {requirements: [{approvals: 1, teams: [acme/sre]}]}
`

// mount is a folder as Kubernetes mounts a ConfigMap: the files are links to those of a
// folder that a link named ..data points to, and that link is moved.
type mount struct {
	t       *testing.T
	dir     string
	version int
}

func newMount(t *testing.T, files map[string]string) *mount {
	t.Helper()
	m := &mount{t: t, dir: t.TempDir()}
	m.swap(files)
	for name := range files {
		require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(m.dir, name)))
	}
	return m
}

func (m *mount) swap(files map[string]string) {
	m.t.Helper()
	m.version++
	fresh := "..version" + string(rune('0'+m.version))
	require.NoError(m.t, os.Mkdir(filepath.Join(m.dir, fresh), 0o700))
	for name, text := range files {
		require.NoError(m.t, os.WriteFile(filepath.Join(m.dir, fresh, name), []byte(text), 0o600))
	}
	require.NoError(m.t, os.Symlink(fresh, filepath.Join(m.dir, "..next")))
	require.NoError(m.t, os.Rename(filepath.Join(m.dir, "..next"), filepath.Join(m.dir, "..data")))
}

func (m *mount) path() string { return filepath.Join(m.dir, "gatekeeper.yaml") }

func files(edit ...string) map[string]string {
	return map[string]string{
		"gatekeeper.yaml": strings.NewReplacer(edit...).Replace(document), "key": "k1", "hook": "h1", "token": "t1",
	}
}

// following is a Watcher that runs, and what it did.
type following struct {
	*mount
	applied  []config.Config
	rejected []error
	fails    atomic.Bool
	metrics  *Metrics
	log      bytes.Buffer
	hangup   chan os.Signal
}

// follow runs a test beside a Watcher, in time that passes by itself.
func follow(t *testing.T, test func(t *testing.T, f *following)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &following{mount: newMount(t, files()), metrics: NewMetrics(), hangup: make(chan os.Signal, 1)}
		begin, err := config.Load(f.path())
		require.NoError(t, err)
		w := New(Options{
			Path: f.path(), Begin: begin, Metrics: f.metrics, Logger: slog.New(slog.NewTextHandler(&f.log, nil)),
			Apply: func(_ context.Context, next config.Config) error {
				if f.fails.Load() {
					return errors.New("GitHub does not know the key")
				}
				f.applied = append(f.applied, next)
				return nil
			},
			Rejected: func(_ context.Context, reason error) { f.rejected = append(f.rejected, reason) },
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			w.Run(ctx, f.hangup)
			close(ended)
		}()
		f.pass(5 * time.Second)
		require.Len(t, f.applied, 1, "what changed since it was loaded")
		require.NotContains(t, f.log.String(), "config_reloaded")
		f.applied = nil
		test(t, f)
		stop()
		<-ended
		for _, secret := range []string{"k1", "h1", "t1", "h2"} {
			require.NotContains(t, f.log.String(), secret)
		}
	})
}

func (f *following) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (f *following) successful() float64 {
	f.t.Helper()
	registry := prometheus.NewRegistry()
	require.NoError(f.t, registry.Register(f.metrics))
	all, err := registry.Gather()
	require.NoError(f.t, err)
	for _, family := range all {
		if family.GetName() == "gatekeeper_config_last_reload_successful" {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	require.Fail(f.t, "no such metric")
	return 0
}

func TestUnchanged(t *testing.T) {
	follow(t, func(t *testing.T, f *following) {
		f.swap(files())
		f.pass(time.Hour)
		require.Empty(t, f.applied)
		require.InDelta(t, 1, f.successful(), 0)
	})
}

func TestChanged(t *testing.T) {
	follow(t, func(t *testing.T, f *following) {
		f.swap(files("approvals: 1", "approvals: 2"))
		f.pass(5 * time.Second)
		require.Len(t, f.applied, 1)
		require.Equal(t, 2, f.applied[0].Policies[0].Config.Requirements[0].Approvals)
		require.Contains(t, f.log.String(), "config_reloaded")
		rotated := files("approvals: 1", "approvals: 2")
		rotated["hook"] = "h2"
		f.swap(rotated)
		f.pass(5 * time.Second)
		require.Len(t, f.applied, 2)
		require.Equal(t, "h2", string(f.applied[1].Secrets.WebhookSecrets[0].Reveal()))
		f.pass(time.Hour)
		require.Len(t, f.applied, 2)
	})
}

// TestHangup: it is looked at once, also when nothing differs.
func TestHangup(t *testing.T) {
	follow(t, func(t *testing.T, f *following) {
		f.hangup <- os.Interrupt
		f.pass(defaultSettle + time.Millisecond)
		require.Len(t, f.applied, 1)
	})
}

func TestRejected(t *testing.T) {
	follow(t, func(t *testing.T, f *following) {
		f.swap(files("approvals: 1", "approvals: none"))
		f.pass(time.Hour)
		require.Empty(t, f.applied)
		require.InDelta(t, 0, f.successful(), 0)
		require.Len(t, f.rejected, 1)
		require.Equal(t, 1, strings.Count(f.log.String(), "config_rejected"), "once, although it is tried again")
		require.ErrorContains(t, f.rejected[0], "gatekeeper.yaml:13: ")

		f.swap(files("approvals: 1", "approvals: 0"))
		f.pass(5 * time.Second)
		require.Len(t, f.rejected, 2, "another mistake is said")

		f.swap(files())
		f.pass(5 * time.Second)
		require.InDelta(t, 1, f.successful(), 0)
		require.Len(t, f.applied, 1, "the one before is back")
	})
}

// TestRefusedByApply: it is well-formed, and cannot be put in force.
func TestRefusedByApply(t *testing.T) {
	follow(t, func(t *testing.T, f *following) {
		f.fails.Store(true)
		f.swap(files("approvals: 1", "approvals: 2"))
		f.pass(5 * time.Second)
		require.Len(t, f.rejected, 1)
		require.InDelta(t, 0, f.successful(), 0)
		f.fails.Store(false)
		f.pass(defaultAgain + 5*time.Second)
		require.Len(t, f.applied, 1, "tried again")
		require.InDelta(t, 1, f.successful(), 0)
	})
}

// TestSecretComesLater: the file names a secret that is mounted a minute later.
func TestSecretComesLater(t *testing.T) {
	follow(t, func(t *testing.T, f *following) {
		f.swap(files("[hook]", "[hook, hook2]"))
		f.pass(time.Minute)
		require.Len(t, f.rejected, 1)
		require.ErrorContains(t, f.rejected[0], "github.webhookSecretFiles[1]")
		require.NoError(t, os.WriteFile(filepath.Join(f.dir, "hook2"), []byte("h2"), 0o600))
		f.pass(defaultAgain + 5*time.Second)
		require.Len(t, f.applied, 1)
		require.Len(t, f.applied[0].Secrets.WebhookSecrets, 2)
		require.NoError(t, os.WriteFile(filepath.Join(f.dir, "hook2"), []byte("h3"), 0o600))
		f.pass(5 * time.Second)
		require.Len(t, f.applied, 2, "it is followed from then on")
	})
}

// TestHalfWritten: a file that is being written is not taken over, although its beginning
// would be valid.
func TestHalfWritten(t *testing.T) {
	two := document + strings.SplitN(document, "gates:\n", 2)[1]
	two = strings.Replace(two, "- name: prod", "- name: first", 1)
	follow(t, func(t *testing.T, f *following) {
		for end := len(document); end <= len(two); end += 40 {
			f.version++
			require.NoError(t, os.WriteFile(filepath.Join(f.dir, "..data", "gatekeeper.yaml"), []byte(two[:end]), 0o600))
			f.pass(defaultSettle / 2)
		}
		require.NoError(t, os.WriteFile(filepath.Join(f.dir, "..data", "gatekeeper.yaml"), []byte(two), 0o600))
		f.pass(10 * time.Second)
		require.Empty(t, f.rejected)
		require.Len(t, f.applied, 1)
		require.Len(t, f.applied[0].Policies, 2)
	})
}
