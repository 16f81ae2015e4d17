package scenario

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// checkText is the text of the gate's newest check run on a commit.
func (s *story) checkText(sha string) string {
	s.t.Helper()
	runs, err := s.GitHub.CheckRuns(payments.Repository, sha)
	require.NoError(s.t, err)
	text := ""
	for _, r := range runs {
		if r.Name == "gatekeeper/prod" {
			text = r.Text
		}
	}
	return text
}

// previews: what a pull request changes, and what a sync ships, is told on it, with
// secrets masked and errors scrubbed. Nothing of it keeps anybody from approving.
func previews(service string) func(t *testing.T, s *story) {
	return func(t *testing.T, s *story) {
		s.run()
		first := s.change(service, "2000", "welcome", "correct-horse-1")
		comment := s.says(first.Number, "**What this pull request changes**", "1 resource changed, 2 added", "<code>ConfigMap "+service+"-settings</code> added",
			"+  banner: welcome", "password: <masked 1>", `-          value: "1000"`+"\n"+`+          value: "2000"`)
		require.NotContains(t, comment, "correct-horse")
		require.NotContains(t, comment, "What a sync ships")
		require.Contains(t, s.checkText(first.Head), "+  banner: welcome")
		s.asks(payments.Bob, first.Number, true, "/gk diff", "+  banner: welcome", "password: <masked 1>")
		landed := s.land(first)
		s.runs(service, landed, "2000", 2)

		// Two land. Each is told that a sync ships both.
		neighbour, err := s.ProposeFile(payments.Mallory, "charts/service/README.md", "The chart.\n", "Write a README")
		require.NoError(t, err)
		s.says(neighbour.Number, "nothing is rendered differently")
		s.merge(neighbour.Number, "merge")
		second := s.change(service, "2000", "goodbye", "correct-horse-2")
		newest := s.land(second)
		both := fmt.Sprintf("ships #%d ⛔, #%d ✅", neighbour.Number, second.Number)
		for _, n := range []int{neighbour.Number, second.Number} {
			comment = s.says(n, "**What a sync ships**", "`"+landed[:7]+"` → `"+newest[:7]+"`, which the gate does not allow yet", both, "-  banner: welcome\n+  banner: goodbye",
				"Argo CD masks the values of 1 Secret itself")
			require.NotContains(t, comment, "correct-horse")
		}

		// A chart that cannot be rendered says where. People approve all the same.
		broken, err := s.ProposeFile(payments.Alice, "charts/service/templates/broken.yaml", `{{ fail (printf "no limit for password=%s" .Values.password) }}`, "Break it")
		require.NoError(t, err)
		comment = s.says(broken.Number, "not available now: Argo CD could not render it: execution error at templates/broken.yaml:1:3: no limit for …", "0 of 2")
		require.NotContains(t, comment, "correct-horse")
		s.approve(payments.Bob, broken.Number)
		s.says(broken.Number, "1 of 2")

		// What somebody pushed to a fork is not rendered.
		_, err = s.GitHub.As(payments.Mallory).Fork(payments.Repository)
		require.NoError(t, err)
		foreign, err := s.GitHub.As(payments.Mallory).OpenPull(payments.Repository, standin.PullOptions{
			HeadRepo: payments.Mallory + "/env-overrides", Title: "From afar",
			Change: standin.Change{Files: map[string]string{payments.ValuesFile("prod", service): payments.Values("prod", service, "9000")}},
		})
		require.NoError(t, err)
		comment = s.says(foreign.Number, "its head is in a fork, and only what is in the repository itself is rendered")
		require.NotContains(t, comment, "9000")

		s.approve(payments.Dave, neighbour.Number)
		s.approve(payments.Erin, neighbour.Number)
		s.runs(service, newest, "2000", 3)
	}
}

// previewsLate: the repo-server hangs. What is decided, and what is asked of Argo CD, does
// not wait for it; what is rendered is told when it is back.
func previewsLate(t *testing.T, s *story) {
	s.run()
	server := s.process(sandbox.ArgoRepoServer)
	require.NoError(t, syscall.Kill(server.PID(), syscall.SIGSTOP))
	resumed := false
	resume := func() {
		if !resumed {
			resumed = true
			require.NoError(t, syscall.Kill(server.PID(), syscall.SIGCONT))
		}
	}
	t.Cleanup(resume)
	pull := s.change(payments.Ledger, "2000", "welcome", "correct-horse-1")
	for i, person := range []string{payments.Bob, payments.Carol} {
		require.NotContains(t, s.says(pull.Number, fmt.Sprintf("%d of 2", i)), "banner: welcome")
		s.approve(person, pull.Number)
	}
	require.NotContains(t, s.says(pull.Number, "2 of 2"), "banner: welcome")
	landed := s.merge(pull.Number, "squash")
	// All of this happens while the repo-server does not answer: it is stopped until the
	// sync was asked for.
	intents := s.recorded(payments.Ledger, "intent", 1)
	require.Equal(t, landed, decode[intentPayload](s, intents[0]).Candidate.Revisions[0].SHA)
	require.False(t, resumed)
	resume()
	s.runs(payments.Ledger, landed, "2000", 2)
	s.says(pull.Number, "banner: welcome", "synced to "+landed[:7])
}

// process is a running component of the sandbox.
func (s *story) process(id sandbox.Identity) *sandbox.Process {
	s.t.Helper()
	for _, p := range s.Sandbox.Processes() {
		if strings.Contains(p.Name(), string(id)) {
			return p
		}
	}
	require.FailNow(s.t, "there is no process of "+string(id))
	return nil
}
