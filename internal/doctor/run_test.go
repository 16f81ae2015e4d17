package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/installation"
)

func check(code string, severity Severity, run func(ctx context.Context, p *probe) (outcome, error)) Check {
	return Check{Code: code, Area: Kubernetes, Severity: severity, Title: "all is well", run: run}
}

func finding(context.Context, *probe) (outcome, error) {
	return outcome{findings: []note{{reason: "broken", fix: "mend it"}}}, nil
}

func states(r Report) map[string]State {
	out := map[string]State{}
	for _, x := range r.Results {
		out[x.Code] = x.State
	}
	return out
}

// No check hides another: one fails, one panics, one never ends and does not listen,
// one reads something shared that never comes.
func TestRunIsolates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		defer close(hang)
		checks := []Check{
			check("fails", Critical, func(context.Context, *probe) (outcome, error) { return outcome{}, errors.New("refused") }),
			check("panics", Warning, func(context.Context, *probe) (outcome, error) { panic("oh") }),
			check("hangs", Critical, func(context.Context, *probe) (outcome, error) { <-hang; return outcome{}, nil }),
			check("finds", Info, finding),
			check("is fine", Critical, func(context.Context, *probe) (outcome, error) { return outcome{}, nil }),
			check("is skipped", Critical, finding),
		}
		start := time.Now()
		var seen []int
		r := run(t.Context(), checks, Sources{}, Options{Timeout: time.Second, Skip: []string{"is skipped"}, Progress: func(done, all int) {
			require.Equal(t, 5, all)
			seen = append(seen, done)
		}})
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, []int{1, 2, 3, 4, 5}, seen)
		require.Equal(t, map[string]State{"fails": Unknown, "panics": Unknown, "hangs": Unknown, "finds": Finding, "is fine": OK}, states(r))
		require.Equal(t, Counts{OK: 1, Info: 1, Unknown: 3}, r.Counts)
		require.Equal(t, []string{"is skipped"}, r.Skipped)
		require.Equal(t, 2, r.Fails(Critical), "unknown counts for what is critical")
		require.Equal(t, 3, r.Fails(Info))
		require.Len(t, r.AtLeast(Warning).Results, 4)
	})
}

// What is shared is read once, and a check whose time is over does not spoil it.
func TestShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		s := share(t.Context(), time.Minute, func(ctx context.Context) (int, error) {
			reads++
			select {
			case <-time.After(2 * time.Second):
				return 7, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		})
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.get(impatient)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		got, err := s.get(t.Context())
		require.NoError(t, err)
		require.Equal(t, 7, got)
		require.Equal(t, 1, reads)
		broken := share(t.Context(), time.Second, func(context.Context) (int, error) { panic("oh") })
		_, err = broken.get(t.Context())
		require.ErrorContains(t, err, "oh")
	})
}

func TestUnknownSaysWhatIsNeeded(t *testing.T) {
	t.Parallel()
	forbidden := func(name string) error {
		return fmt.Errorf("read: %w", &installation.Forbidden{Verb: "list", Resource: installation.RBAC(name), Err: errors.New("no")})
	}
	n := fromError(errors.Join(forbidden("roles"), forbidden("clusterroles")))
	require.Equal(t, `- {apiGroups: ["rbac.authorization.k8s.io"], resources: [clusterroles], verbs: [list]}`+"\n"+
		`- {apiGroups: ["rbac.authorization.k8s.io"], resources: [roles], verbs: [list]}`, n.command)
	require.Contains(t, n.reason, "you may not list roles in all namespaces")
	require.Equal(t, "run it elsewhere", fromError(&Absent{What: "nothing here", Fix: "run it elsewhere"}).fix)
	require.Contains(t, fromError(context.DeadlineExceeded).fix, "--timeout")
}

// A doctor that was given nothing knows nothing, and says so for each check.
func TestNothingIsKnown(t *testing.T) {
	t.Parallel()
	r := Run(t.Context(), Sources{}, Options{Timeout: time.Second})
	for _, x := range r.Results {
		switch x.Code {
		case "enforcement.configured":
			require.Equal(t, Finding, x.State)
		case "enforcement.objects", "github.repositories", "github.protection", "github.bypass":
			// There is nothing to enforce, and no gate.
		default:
			require.Equal(t, Unknown, x.State, x.Code)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a word or two ", 20)
	r := Report{Skipped: []string{"github.bypass"}, Results: []Result{
		{Code: "argocd.version", Area: ArgoCD, Severity: Warning, State: OK, Reason: "Argo CD v3.2.11"},
		{Code: "argocd.rbac-live", Area: ArgoCD, Severity: Critical, State: Finding, About: "bob", Reason: long, Fix: "do this", Command: "kubectl " + strings.Repeat("x", 150)},
		{Code: "kubernetes.argocd", Area: Kubernetes, Severity: Critical, State: Unknown, Reason: "could not be checked", Fix: "give", Command: "- rule\n- rule"},
		{Code: "kubernetes.workloads", Area: Kubernetes, Severity: Warning, State: Unknown, Reason: "could not be checked", Fix: "give", Command: "- rule\n- rule"},
	}}
	for i := range 15 {
		r.Results = append(r.Results, Result{Code: "applications.digests", Area: Applications, Severity: Info, State: Finding, About: fmt.Sprintf("app-%02d", i), Reason: "by tag"})
	}
	r.count()
	for _, width := range []int{0, 20, 80, 120, 500} {
		table := r.Table(width)
		for line := range strings.Lines(table) {
			if !strings.Contains(line, "kubectl") {
				require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSpace(line)), max(80, min(width, 120))+20*btoi(width == 0), line)
			}
		}
		require.Contains(t, table, "kubectl "+strings.Repeat("x", 150)+"\n", "what is copied is never wrapped")
		require.Equal(t, 1, strings.Count(table, "could not be checked"), "what is the same is said once")
		require.Equal(t, 1, strings.Count(table, "applications.digests"))
		require.Contains(t, table, "app-09")
		require.NotContains(t, table, "app-10")
		require.Contains(t, table, "… and 5 more results; -o json lists them")
		require.Less(t, strings.Index(table, "argocd.rbac-live"), strings.Index(table, "argocd.version"), "what is wrong comes first")
		require.Contains(t, table, "1 critical, 0 warnings, 15 info, 2 unknown, 1 ok, 1 skipped (github.bypass)\n")
	}
	out, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(out), "app-14")
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Codes are stable and well formed, and everything is explained.
func TestChecks(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range Checks() {
		require.False(t, seen[c.Code], c.Code)
		seen[c.Code] = true
		require.Regexp(t, `^(enforcement|argocd|kubernetes|applications|github|gatekeeper)\.[a-z-]+$`, c.Code)
		require.LessOrEqual(t, len(c.Code), codeColumn)
		require.Contains(t, Areas(), c.Area)
		require.Contains(t, Severities(), c.Severity)
		require.NotEmpty(t, c.Title)
		require.Greater(t, len(c.Explain), 80, c.Code)
		for line := range strings.Lines(c.Text()) {
			require.LessOrEqual(t, utf8.RuneCountInString(line), 101, line)
		}
		found, ok := Find(c.Code)
		require.True(t, ok)
		require.Equal(t, c.Code, found.Code)
	}
	_, ok := Find("no.such")
	require.False(t, ok)
}

// The documentation lists every check as it is, and the rights that doctor needs. With
// GATEKEEPER_WRITE_DOCS=1 the test writes it anew.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "doctor.md")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	text := string(data)
	for name, want := range map[string]string{"checks": Reference(), "rights": "```yaml\n" + ClusterRole() + "```\n"} {
		begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
		before, rest, ok := strings.Cut(text, begin)
		require.True(t, ok, begin)
		have, after, ok := strings.Cut(rest, end)
		require.True(t, ok, end)
		if os.Getenv("GATEKEEPER_WRITE_DOCS") == "1" {
			text = before + begin + want + end + after
			continue
		}
		require.Equal(t, want, have, "GATEKEEPER_WRITE_DOCS=1 go test ./internal/doctor writes it anew")
	}
	if text != string(data) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
}
