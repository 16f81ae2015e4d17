package argosync_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application/v1alpha1"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

// compareWithTypes decodes an Application with the types of Argo CD 2.14 and compares
// what those and the raw reading both know. Where the types are known to be wrong about
// a 3.x Application, the raw reading is right: automated.enabled.
func compareWithTypes(t *testing.T, data []byte, facts approval.Application) {
	t.Helper()
	var typed v1alpha1.Application
	require.NoError(t, json.Unmarshal(data, &typed), "supported, but not an Application to Argo CD 2.14")

	require.Equal(t, string(typed.UID), facts.UID)
	require.Equal(t, typed.Name, facts.Name)
	require.Equal(t, typed.Namespace, facts.Namespace)
	require.Equal(t, typed.Spec.GetProject(), facts.Project)
	require.Equal(t, typed.DeletionTimestamp != nil, facts.Deleting)
	require.Equal(t, typed.Spec.HasMultipleSources(), facts.MultiSource)
	require.Equal(t, typed.Spec.Destination.Namespace, facts.DestinationNamespace)
	if facts.Automated {
		require.NotNil(t, typed.Spec.SyncPolicy.Automated)
	}
	require.Equal(t, string(typed.Status.Health.Status), facts.Health)

	sources := typed.Spec.GetSources()
	require.Len(t, facts.Sources, len(sources))
	for i, source := range sources {
		require.Equal(t, source.TargetRevision, facts.Sources[i].TargetRevision)
		require.Equal(t, source.Ref, facts.Sources[i].Ref)
		require.Equal(t, source.IsHelm(), facts.Sources[i].Kind == approval.SourceHelm || facts.Sources[i].Kind == approval.SourceOCI && source.Chart != "")
	}
	require.Len(t, facts.Deployed, len(typed.Status.History))
	for i, entry := range typed.Status.History {
		require.Equal(t, entry.ID, facts.Deployed[i].ID)
		require.True(t, entry.DeployedAt.UTC().Equal(facts.Deployed[i].DeployedAt))
	}
	require.Equal(t, typed.Operation != nil || typed.Status.OperationState != nil, facts.Operation != nil)
	if facts.Operation != nil {
		require.Equal(t, typed.Operation != nil, facts.Operation.Requested)
	}
	if typed.Operation == nil && typed.Status.OperationState != nil {
		state := typed.Status.OperationState
		require.Equal(t, string(state.Phase), facts.Operation.Phase)
		require.Equal(t, state.Message, facts.Operation.Message)
		require.Equal(t, state.Operation.DryRun(), facts.Operation.DryRun)
		require.True(t, state.StartedAt.UTC().Equal(facts.Operation.StartedAt))
	}
}

func TestFixturesAgainstTypes(t *testing.T) {
	require.Equal(t, v1alpha1.SchemeGroupVersion.WithResource("applications"), argo.Applications())
	for _, name := range []string{"helm-2.14", "multi-3.2", "kustomize-failed-3.2", "chart-2.14"} {
		t.Run(name, func(t *testing.T) {
			data := fixture(t, name)
			facts, err := newTestParser(t).Decode(data)
			require.NoError(t, err)
			require.Empty(t, facts.Unsupported)
			compareWithTypes(t, data, facts)
		})
	}
}

// TestTypesMisread shows why no decision rests on the types of Argo CD 2.14.
func TestTypesMisread(t *testing.T) {
	data := fixture(t, "multi-3.2")
	var typed v1alpha1.Application
	require.NoError(t, json.Unmarshal(data, &typed))
	require.NotNil(t, typed.Spec.SyncPolicy.Automated, "auto-sync that is switched off looks as if it were on")
	facts, err := newTestParser(t).Decode(data)
	require.NoError(t, err)
	require.False(t, facts.Automated)
}

// TestMutationsAgainstTypes replaces every value of every fixture by one of another kind,
// and looks at what the parser still calls supported.
func TestMutationsAgainstTypes(t *testing.T) {
	replacements := []any{nil, "", "x", "/", "..", true, false, 0.0, 7.0, 1.5, []any{}, []any{"x"}, []any{nil}, map[string]any{}, map[string]any{"x": "y"}}
	for _, name := range []string{"helm-2.14", "multi-3.2", "kustomize-failed-3.2", "chart-2.14"} {
		var object map[string]any
		require.NoError(t, json.Unmarshal(fixture(t, name), &object))
		supported := 0
		everyValue(object, func(set func(any), value any) {
			for _, replacement := range replacements {
				set(replacement)
				data, err := json.Marshal(object)
				require.NoError(t, err)
				facts, err := newTestParser(t).Decode(data)
				require.NoError(t, err)
				if len(facts.Unsupported) == 0 && decodes(data) {
					supported++
					compareWithTypes(t, data, facts)
				}
			}
			set(value)
		})
		require.Greater(t, supported, 100, "the comparison must not be empty")
	}
}

// decodes says whether Argo CD could read the Application at all. There are fields that
// the parser does not look at; the API server's schema keeps them in order.
func decodes(data []byte) bool {
	var typed v1alpha1.Application
	return json.Unmarshal(data, &typed) == nil
}

// everyValue visits all values inside a JSON value with a function that replaces them.
func everyValue(value any, visit func(set func(any), value any)) {
	switch container := value.(type) {
	case map[string]any:
		keys := make([]string, 0, len(container))
		for key := range container {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for _, key := range keys {
			visit(func(v any) { container[key] = v }, container[key])
			everyValue(container[key], visit)
		}
	case []any:
		for i := range container {
			visit(func(v any) { container[i] = v }, container[i])
			everyValue(container[i], visit)
		}
	}
}
