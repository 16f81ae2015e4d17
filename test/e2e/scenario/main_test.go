// Package scenario holds the end-to-end tests: the real gatekeeper binary beside
// the real Argo CD, with people who act on the GitHub stand-in. They assert on
// the cluster, never on Gatekeeper's own word alone.
package scenario

import (
	"cmp"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// TestScenarios plays every scenario on each version of Argo CD.
func TestScenarios(t *testing.T) {
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("needs a whole cluster: set GATEKEEPER_E2E=1 or run make e2e")
	}
	for _, version := range []sandbox.Version{sandbox.V3, sandbox.V2} {
		t.Run("argocd-"+string(version), func(t *testing.T) {
			sb, err := sandbox.Start(t.Context(), sandbox.Options{
				ArgoCD: version, ApplicationSet: true, Progress: os.Stderr, ApplicationNamespaces: []string{teamNamespaces},
			})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, sb.Close()) })
			// The first build takes minutes on a cold cache; no story's time limit is
			// to pay for it.
			built, err := sb.StartGatekeeper(t.Context(), "gatekeeper-version", "version")
			require.NoError(t, err)
			<-built.Done()
			require.NoError(t, built.Err())
			t.Run("play", func(t *testing.T) {
				stage := newStage(storiesAtOnce)
				for _, s := range scenarios() {
					t.Run(s.name, func(t *testing.T) {
						if !s.alone {
							defer stage.enter(t)()
						}
						s.play(t, begin(t, sb, s))
					})
				}
			})
			if t.Failed() {
				sb.DumpLogs(os.Stderr)
			}
		})
	}
}

// scenario is one story.
type scenario struct {
	// alone stories look at the whole cluster, so they are played before the others begin.
	alone    bool
	name     string
	services []string
	stage    bool
	images   *payments.Images
	// unadopted leaves the specs to be adopted by the story.
	unadopted bool
	// namespace is that of the Applications; Argo CD's own by default.
	namespace string
	// enforce has the API server ask gatekeeper, reverts lets it open pull requests.
	enforce, reverts bool
	// limit is for stories that wait for minutes; storyLimit by default.
	limit time.Duration
	play  func(t *testing.T, s *story)
}

func scenarios() []scenario {
	one := []string{payments.Ledger}
	return []scenario{
		// Those that wait for the clock begin first.
		{name: "windows", services: one, play: windows},
		{name: "held", services: one, play: held},
		{name: "image bump", services: one, stage: true, images: &payments.Images{Soak: soakTime, RequireDigest: true}, play: imageBump},
		{name: "measured", services: one, limit: 2 * storyLimit, play: recovers},
		{name: "bad day at GitHub", services: one, play: badDay},
		{name: "auto-sync", services: one, enforce: true, play: autoSync},
		{name: "a person syncs", services: []string{payments.Ledger, payments.Payments}, enforce: true, play: personSyncs},
		{name: "quorum", play: quorum},
		{name: "uncounted approvals", services: one, play: uncounted},
		{name: "direct push", services: one, play: directPush},
		{name: "two pull requests", services: []string{payments.Payments}, play: twoPulls},
		{name: "killed between intent and sync", services: one, play: killedBeforeSync},
		{name: "killed between sync and outcome", services: []string{payments.Payments}, play: killedBeforeOutcome},
		{name: "webhook while down", services: one, play: webhookSurvives},
		{name: "GitHub fails", services: one, play: githubFails},
		{name: "unprotected", services: one, stage: true, play: unprotected},
		{name: "merge queue", services: one, play: mergeQueued},
		{name: "explained", services: one, play: explained},
		{name: "read by programs", services: one, play: readByPrograms},
		{name: "out of scope", services: []string{payments.Notifier}, play: outOfScope},
		{name: "examined", services: []string{payments.Notifier}, alone: true, play: examined},
		{name: "spec", services: one, unadopted: true, play: specs},
		{name: "apps", services: one, unadopted: true, play: appOfApps},
		{name: "set", services: one, unadopted: true, play: applicationSet},
		{name: "diff", services: one, play: diffs(payments.Ledger)},
		{name: "diff of two sources", services: []string{payments.Payments}, play: diffs(payments.Payments)},
		{name: "previews", services: one, play: previews(payments.Ledger)},
		{name: "previews of two sources", services: []string{payments.Payments}, play: previews(payments.Payments)},
		{name: "previews while the repo-server hangs", services: one, alone: true, play: previewsLate},
		{name: "by comments", services: one, play: byComments},
		{name: "on command", services: one, enforce: true, play: onCommand},
		{name: "promoted by comment", services: one, stage: true, reverts: true, play: promotedByComment},
		{name: "break glass", services: one, play: brokenGlass},
		{name: "image refused", services: one, images: &payments.Images{}, play: imageRefused},
		{name: "image moved", services: one, images: &payments.Images{}, play: imageMoved},
		{name: "a person is refused", services: []string{payments.Ledger, payments.Payments}, enforce: true, play: personRefused},
		{name: "another namespace", services: one, namespace: "team-a", unadopted: true, enforce: true, play: anotherNamespace},
		{name: "as it was enrolled", services: one, enforce: true, play: enrolledAgain},
		{name: "back in Argo CD", services: one, enforce: true, play: backInArgoCD},
		{name: "always works", services: one, enforce: true, play: alwaysWorks},
		{name: "stopped", services: one, enforce: true, play: stopped},
		{name: "shown on GitHub", services: one, enforce: true, play: shownOnGitHub},
		{name: "traced", services: one, enforce: true, play: traced},
		{name: "verifiable", services: one, play: verifiable},
		{name: "asks for reviews", services: one, play: asksForReviews},
		{name: "open checks", services: one, play: openChecks},
		{name: "configured anew", services: one, enforce: true, play: configured},
		{name: "rolled back", services: one, enforce: true, reverts: true, play: rolledBack},
		{name: "found afterwards", services: one, reverts: true, play: foundAfterwards},
	}
}

// storiesAtOnce is how many stories are played at a time: they wait much longer than
// they work.
const storiesAtOnce = 4

// storyLimit ends a story that hangs.
const storyLimit = 6 * time.Minute

// story is a world with a test around it.
type story struct {
	*payments.World
	t   *testing.T
	ctx context.Context //nolint:containedctx // the test's own
}

func begin(t *testing.T, sb *sandbox.Sandbox, s scenario) *story {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(s.limit, storyLimit))
	t.Cleanup(cancel)
	w, err := payments.Open(ctx, sb, payments.Options{
		Name: strings.ReplaceAll(strings.ToLower(s.name), " ", "-"), Services: s.services, Stage: s.stage, Images: s.images, Unadopted: s.unadopted,
		Namespace: s.namespace, Enforce: s.enforce, Reverts: s.reverts,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return &story{World: w, t: t, ctx: ctx}
}

// run starts gatekeeper and stops it with the test; a story that kills it does
// so through the process.
func (s *story) run() *sandbox.Process {
	s.t.Helper()
	p, err := s.StartGatekeeper(s.ctx)
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("log of gatekeeper:\n%s", p.Logs())
		}
		p.Kill()
	})
	return p
}
