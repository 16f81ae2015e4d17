package closure

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

const (
	commit   = approval.SHA("1111111111111111111111111111111111111111")
	deploy   = approval.RepositoryName("acme/deploy")
	values   = approval.RepositoryName("acme/values")
	asLink   = "link "
	asModule = "submodule"
)

// memory are repositories in memory. The name of an object is its path. A file whose
// content begins with "link " is a symbolic link, "submodule" is one.
type memory struct {
	files map[approval.RepositoryName]map[string]string
	reads int
	err   error
}

var errDown = errors.New("the disk is gone")

func (m *memory) Root(_ context.Context, r approval.RepositoryName, c approval.SHA) (approval.SHA, error) {
	if c != commit {
		return "", fmt.Errorf("commit %s: %w", c, approval.ErrNotFound)
	}
	return approval.SHA(r) + ":", m.err
}

func (m *memory) Tree(_ context.Context, r approval.RepositoryName, tree approval.SHA) ([]Entry, error) {
	m.reads++
	prefix := strings.TrimPrefix(string(tree), string(r)+":")
	var out []Entry
	for name, content := range m.files[r] {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		first, _, nested := strings.Cut(rest, "/")
		e := Entry{Name: first, Mode: "100644", SHA: approval.SHA(string(r) + ":" + prefix + first)}
		switch {
		case nested:
			e.Mode, e.SHA = modeFolder, e.SHA+"/"
		case strings.HasPrefix(content, asLink):
			e.Mode = modeLink
		case strings.TrimSpace(content) == asModule:
			e.Mode = modeSubmodule
		}
		if !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, m.err
}

func (m *memory) Blob(_ context.Context, r approval.RepositoryName, blob approval.SHA, limit int64) ([]byte, error) {
	content, ok := m.files[r][strings.TrimPrefix(string(blob), string(r)+":")]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", blob, approval.ErrNotFound)
	}
	if target, isLink := strings.CutPrefix(content, asLink); isLink {
		content = strings.TrimSpace(target)
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrContent, limit)
	}
	return []byte(content), m.err
}

// fromArchive reads a table's repository. Names in the other one begin with "values:".
func fromArchive(files []txtar.File) *memory {
	m := &memory{files: map[approval.RepositoryName]map[string]string{deploy: {}, values: {}}}
	for _, f := range files {
		if name, ok := strings.CutPrefix(f.Name, "values:"); ok {
			m.files[values][path.Clean(name)] = string(f.Data)
		} else {
			m.files[deploy][path.Clean(f.Name)] = string(f.Data)
		}
	}
	return m
}

// application is argocd/shop with one source, whose fields are YAML, and a second one,
// ref "values".
func application(t *testing.T, source string) approval.Application {
	t.Helper()
	fields, err := parse([]byte(source))
	require.NoError(t, err)
	fields["repoURL"] = "https://github.com/acme/deploy"
	parser, err := argo.NewParser([]string{"github.com"})
	require.NoError(t, err)
	a := parser.Application(map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": map[string]any{"name": "shop", "namespace": "argocd", "uid": "1"},
		"spec": map[string]any{
			"destination": map[string]any{"server": "https://kubernetes.default.svc"},
			"sources":     []any{fields, map[string]any{"repoURL": "https://github.com/acme/values", "ref": "values"}},
		},
	})
	require.Empty(t, a.Unsupported)
	return a
}

var revisions = []approval.Revision{{Repository: deploy, SHA: commit}, {Repository: values, SHA: commit}}

// lines are a closure as the tables write it.
func lines(c approval.Closure) []string {
	var out []string
	for _, r := range c.Reads {
		if r.Repository == deploy {
			out = append(out, r.Path)
		} else {
			out = append(out, "values:"+r.Path)
		}
	}
	for _, u := range c.Unresolved {
		mark := "? "
		if slices.Contains(c.Foreign, u) {
			mark = "! " // it is fetched from elsewhere, too
		}
		out = append(out, mark+u)
	}
	return out
}
