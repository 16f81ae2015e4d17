package scenario

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// approved lands a pull request that the quorum has approved.
func (s *story) approved(service, limit string) string {
	s.t.Helper()
	pr := s.propose(payments.Alice, service, limit)
	s.approve(payments.Bob, pr.Number)
	s.approve(payments.Carol, pr.Number)
	return s.merge(pr.Number, "merge")
}

// finds waits until the newest decision on a service has a finding with the code and
// every text.
func (s *story) finds(service, code string, texts ...string) payments.Finding {
	s.t.Helper()
	var found payments.Finding
	err := payments.Await(s.ctx, fmt.Sprintf("the decision on %s to have %s with %q", service, code, texts), func(ctx context.Context) (bool, string, error) {
		d, err := s.Decision(ctx, service)
		if err != nil {
			return false, "", err
		}
		for _, f := range d.Findings {
			if f.Code != code {
				continue
			}
			found = f
			missing := false
			for _, text := range texts {
				missing = missing || !strings.Contains(f.Text+"\n"+f.Remedy, text)
			}
			return !missing, f.Text + "\n" + f.Remedy, nil
		}
		return false, fmt.Sprintf("%+v", d), nil
	})
	require.NoError(s.t, err)
	return found
}

func (s *story) edit(service, patch string) {
	s.t.Helper()
	require.NoError(s.t, s.Edit(s.ctx, service, patch))
}

func (s *story) adopt(args ...string) string {
	s.t.Helper()
	out, err := s.Adopt(s.ctx, args...)
	require.NoError(s.t, err)
	s.t.Logf("gatekeeper adopt %s\n%s", strings.Join(args, " "), out)
	return out
}

// specs: nothing is synced before somebody adopts the Application's spec, and after
// somebody edits it.
func specs(t *testing.T, s *story) {
	s.run()
	name := "argocd/" + s.Application("prod", payments.Ledger)
	first := s.approved(payments.Ledger, "2000")
	s.finds(payments.Ledger, "spec.not_adopted", "never adopted", "gatekeeper adopt "+name+" --by NAME --reason TEXT")
	s.untouched(payments.Ledger)

	// A dry run adopts nothing, and the running process adopts and decides at once.
	out := s.adopt("--all", "--reason", "first", "--dry-run")
	require.Contains(t, out, name+"  (gate prod)")
	require.Contains(t, out, "source.path")
	require.Contains(t, out, "charts/service")
	require.Contains(t, out, "1 would be adopted; nothing was recorded")
	s.untouched(payments.Ledger)
	require.Contains(t, s.adopt("--all", "--reason", "begin with the gate"), "1 adopted\n")
	s.runs(payments.Ledger, first, "2000", 2)
	require.Contains(t, s.adopt("--all", "--reason", "again"), "0 adopted, 1 adopted already")

	// Edits of a developer: each is named, with who made it, and clears when it is
	// taken back.
	second := s.approvedWhile(payments.Ledger, `{"spec":{"source":{"helm":{"parameters":[{"name":"transferLimit","value":"999999"}]}}}}`)
	s.finds(payments.Ledger, "spec.changed", "source.helm.parameters[transferLimit] (is new)", "kubectl-edit wrote to it last",
		"alice on ", "(begin with the gate)", "change it back, or approve it as it is: gatekeeper adopt "+name)
	for _, edit := range []struct{ patch, back, text string }{
		{`{"spec":{"source":{"targetRevision":"hotfix"}}}`, `{"spec":{"source":{"targetRevision":"main"}}}`, "source.targetRevision (was main, is hotfix)"},
		{`{"spec":{"destination":{"namespace":"default"}}}`, `{"spec":{"destination":{"namespace":"` + s.Namespace("prod") + `"}}}`,
			"destination.namespace (was " + s.Namespace("prod") + ", is default)"},
	} {
		s.edit(payments.Ledger, edit.patch)
		s.finds(payments.Ledger, "spec.changed", edit.text)
		s.edit(payments.Ledger, edit.back)
	}
	out = s.adopt("--all", "--reason", "whatever it is")
	require.Contains(t, out, name+"  (left: name it, or give --changed)")
	require.Contains(t, out, "source.helm.parameters[transferLimit] (is new)")
	require.Contains(t, out, "0 adopted, 1 left")
	s.stays(payments.Ledger, first, "2000", 2)
	s.edit(payments.Ledger, `{"spec":{"source":{"helm":{"parameters":null}}}}`)
	s.runs(payments.Ledger, second, "3000", 3)

	// Deleted and made again: the name is the same, and nothing is left of the adoption.
	require.NoError(t, s.Recreate(s.ctx, payments.Ledger))
	s.finds(payments.Ledger, "spec.not_adopted", "another Application of this name was adopted by alice on ", "and has been deleted")
	require.Contains(t, s.adopt("--all", "--reason", "whatever it is"), "made again since alice adopted one of that name")
	s.finds(payments.Ledger, "spec.not_adopted")
	s.adopt(name, "--reason", "made again after CHG-7")
	s.finds(payments.Ledger, "spec.approved", "alice on ", "(made again after CHG-7)")
}

// approvedWhile edits a service's Application, and then has a change approved.
func (s *story) approvedWhile(service, patch string) string {
	s.t.Helper()
	s.edit(service, patch)
	s.finds(service, "spec.changed")
	return s.approved(service, "3000")
}

// appOfApps: an approved commit of the Application that writes the others approves
// their specs. Nobody adopts them.
func appOfApps(t *testing.T, s *story) {
	s.run()
	apps := "argocd/" + s.Application("prod", "apps")
	manifest := payments.AppsFolder + "/ledger.yaml"
	s.finds(payments.Ledger, "spec.not_adopted")
	land := func(title string, helm ...string) string {
		pr, err := s.ProposeFile(payments.Alice, manifest, s.Manifest(payments.Ledger, helm...), title)
		require.NoError(t, err)
		s.approve(payments.Bob, pr.Number)
		s.approve(payments.Carol, pr.Number)
		return s.merge(pr.Number, "squash")
	}
	first := land("Write ledger's Application down")
	s.finds(payments.Ledger, "spec.not_adopted", "never adopted")
	require.NoError(t, s.CreateApps(s.ctx))
	s.finds("apps", "spec.not_adopted")
	s.adopt(apps, "--reason", "it writes the others")
	s.finds(payments.Ledger, "spec.approved", "what an approved commit says: "+first[:7]+" of acme/env-overrides, which "+apps+" renders")
	s.runs(payments.Ledger, first, payments.FirstLimit, 2)

	// A commit gives it a parameter.
	second := land("Raise ledger's limit by a parameter", `parameters: [{name: transferLimit, value: "7000"}]`)
	// Once or twice: it may first be synced to the commit as it was before.
	l, err := s.AwaitLive(s.ctx, "prod", payments.Ledger, second, "7000")
	require.NoError(t, err)
	s.finds(payments.Ledger, "spec.approved", "what an approved commit says: "+second[:7])

	// A developer gives it another one.
	s.edit(payments.Ledger, `{"spec":{"source":{"helm":{"parameters":[{"name":"transferLimit","value":"999999"}]}}}}`)
	s.finds(payments.Ledger, "spec.not_adopted", "it carries the mark of "+apps+", but is not what that renders at "+second[:7], "kubectl-edit wrote to it last",
		"or commit it to what "+apps+" is rendered from")
	s.edit(payments.Ledger, `{"spec":{"source":{"helm":{"parameters":[{"name":"transferLimit","value":"7000"}]}}}}`)
	s.finds(payments.Ledger, "spec.approved")
	s.stays(payments.Ledger, second, "7000", len(l.History))

	entries, err := s.Record(s.ctx)
	require.NoError(t, err)
	acts := 0
	for _, e := range entries {
		if e.Kind == "act" {
			acts++
		}
	}
	require.Equal(t, 1, acts, "that of the Application that writes the others")
}
