package argo

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/json"
)

// minimal is the least that a supported Application must be, read by the strict rules
// of typed decoding instead of the parser's own.
type minimal struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		UID         string         `json:"uid"`
		Name        string         `json:"name"`
		Namespace   string         `json:"namespace"`
		Annotations map[string]any `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Project        string          `json:"project"`
		Source         *minimalSource  `json:"source"`
		Sources        []minimalSource `json:"sources"`
		SourceHydrator map[string]any  `json:"sourceHydrator"`
		Destination    struct {
			Server, Name, Namespace string
		} `json:"destination"`
		SyncPolicy *struct {
			Automated   map[string]any `json:"automated"`
			SyncOptions []string       `json:"syncOptions"`
			Retry       *struct {
				Refresh bool `json:"refresh"`
			} `json:"retry"`
		} `json:"syncPolicy"`
		IgnoreDifferences []any `json:"ignoreDifferences"`
	} `json:"spec"`
	Operation map[string]any `json:"operation"`
	Status    struct {
		OperationState *struct {
			Phase     string     `json:"phase"`
			StartedAt *time.Time `json:"startedAt"`
		} `json:"operationState"`
		History []map[string]any `json:"history"`
	} `json:"status"`
}

type minimalSource struct {
	RepoURL        string `json:"repoURL"`
	Path           string `json:"path"`
	Chart          string `json:"chart"`
	Ref            string `json:"ref"`
	TargetRevision string `json:"targetRevision"`
	Helm           *struct {
		ValueFiles []string `json:"valueFiles"`
	} `json:"helm"`
	Kustomize map[string]any `json:"kustomize"`
	Directory map[string]any `json:"directory"`
	Plugin    map[string]any `json:"plugin"`
}

// FuzzDecode: whatever is in an Application, reading it does not panic, and garbage is
// never taken for an Application that can be judged. Package argosync compares with Argo
// CD's own types, whose instrumentation would make fuzzing useless.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"helm-2.14", "multi-3.2", "kustomize-failed-3.2", "hydrator-3.2", "chart-2.14"} {
		data, err := os.ReadFile("testdata/applications/" + name + ".json")
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte(`{"spec":{"sources":[null,1,{}],"source":{"helm":{"valueFiles":[1,null,"$"]}}},"status":{"history":[{}]}}`))
	f.Add([]byte(`{"apiVersion":"argoproj.io/v1alpha1","kind":"Application","metadata":{"uid":"u","name":"n","namespace":"s"},"spec":{"destination":{"name":"d"},"source":{"repoURL":"r","path":"p"}}}`))
	parser := newTestParser(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		facts, err := parser.Decode(data)
		if err != nil {
			return
		}
		require.Regexp(t, `^sha256:[0-9a-f]{64}$`, facts.SpecDigest)
		if len(facts.Unsupported) > 0 {
			return
		}
		var want minimal
		require.NoError(t, json.Unmarshal(data, &want))
		require.Equal(t, "argoproj.io/v1alpha1", want.APIVersion)
		require.Equal(t, "Application", want.Kind)
		require.NotEmpty(t, want.Metadata.UID)
		require.Equal(t, want.Metadata.UID, facts.UID)
		require.Equal(t, want.Metadata.Name, facts.Name)
		require.Nil(t, want.Spec.SourceHydrator)
		if want.Spec.SyncPolicy != nil && want.Spec.SyncPolicy.Retry != nil {
			require.False(t, want.Spec.SyncPolicy.Retry.Refresh)
		}
		sources := want.Spec.Sources
		if len(sources) == 0 {
			require.NotNil(t, want.Spec.Source)
			sources = []minimalSource{*want.Spec.Source}
		}
		require.Len(t, facts.Sources, len(sources))
		for i, source := range sources {
			require.NotEmpty(t, source.RepoURL)
			require.Equal(t, source.TargetRevision, facts.Sources[i].TargetRevision)
			for _, read := range facts.Sources[i].Reads {
				require.NotEmpty(t, read.Path)
				require.NotContains(t, read.Path, "/../")
			}
			if source.Path != "" && source.Chart == "" && facts.Sources[i].Kind == "git" {
				require.NotEmpty(t, facts.Sources[i].Reads)
			}
		}
		require.Len(t, facts.Deployed, len(want.Status.History))
		require.Equal(t, want.Operation != nil || want.Status.OperationState != nil, facts.Operation != nil)
		if paths := want.Metadata.Annotations[generatePathsAnnotation]; paths != nil {
			require.True(t, slices.Contains([]any{"", "/"}, paths))
		}
	})
}
