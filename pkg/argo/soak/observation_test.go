package soak_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/soak"
)

func TestObserve(t *testing.T) {
	t.Parallel()
	object := raw(t, 0, "", "ghcr.io/acme/pay:1.0", "nginx", "docker.io/library/nginx:latest")
	before, err := json.Marshal(object)
	require.NoError(t, err)
	got := soak.Observe(object, at(0))
	require.Equal(t, healthy(t, 0, "ghcr.io/acme/pay:1.0", "nginx"), got, "an image is counted once")
	after, err := json.Marshal(object)
	require.NoError(t, err)
	require.JSONEq(t, string(before), string(after))

	for _, tt := range []struct {
		name, patch string
		want        func(*soak.Observation)
	}{
		{"request", `{"operation": {}}`, func(o *soak.Observation) { o.Operation.Requested = true }},
		{"null request", `{"operation": null}`, func(*soak.Observation) {}},
		{"deleting", `{"metadata": {"deletionTimestamp": "2026-11-21T12:00:00Z"}}`, func(o *soak.Observation) { o.Deleting = true }},
		{"several sources", `{"spec": {"sources": [{"repoURL": "a"}, {"repoURL": "b", "ref": "v"}]}, "status": {
			"sync": {"revision": "", "revisions": ["b1", "b2"], "comparedTo": {"source": {"repoURL": ""}, "sources": [{"repoURL": "a"}, {"repoURL": "b", "ref": "v"}]}},
			"operationState": {"syncResult": {"revision": "", "revisions": ["a1", "a2"]}}}}`,
			func(o *soak.Observation) {
				o.Revisions, o.Operation.Revisions = []string{"b1", "b2"}, []string{"a1", "a2"}
			}},
		{"what is empty is left out", `{"spec": {"source": {"helm": {"parameters": [], "releaseName": ""}}}}`, func(*soak.Observation) {}},
		{"hydrated", `{"spec": {"source": null, "sourceHydrator": {"drySource": {"repoURL": "r", "path": "dry"}, "syncSource": {"targetBranch": "env", "path": "p"}}},
			"status": {"sync": {"comparedTo": {"source": {"repoURL": "r", "targetRevision": "env", "path": "p"}}}}}`, func(*soak.Observation) {}},
		{"no operation", `{"status": {"operationState": null}}`, func(o *soak.Observation) { o.Operation = soak.Operation{} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := healthy(t, 0, "nginx")
			tt.want(&want)
			require.Equal(t, want, soak.Observe(raw(t, 0, tt.patch, "nginx"), at(0)))
		})
	}
}

func TestSpecChanged(t *testing.T) {
	t.Parallel()
	for _, patch := range []string{
		`{"spec": {"source": {"targetRevision": "v2"}}}`,
		`{"spec": {"source": {"helm": {"valuesObject": {"on": false}}}}, "status": {"sync": {"comparedTo": {"source": {"helm": {"valuesObject": {}}}}}}}`,
		`{"spec": {"source": {"helm": {"values": "a: b"}}}}`,
		`{"status": {"sync": {"comparedTo": {"source": {"helm": {"values": "a: b"}}}}}}`,
		`{"spec": {"source": null}}`,
		`{"spec": {"source": null}, "status": {"sync": {"comparedTo": {"source": null}}}}`,
		`{"spec": {"sources": [{"repoURL": "a"}]}}`,
		`{"spec": {"sources": [{"repoURL": "a"}]}, "status": {"sync": {"comparedTo": {"sources": [{"repoURL": "a"}, {"repoURL": "b"}]}}}}`,
		`{"status": {"sync": {"comparedTo": {"sources": [{"repoURL": "a"}]}}}}`,
		`{"spec": {"destination": {"namespace": "other"}}}`,
		`{"spec": {"destination": {"server": null, "name": "other"}}}`,
		`{"spec": {"sourceHydrator": {"drySource": {"repoURL": "r"}, "syncSource": {"targetBranch": "env"}}}}`,
		`{"status": {"sync": {"comparedTo": null}}}`,
		`{"spec": null}`,
	} {
		require.True(t, soak.Observe(raw(t, 0, patch, "nginx"), at(0)).SpecChanged, patch)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for _, patch := range []string{
		`{"metadata": {"uid": null}}`,
		`{"metadata": "x"}`,
		`{"metadata": {"deletionTimestamp": 1}}`,
		`{"operation": []}`,
		`{"status": []}`,
		`{"status": {"health": "Healthy"}}`,
		`{"status": {"health": {"status": 1}}}`,
		`{"status": {"health": {"lastTransitionTime": "yesterday"}}}`,
		`{"status": {"reconciledAt": 1}}`,
		`{"status": {"sync": {"revisions": "a"}}}`,
		`{"status": {"sync": {"revisions": [1]}}}`,
		`{"status": {"summary": {"images": {}}}}`,
		`{"status": {"summary": {"images": ["nginx", "not an image"]}}}`,
		`{"status": {"summary": {"images": ["nginx", 1]}}}`,
		`{"status": {"summary": {"images": [` + strings.TrimSuffix(strings.Repeat(`"nginx",`, 1001), ",") + `]}}}`,
		`{"spec": {"sourceHydrator": "x"}}`,
	} {
		o := soak.Observe(raw(t, 0, patch, "nginx"), at(0))
		require.NotEmpty(t, o.Problem, patch)
		m := fold(soak.Memory{}, o)
		e := m.Evidence("payments-stage", soak.Demand{Image: image(t, "nginx"), Soak: 1}, at(0), rules)
		require.False(t, e.Proven(), patch)
		require.Zero(t, e.Ready, patch)
	}
}

// FuzzObserve: whatever is stored, it is read or is a problem, and only what is whole
// counts.
func FuzzObserve(f *testing.F) {
	for _, patch := range []string{"", `{"operation": {}}`, `{"status": {"summary": {"images": [1]}}}`, `{"spec": {"sources": [{}]}}`} {
		data, err := json.Marshal(raw(f, 0, patch, "nginx"))
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var object map[string]any
		if json.Unmarshal(data, &object) != nil {
			return
		}
		o := soak.Observe(object, at(0))
		m := fold(soak.Memory{}, o)
		if o.Problem == "" && o.Health == "Healthy" && o.Sync == "Synced" && !o.Operation.Requested && !o.SpecChanged && !o.Deleting {
			return
		}
		for _, run := range m.Runs {
			require.Zero(t, run.Since, "%+v", o)
		}
		data, err := m.Encode()
		require.NoError(t, err)
		_, err = soak.Decode(data)
		require.NoError(t, err)
	})
}
