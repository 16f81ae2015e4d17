package scenario

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// applicationSet: an approved commit of the Application that deploys an ApplicationSet
// approves the specs that the set generates. Nobody adopts them.
func applicationSet(t *testing.T, s *story) {
	s.run()
	apps, set := "argocd/"+s.Application("prod", "apps"), "argocd/"+s.Set()
	land := func(title, content string) string {
		pr, err := s.ProposeFile(payments.Alice, payments.AppsFolder+"/services.yaml", content, title)
		require.NoError(t, err)
		s.approve(payments.Bob, pr.Number)
		s.approve(payments.Carol, pr.Number)
		return s.merge(pr.Number, "squash")
	}
	generators := func(limit string) string { return fmt.Sprintf(`{"list":{"elements":[{"limit":%q}]}}`, limit) }
	manifest := func(generator string) string {
		return s.SetManifest(payments.Ledger, []string{"goTemplate: true", `goTemplateOptions: ["missingkey=error"]`, "generators: [" + generator + "]"},
			`parameters: [{name: transferLimit, value: "{{ .limit }}"}]`)
	}
	first := land("Generate ledger's Application", manifest(generators("3000")))
	s.finds(payments.Ledger, "spec.not_adopted", "never adopted")
	require.NoError(t, s.CreateApps(s.ctx))
	s.adopt(apps, "--reason", "it deploys the set")
	// The set takes over the Application that is there.
	s.finds(payments.Ledger, "spec.approved", "what an approved commit says: "+first[:7]+" of acme/env-overrides, which "+apps+" renders to the ApplicationSet "+set)
	s.runs(payments.Ledger, first, "3000", 2)

	second := land("Raise ledger's limit", manifest(generators("7000")))
	l, err := s.AwaitLive(s.ctx, "prod", payments.Ledger, second, "7000")
	require.NoError(t, err)
	s.finds(payments.Ledger, "spec.approved", "what an approved commit says: "+second[:7])

	// A developer edits the set, and the controller writes the Application.
	edit := func(limit string) {
		require.NoError(t, s.EditSet(s.ctx, `{"spec":{"generators":[`+generators(limit)+`]}}`))
	}
	edit("999999")
	s.finds(payments.Ledger, "spec.not_adopted", "the ApplicationSet "+set+" writes it, which comes from "+apps+", but is not what the set generates at "+second[:7],
		"or commit it to what "+apps+" is rendered from")
	edit("7000")
	s.finds(payments.Ledger, "spec.approved")
	require.Contains(t, s.explain("argocd/"+s.Application("prod", payments.Ledger), "--live"), "which "+apps+" renders to the ApplicationSet "+set, "nobody watched for this one")
	s.stays(payments.Ledger, second, "7000", len(l.History))

	// What a repository says, at a revision that nothing pins, is not followed.
	third := land("Take ledger's limit from a folder", manifest(`{"git":{"repoURL":"`+s.CloneURL+`","revision":"main","directories":[{"path":"envs/prod/ledger"}],"values":{"limit":"7000"}}}`))
	s.finds(payments.Ledger, "spec.not_adopted", "what that generates at "+third[:7]+" is not followed: spec.generators[0].git asks a repository, at a revision that nothing pins")
}
