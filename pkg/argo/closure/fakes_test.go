package closure

import (
	"context"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// fixed is a repository with an empty folder app.
type fixed struct{}

func (fixed) Root(context.Context, approval.RepositoryName, approval.SHA) (approval.SHA, error) {
	return "root", nil
}

func (fixed) Tree(_ context.Context, _ approval.RepositoryName, tree approval.SHA) ([]Entry, error) {
	if tree == "root" {
		return []Entry{{Name: "app", Mode: modeFolder, SHA: "app"}}, nil
	}
	return nil, nil
}

func (fixed) Blob(context.Context, approval.RepositoryName, approval.SHA, int64) ([]byte, error) {
	return nil, approval.ErrNotFound
}

// doubling is a repository of which a few objects make 2^60 files.
type doubling struct{ fixed }

func (doubling) Tree(_ context.Context, _ approval.RepositoryName, tree approval.SHA) ([]Entry, error) {
	if tree == "root" {
		return []Entry{{Name: "a", Mode: modeFolder, SHA: "x"}}, nil
	}
	if len(tree) == 60 {
		return []Entry{{Name: "f", Mode: "100644", SHA: "f"}}, nil
	}
	return []Entry{{Name: "a", Mode: modeFolder, SHA: tree + "x"}, {Name: "b", Mode: modeFolder, SHA: tree + "x"}}, nil
}
