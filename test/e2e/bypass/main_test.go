// Package bypass plays every known way around a review gate on the real Argo CD:
// the rows of the bypass catalogue, one Attack or more for each, with what an
// attacker has (the argocd command line, Argo CD's API, and writes to Kubernetes
// with the rights of a developer or of Argo CD's own components). README.md has the
// table of rows and results.
//
//	victims that run the approved commit
//	 ─► gatekeeper enforces, in the gated mode
//	 ─► main moves on
//	 ─► attacks side by side, each on its own victim
//	 ─► is what nobody approved in the cluster?
//
// In the gated mode the content must not arrive and the refusal must be the expected
// line. In the open mode nothing is enforced and every attack must work: that proves
// that the attack is real and that its test can fail.
package bypass

import (
	"context"
	"flag"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// sideBySide is how many attacks are played at the same time. They wait for Argo CD
// most of the time, not for a processor.
const sideBySide = 8

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", strconv.Itoa(sideBySide)); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// mode is a way to play all attacks.
type mode string

const (
	// open has nothing enforced.
	open mode = "open"
	// gated has the real gatekeeper enforce its gates.
	gated mode = "gated"
)

// modes are those to play. What an attack does while nothing is enforced changes only
// with the attack or with Argo CD, and takes longer.
func modes() []mode {
	if os.Getenv("GATEKEEPER_BYPASS_OPEN") == "1" {
		return []mode{gated, open}
	}
	return []mode{gated}
}

// attackLimit ends an attack that hangs.
const attackLimit = 6 * time.Minute

// TestBypass plays every attack on each version of Argo CD.
func TestBypass(t *testing.T) {
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("needs a whole cluster: set GATEKEEPER_E2E=1 or run make e2e")
	}
	for _, m := range modes() {
		for _, version := range both {
			t.Run(string(m)+"/argocd-"+string(version), func(t *testing.T) { playAll(t, m, version) })
		}
	}
}

// selected are the attacks whose row and name match GATEKEEPER_BYPASS, a regular
// expression; all of them when it is not set. With fewer victims the world is made
// sooner.
func selected(t *testing.T) []Attack {
	t.Helper()
	want, err := regexp.Compile(os.Getenv("GATEKEEPER_BYPASS"))
	require.NoError(t, err)
	return slices.DeleteFunc(attacks(), func(a Attack) bool { return !want.MatchString(a.Row + " " + a.Name) })
}

func playAll(t *testing.T, m mode, version sandbox.Version) {
	sb, err := sandbox.Start(t.Context(), sandbox.Options{
		ArgoCD: version, ApplicationSet: true, Progress: os.Stderr,
		// Nothing is compared unless somebody asks: that keeps many Applications cheap.
		AppResync: time.Hour,
		// Teams may have Applications in their own namespaces.
		ApplicationNamespaces: []string{"by-*" + teamSuffix},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sb.Close()) })
	begin := time.Now()
	w, err := newWorld(t.Context(), sb, m, selected(t))
	if err != nil {
		sb.DumpLogs(os.Stderr)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	t.Logf("the world is ready after %s", time.Since(begin).Round(time.Millisecond))
	begin = time.Now()
	t.Run("attack", func(t *testing.T) {
		for _, v := range w.victims {
			t.Run(v.attack.Row+" "+v.attack.Name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), attackLimit)
				defer cancel()
				want := v.attack.expects(version, m == gated)
				got, err := v.play(ctx, want)
				t.Logf("live: %s; refusal: %s", got.saw, got.refusal)
				require.NoError(t, err)
				require.NoError(t, v.attack.judge(want, got))
				if want.lands && v.attack.After != nil {
					require.NoError(t, v.attack.After(ctx, v))
				}
			})
		}
	})
	t.Logf("the attacks took %s", time.Since(begin).Round(time.Millisecond))
	if m == gated {
		begin = time.Now()
		playGated(t, w)
		t.Logf("the rest took %s", time.Since(begin).Round(time.Millisecond))
	}
	if t.Failed() {
		sb.DumpLogs(os.Stderr)
	}
}
