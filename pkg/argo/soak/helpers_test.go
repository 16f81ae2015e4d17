package soak_test

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/soak"
)

var (
	rules = soak.Rules{Fresh: 10 * time.Minute, Retain: 24 * time.Hour}
	start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
)

func at(minutes float64) time.Time {
	return start.Add(time.Duration(minutes * float64(time.Minute)))
}

func image(t testing.TB, text string) soak.Image {
	t.Helper()
	i, err := soak.ParseImage(text)
	require.NoError(t, err)
	return i
}

// healthy is an observation that counts, of an Application that was synced an hour
// before start and compared one minute before the observation.
func healthy(t testing.TB, minutes float64, images ...string) soak.Observation {
	t.Helper()
	o := soak.Observation{
		At: at(minutes), UID: "uid-1", ResourceVersion: "1",
		Health: "Healthy", HealthSince: at(-59), Sync: "Synced",
		Revisions: []string{"bbbb"}, Reconciled: at(minutes - 1),
		Operation: soak.Operation{Phase: "Succeeded", Started: at(-61), Finished: at(-60), Revisions: []string{"aaaa"}},
	}
	for _, text := range images {
		o.Images = append(o.Images, image(t, text))
	}
	return o
}

func fold(m soak.Memory, observations ...soak.Observation) soak.Memory {
	for _, o := range observations {
		m = m.Next(o, rules)
	}
	return m
}

// raw is the Application of healthy as it is stored, with a merge patch.
func raw(t testing.TB, minutes float64, patch string, images ...string) map[string]any {
	t.Helper()
	stamp := func(minutes float64) string { return at(minutes).Format(time.RFC3339) }
	list := make([]any, 0, len(images))
	for _, text := range images {
		list = append(list, text)
	}
	source := map[string]any{"repoURL": "https://git.example.com/acme/pay", "path": "pay", "targetRevision": "main"}
	destination := map[string]any{"server": "https://kubernetes.default.svc", "namespace": "pay"}
	object := map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": map[string]any{"namespace": "argocd", "name": "payments-stage", "uid": "uid-1", "resourceVersion": "1"},
		"spec":     map[string]any{"project": "default", "source": source, "destination": destination},
		"status": map[string]any{
			"health":       map[string]any{"status": "Healthy", "lastTransitionTime": stamp(-59)},
			"reconciledAt": stamp(minutes - 1),
			"summary":      map[string]any{"images": list},
			"sync": map[string]any{
				"status": "Synced", "revision": "bbbb",
				"comparedTo": map[string]any{"source": maps.Clone(source), "destination": maps.Clone(destination)},
			},
			"operationState": map[string]any{
				"phase": "Succeeded", "startedAt": stamp(-61), "finishedAt": stamp(-60),
				"syncResult": map[string]any{"revision": "aaaa"},
			},
		},
	}
	if patch != "" {
		var change map[string]any
		require.NoError(t, json.Unmarshal([]byte(patch), &change))
		merge(object, change)
	}
	return object
}

// merge is a JSON merge patch, RFC 7396.
func merge(object, change map[string]any) {
	for key, value := range change {
		inner, isObject := value.(map[string]any)
		target, both := object[key].(map[string]any)
		switch {
		case value == nil:
			delete(object, key)
		case isObject && both:
			merge(target, inner)
		default:
			object[key] = value
		}
	}
}
