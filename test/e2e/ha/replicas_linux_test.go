package ha

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"

	"github.com/argo-gatekeeper/gatekeeper/test/chart"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

// count is how many replicas there are, namespace and lease where they choose who works.
const (
	count     = 3
	namespace = "gatekeeper"
)

// restartAfter is when a process that ended is started again, as a kubelet does.
const restartAfter = 300 * time.Millisecond

// replica is one of them: its process ends and begins again.
type replica struct {
	name, config string
	http, hook   string // where it listens
	database     *line

	mu      sync.Mutex
	process *sandbox.Process
	// down keeps it from being started again.
	down bool
}

func (r *replica) running() *sandbox.Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.process
}

// team is a world with several replicas.
type team struct {
	*payments.World
	t        *testing.T
	ctx      context.Context //nolint:containedctx // the test's own
	database *postgrestest.Cluster
	lease    string
	leases   coordination.LeaseInterface
	replicas []*replica
	webhooks *balancer
	hooks    *balancer
	terms    *terms
	work     sync.WaitGroup
}

// database starts PostgreSQL and says how it is written into a configuration.
func database(t *testing.T, name string) (*postgrestest.Cluster, string) {
	t.Helper()
	cluster := postgrestest.Start(t)
	file := filepath.Join(t.TempDir(), "dsn")
	require.NoError(t, os.WriteFile(file, []byte(cluster.DSN(postgrestest.Superuser, "postgres")), 0o600))
	return cluster, "record:\n  postgres: {dsnFile: " + file + ", schema: " + name + "}\n"
}

// wordSetting is the line of a gate that says whether somebody has to say sync.
const wordSetting = "    sync: {onCommand: %t}\n"

// open makes the world, and the configurations of the replicas.
func open(ctx context.Context, t *testing.T, sb *sandbox.Sandbox, name string) *team {
	t.Helper()
	cluster, section := database(t, name)
	lease := "gk-" + name
	w, err := payments.Open(ctx, sb, payments.Options{
		Name: name, Enforce: true,
		Configuration: section + "replicas: {lease: " + lease + ", namespace: " + namespace + "}\n",
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	require.NoError(t, w.ConfigureGate(fmt.Sprintf(wordSetting, false)))
	grant(ctx, t, sb, lease)
	client, err := coordination.NewForConfig(sb.RESTConfig(sandbox.Admin))
	require.NoError(t, err)
	h := &team{World: w, t: t, ctx: ctx, database: cluster, lease: lease, leases: client.Leases(namespace)}
	h.terms = &terms{}
	h.configure(name)
	return h
}

// grant gives the replicas the rights on the Lease that the chart gives, and no others.
func grant(ctx context.Context, t *testing.T, sb *sandbox.Sandbox, lease string) {
	t.Helper()
	root := filepath.Join("..", "..", "..", "charts", "gatekeeper")
	rendered, err := chart.Render(chart.Options{
		Dir: root, ValuesFile: filepath.Join(root, "ci", "postgres-values.yaml"), Values: map[string]any{
			"replicas": count, "fullnameOverride": lease, "serviceAccount": map[string]any{"create": false, "name": "gatekeeper"},
		},
	})
	require.NoError(t, err)
	objects, err := rendered.Objects()
	require.NoError(t, err)
	given := 0
	for _, o := range objects {
		if o.GetName() != lease+"-lease" {
			continue
		}
		document, err := o.MarshalJSON()
		require.NoError(t, err)
		require.NoError(t, sb.Apply(ctx, sandbox.Admin, document))
		given++
	}
	require.Equal(t, 2, given, "a Role and its RoleBinding")
}

// configure writes a configuration for each replica: an address, a data directory and a
// line to the database of its own.
func (h *team) configure(name string) {
	h.t.Helper()
	text, err := os.ReadFile(h.Config)
	require.NoError(h.t, err)
	_, url := h.Admission()
	hooks := strings.TrimSuffix(strings.TrimPrefix(url, "https://"), "/admission")
	socket := filepath.Join(h.database.Folder(), ".s.PGSQL."+strconv.Itoa(h.database.Port))
	var https, ready, admissions []string
	for i := range count {
		r := &replica{name: fmt.Sprintf("gatekeeper-%s-%d", name, i), database: newLine(h.t, socket)}
		r.http, r.hook = h.address(), h.address()
		folder := h.t.TempDir()
		data, dsn := filepath.Join(folder, "data"), filepath.Join(folder, "dsn")
		require.NoError(h.t, os.Mkdir(data, 0o700))
		require.NoError(h.t, os.WriteFile(dsn, fmt.Appendf(nil, "host=127.0.0.1 port=%d user=%s dbname=postgres sslmode=disable", r.database.port(), postgrestest.Superuser), 0o600))
		// Beside the others, for the secrets are found from there.
		r.config = strings.TrimSuffix(h.Config, ".yaml") + "-" + strconv.Itoa(i) + ".yaml"
		lines := strings.Split(string(text), "\n")
		for n, one := range lines {
			switch {
			case strings.HasPrefix(one, "dataDirectory:"):
				lines[n] = "dataDirectory: " + data
			case one == "  listen: "+strconv.Quote(h.Address):
				lines[n] = "  listen: " + strconv.Quote(r.http)
			case one == "  listen: "+strconv.Quote(hooks):
				lines[n] = "  listen: " + strconv.Quote(r.hook)
			case strings.HasPrefix(one, "  postgres:"):
				lines[n] = "  postgres: {dsnFile: " + dsn + ", schema: " + name + ", timeout: 4s}"
			}
		}
		require.NoError(h.t, os.WriteFile(r.config, []byte(strings.Join(lines, "\n")), 0o600))
		h.replicas = append(h.replicas, r)
		https, admissions = append(https, r.http), append(admissions, r.hook)
		ready = append(ready, "http://"+r.http+"/readyz")
	}
	h.webhooks, h.hooks = balance(h.t, h.Address, https, ready), balance(h.t, hooks, admissions, ready)
}

func (h *team) address() string {
	h.t.Helper()
	port, err := h.Sandbox.FreePort(h.ctx)
	require.NoError(h.t, err)
	return "127.0.0.1:" + strconv.Itoa(port)
}

// begin starts all replicas, keeps them running until the test ends, and waits until one
// leads and the API server asks.
func (h *team) begin() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.ctx)
	for _, r := range h.replicas {
		h.start(r)
		h.work.Go(func() { h.keep(ctx, r) })
	}
	h.work.Go(func() { h.terms.watch(ctx, h) })
	h.t.Cleanup(func() {
		cancel()
		h.work.Wait()
		for _, r := range h.replicas {
			if h.t.Failed() {
				h.t.Logf("log of %s:\n%s", r.name, r.running().Logs())
			}
			r.running().Kill()
		}
	})
	h.leader()
	require.NoError(h.t, h.InForce(h.ctx))
}

func (h *team) start(r *replica) {
	h.t.Helper()
	p, err := h.Sandbox.StartGatekeeper(h.ctx, r.name, "serve", "--config", r.config)
	require.NoError(h.t, err)
	r.mu.Lock()
	r.process = p
	r.mu.Unlock()
}

// keep starts a replica again whenever it has ended.
func (h *team) keep(ctx context.Context, r *replica) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.running().Done():
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(restartAfter):
		}
		r.mu.Lock()
		down := r.down
		r.mu.Unlock()
		if down {
			continue
		}
		p, err := h.Sandbox.StartGatekeeper(ctx, r.name, "serve", "--config", r.config)
		if err != nil {
			if ctx.Err() == nil {
				h.t.Errorf("start %s again: %v", r.name, err)
			}
			return
		}
		r.mu.Lock()
		r.process = p
		r.mu.Unlock()
	}
}

// leader waits until a replica leads that runs, and returns it.
func (h *team) leader() *replica {
	h.t.Helper()
	var found *replica
	err := payments.Await(h.ctx, "a leader", func(ctx context.Context) (bool, string, error) {
		lease, err := h.leases.Get(ctx, h.lease, metav1.GetOptions{})
		if err != nil {
			return false, err.Error(), nil //nolint:nilerr // it is not there yet
		}
		holder := ""
		if lease.Spec.HolderIdentity != nil {
			holder = *lease.Spec.HolderIdentity
		}
		if holder == "" || lease.Spec.RenewTime == nil || time.Since(lease.Spec.RenewTime.Time) > leaseDuration {
			return false, "nobody leads", nil
		}
		for _, r := range h.replicas {
			if r.identity() == holder {
				found = r
				return true, "", nil
			}
		}
		return false, "it is held by " + holder + ", which has ended", nil
	})
	require.NoError(h.t, err)
	return found
}

// leaseDuration is that of the Lease.
const leaseDuration = 8 * time.Second

// event is a line of a replica's log.
type event struct {
	Time     time.Time `json:"time"`
	Msg      string    `json:"msg"`
	Identity string    `json:"identity"`
	Leader   string    `json:"leader"`
	Self     bool      `json:"self"`
	Error    string    `json:"error"`
}

// events are the lines of its log with a message, of all its processes.
func (r *replica) events(msg string) []event {
	file, err := os.Open(r.running().LogPath())
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	var out []event
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Msg == msg {
			out = append(out, e)
		}
	}
	return out
}

// identity is what its running process calls itself in the Lease.
func (r *replica) identity() string {
	select {
	case <-r.running().Done():
		return ""
	default:
	}
	all := r.events("campaigning")
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1].Identity
}

func (r *replica) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	require.NoError(t, syscall.Kill(r.running().PID(), s))
}

// term is one time of a leader, as the Lease tells it.
type term struct {
	holder            string
	acquired, renewed time.Time
}

// terms are all of them, in order.
type terms struct {
	mu  sync.Mutex
	all []term
}

// watch looks at the Lease until the context ends.
func (ts *terms) watch(ctx context.Context, h *team) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		lease, err := h.leases.Get(ctx, h.lease, metav1.GetOptions{})
		if err == nil && lease.Spec.HolderIdentity != nil && lease.Spec.RenewTime != nil && lease.Spec.AcquireTime != nil {
			ts.see(*lease.Spec.HolderIdentity, lease.Spec.AcquireTime.Time, lease.Spec.RenewTime.Time)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (ts *terms) see(holder string, acquired, renewed time.Time) {
	if holder == "" {
		return // given up: how long that took is in the next one's
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if n := len(ts.all); n > 0 && ts.all[n-1].holder == holder {
		ts.all[n-1].renewed = renewed
		return
	}
	ts.all = append(ts.all, term{holder, acquired, renewed})
}

// takeovers are the times between a leader's last renewal and the next one's beginning.
func (ts *terms) takeovers() []time.Duration {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	var out []time.Duration
	for i := 1; i < len(ts.all); i++ {
		out = append(out, ts.all[i].acquired.Sub(ts.all[i-1].renewed))
	}
	return out
}
