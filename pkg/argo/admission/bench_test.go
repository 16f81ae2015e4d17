package admission_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

// BenchmarkExamine is what the webhook does for one request before it asks the gate.
func BenchmarkExamine(b *testing.B) {
	settings := admission.Settings{Protected: []approval.Selector{{Project: "prod-*", Server: "https://*.example.com"}, {Project: "prod", Namespace: "shop*"}}}
	p := parser(b)
	for _, c := range []attack{
		{name: "sync", user: server, patch: sync32},
		{name: "spec", user: developer, patch: `{"spec": {"source": {"targetRevision": "release"}}}`},
		{name: "sources", base: "multi-3.2", before: `{"operation": null, "status": {"operationState": null}, "spec": {"destination": {"namespace": "shop"}}}`, patch: op(`{"revisions": ["` + commit + `", "` + commit + `"], "sources": ` + twoSources + `}`)},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := evaluator(b, settings)
			request := c.request(b)
			b.ReportAllocs()
			b.SetBytes(int64(len(request.Object.Raw) + len(request.OldObject.Raw)))
			for b.Loop() {
				examined, err := e.Examine(b.Context(), p, request)
				require.NoError(b, err)
				require.True(b, examined.Relevant)
			}
		})
	}
}
