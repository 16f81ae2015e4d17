package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// TestRenderedFromOutsideTheGate: a fully approved change makes production read a folder
// that the gate does not cover. It is not synced, and everybody is told why; once a later
// change takes it back, that one is.
func TestRenderedFromOutsideTheGate(t *testing.T) {
	t.Parallel()
	w := newTown(t, time.Hour)
	land := func(kustomization string) string {
		p, err := w.As("alice").OpenPull(townRepo, standin.PullOptions{
			Change: standin.Change{Files: map[string]string{"prod/kustomization.yaml": kustomization}, Message: "Use kustomize"},
		})
		require.NoError(t, err)
		_, err = w.As("carol").Review(townRepo, p.Number, "APPROVE", "")
		require.NoError(t, err)
		sha, err := w.As("bob").Merge(townRepo, p.Number, "squash")
		require.NoError(t, err)
		return sha
	}
	land("resources: [../base, https://example.com/crds.yaml]\n")
	d := w.decided("it to be blocked", func(d approval.Decision) bool {
		return d.Verdict == approval.Blocked && strings.Contains(why(d), "rendered from base of "+townRepo)
	})
	i := indexOf(d.Findings, approval.CodeSourceScope)
	require.Equal(t, "prod/kustomization.yaml refers to https://example.com/crds.yaml, which may be fetched from elsewhere",
		d.Findings[i].Children[0].Text)
	require.Empty(t, w.cluster.syncs())

	require.Equal(t, []string{"carol"}, w.deployed(land("resources: [values.yaml]\n")))
}

func indexOf(findings []approval.Finding, code approval.Code) int {
	for i, f := range findings {
		if f.Code == code {
			return i
		}
	}
	return -1
}

// why is all that the findings say.
func why(d approval.Decision) string {
	var texts []string
	for _, f := range d.Findings {
		texts = append(texts, f.Text)
	}
	return strings.Join(texts, "\n")
}
