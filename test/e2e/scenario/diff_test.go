package scenario

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// settings are values with a ConfigMap and a Secret.
func settings(service, limit, banner, password string) string {
	return payments.Values("prod", service, limit) + "settings:\n  banner: " + banner + "\n  colour: blue\npassword: " + password + "\n"
}

// change opens a pull request that gives a service settings.
func (s *story) change(service, limit, banner, password string) payments.Pull {
	s.t.Helper()
	pull, err := s.ProposeFile(payments.Alice, payments.ValuesFile("prod", service), settings(service, limit, banner, password), "Say "+banner)
	require.NoError(s.t, err)
	return pull
}

// land has the quorum approve a pull request and merges it.
func (s *story) land(pull payments.Pull) string {
	s.t.Helper()
	s.approve(payments.Bob, pull.Number)
	s.approve(payments.Carol, pull.Number)
	return s.merge(pull.Number, "squash")
}

// diff runs gatekeeper diff and gives what it prints.
func (s *story) diff(service string, args ...string) string {
	s.t.Helper()
	out, err := s.Gatekeeper(s.ctx, append([]string{"diff", "argocd/" + s.Application("prod", service), "--config", s.Config}, args...)...)
	require.NoError(s.t, err)
	s.t.Logf("gatekeeper diff %s %s\n%s", service, strings.Join(args, " "), out)
	return out
}

// diffs: somebody looks at what pull requests change and at what a sync would ship, on
// the command line.
func diffs(service string) func(t *testing.T, s *story) {
	return func(t *testing.T, s *story) {
		s.run()
		first := s.change(service, "2000", "welcome", "correct-horse-1")
		application := "argocd/" + s.Application("prod", service)
		out := s.diff(service, "--pr", strconv.Itoa(first.Number))
		require.Contains(t, out, application+": what the pull request changes\n  from "+s.head("main")[:7]+" to "+first.Head[:7]+" of "+payments.Repository+"\n  1 resource changed, 2 added\n")
		require.Contains(t, out, "~ Deployment.apps "+service+"\n")
		require.Contains(t, out, `-          value: "1000"`+"\n"+`+          value: "2000"`)
		require.Contains(t, out, "+ ConfigMap "+service+"-settings\n")
		require.Contains(t, out, "+  banner: welcome\n")
		require.Contains(t, out, "+ Secret "+service+"\n")
		require.Contains(t, out, "password: <masked 1>")
		require.NotContains(t, out, "correct-horse")

		landed := s.land(first)
		s.runs(service, landed, "2000", 2)
		require.Contains(t, s.diff(service), "nothing to sync, what is live is the newest\n")

		// Two land, and one of them has its approvals: the neighbour is named.
		second := s.change(service, "2000", "goodbye", "correct-horse-2")
		third, err := s.ProposeFile(payments.Mallory, "charts/service/README.md", "The chart.\n", "Write a README")
		require.NoError(t, err)
		s.merge(third.Number, "merge")
		newest := s.land(second)
		s.shows(service, &out, "what a sync of everything that has landed would ship, which the gate does not allow yet\n  from "+landed[:7]+" to "+newest[:7])
		require.Contains(t, out, "✗ #"+strconv.Itoa(third.Number)+" (")
		require.Contains(t, out, "✓ #"+strconv.Itoa(second.Number)+" ("+newest[:7]+")\n")
		require.Contains(t, out, "-  banner: welcome\n+  banner: goodbye\n   colour: blue\n")
		require.Contains(t, out, "1 resource changed\n")
		require.Contains(t, out, "Argo CD masks the values of 1 of the Secrets itself")
		require.NotContains(t, out, "correct-horse")

		var p struct {
			Allowed bool
			Diff    struct {
				Changed   int
				Resources []struct{ Kind, Name, Change, Lines string }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(s.diff(service, "--from", landed, "--to", newest, "-o", "json")), &p))
		require.Equal(t, 1, p.Diff.Changed)
		require.Equal(t, "ConfigMap", p.Diff.Resources[0].Kind)
		require.False(t, p.Allowed)

		// Argo CD does not mask what a kind of somebody's own calls a secret.
		vault, err := s.ProposeFile(payments.Alice, payments.ValuesFile("prod", service),
			settings(service, "2000", "goodbye", "x")+"vaultToken: correct-horse-3\n", "Use the vault")
		require.NoError(t, err)
		out = s.diff(service, "--pr", strconv.Itoa(vault.Number))
		require.Contains(t, out, "token: <masked 1>")
		require.NotContains(t, out, "Y29ycmVjdC1ob3JzZS0z")

		// A chart that cannot be rendered says where, and not with what.
		broken, err := s.ProposeFile(payments.Alice, "charts/service/templates/broken.yaml",
			`{{ fail (printf "no limit for password=%s" .Values.password) }}`, "Break it")
		require.NoError(t, err)
		out, err = s.Gatekeeper(s.ctx, "diff", application, "--config", s.Config, "--pr", strconv.Itoa(broken.Number))
		require.Error(t, err)
		t.Log(out)
		require.Contains(t, out, "Argo CD could not render it: execution error at templates/broken.yaml:1:3: no limit for …")
		require.NotContains(t, out, "correct-horse")

		s.approve(payments.Dave, third.Number)
		s.approve(payments.Erin, third.Number)
		s.runs(service, newest, "2000", 3)
	}
}

// shows waits until gatekeeper diff says something: it goes by the newest recorded decision.
func (s *story) shows(service string, out *string, text string) {
	s.t.Helper()
	err := payments.Await(s.ctx, "gatekeeper diff to say "+text, func(context.Context) (bool, string, error) {
		*out = s.diff(service)
		return strings.Contains(*out, text), *out, nil
	})
	require.NoError(s.t, err)
}

// head is the newest commit of a branch.
func (s *story) head(branch string) string {
	s.t.Helper()
	sha, err := s.GitHub.Branch(payments.Repository, branch)
	require.NoError(s.t, err)
	return sha
}
