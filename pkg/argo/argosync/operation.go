package argosync

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application/v1alpha1"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

// revisionsOf checks the candidate against the facts it was decided on, and returns
// one commit for each source.
func revisionsOf(candidate approval.Candidate, sources []approval.Source) ([]string, error) {
	if len(candidate.Revisions) == 0 || len(candidate.Revisions) != len(sources) {
		return nil, fmt.Errorf("the candidate has %d revisions for %d sources", len(candidate.Revisions), len(sources))
	}
	commits := make(map[string]approval.SHA, len(sources))
	revisions := make([]string, 0, len(sources))
	for i, revision := range candidate.Revisions {
		if sources[i].Kind != approval.SourceGit {
			return nil, fmt.Errorf("source %d is not in git", i+1)
		}
		if sources[i].Repository == "" || !revision.Repository.Equal(sources[i].Repository) {
			return nil, fmt.Errorf("source %d is of %q, the candidate's revision of %q", i+1, sources[i].Repository, revision.Repository)
		}
		sha, err := approval.ParseSHA(string(revision.SHA))
		if err != nil {
			return nil, fmt.Errorf("source %d: %w", i+1, err)
		}
		// Argo CD checks a repository out once for all its sources, so two commits of one
		// repository cannot both be deployed (argo-cd issue 29716).
		repository := strings.ToLower(string(sources[i].Repository))
		if other, ok := commits[repository]; ok && other != sha {
			return nil, fmt.Errorf("the candidate has two revisions of %s", sources[i].Repository)
		}
		commits[repository] = sha
		revisions = append(revisions, string(sha))
	}
	return revisions, nil
}

// operation builds the value of ".operation". What this package understands is built
// with Argo CD's types; the sources are raw, since those types would drop the fields of
// newer versions.
func operation(release approval.Release, revisions []string, content argo.Content, prune bool) (map[string]any, error) {
	if len(content.Sources) != len(revisions) {
		return nil, fmt.Errorf("the spec has %d sources, the candidate %d revisions", len(content.Sources), len(revisions))
	}
	retry, err := retryStrategy(content.Retry)
	if err != nil {
		return nil, err
	}
	typed := v1alpha1.Operation{
		Sync: &v1alpha1.SyncOperation{
			Prune:       prune || content.Prune,
			SyncOptions: content.SyncOptions,
		},
		InitiatedBy: v1alpha1.OperationInitiator{Username: release.InitiatedBy()},
		Info:        []*v1alpha1.Info{{Name: argo.InfoIntent, Value: release.Intent()}},
		Retry:       retry,
	}
	if content.MultiSource {
		typed.Sync.Revisions = revisions
	} else {
		typed.Sync.Revision = revisions[0]
	}
	object, err := toObject(typed)
	if err != nil {
		return nil, err
	}
	sync, ok := object["sync"].(map[string]any)
	if !ok {
		return nil, errors.New("encode the operation: it has no sync")
	}
	if content.MultiSource {
		sync["sources"] = content.Sources
	} else {
		sync["source"] = content.Sources[0]
	}
	return object, nil
}

// retryStrategy keeps what the types of Argo CD 2.14 know. The one thing that they do
// not know is refresh.
func retryStrategy(raw map[string]any) (v1alpha1.RetryStrategy, error) {
	var retry v1alpha1.RetryStrategy
	if raw == nil {
		return retry, nil
	}
	encoded, err := json.Marshal(raw)
	if err != nil {
		return retry, fmt.Errorf("encode spec.syncPolicy.retry: %w", err)
	}
	if err := json.Unmarshal(encoded, &retry); err != nil {
		return retry, fmt.Errorf("read spec.syncPolicy.retry: %w", err)
	}
	return retry, nil
}

func toObject(value any) (map[string]any, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode the operation: %w", err)
	}
	var object map[string]any
	if err := json.Unmarshal(encoded, &object); err != nil {
		return nil, fmt.Errorf("encode the operation: %w", err)
	}
	return object, nil
}

// sameJSON says whether two values are the same once encoded.
func sameJSON(a, b any) bool {
	left, err := json.Marshal(a)
	if err != nil {
		return false
	}
	right, err := json.Marshal(b)
	return err == nil && bytes.Equal(left, right)
}
