package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// treeJSON is "git-tree".
type treeJSON struct {
	SHA       string          `json:"sha"`
	URL       string          `json:"url"`
	Tree      []treeEntryJSON `json:"tree"`
	Truncated bool            `json:"truncated"`
}

type treeEntryJSON struct {
	Path string `json:"path"`
	Mode string `json:"mode"`
	Type string `json:"type"`
	SHA  string `json:"sha"`
	Size *int   `json:"size,omitempty"`
	URL  string `json:"url,omitempty"`
}

// maxTreeEntries is where a listing is cut ("The limit for the tree array is 100,000 entries"); GitHub
// also cuts at 7 MB.
const (
	maxTreeEntries = 100_000
	maxTreeBytes   = 7 << 20
)

func (s *Server) treeAnswer(r *repository, sha string, entries []treeEntry) treeJSON {
	out := treeJSON{SHA: sha, URL: r.links.URL + "/git/trees/" + sha, Tree: []treeEntryJSON{}}
	bytes := 0
	for _, e := range entries {
		one := treeEntryJSON{Path: e.path, Mode: e.mode, Type: e.kind, SHA: e.sha}
		if e.kind != "commit" { // a submodule's commit is elsewhere
			one.URL = gitObject(r, e.kind, e.sha).URL
		}
		if e.size >= 0 {
			one.Size = &e.size
		}
		if bytes += len(one.Path) + len(one.URL) + 120; len(out.Tree) == maxTreeEntries || bytes > maxTreeBytes {
			out.Truncated = true
			break
		}
		out.Tree = append(out.Tree, one)
	}
	return out
}

// getTree reads a tree by its name, or that of a commit, a branch or a tag.
func (s *Server) getTree(c *call) (any, error) {
	name := c.r.PathValue("sha")
	tree, err := c.repo.git.treeOf(c.ctx, name)
	if err != nil {
		return nil, err
	}
	if tree == "" {
		commit, err := s.resolve(c.ctx, c.repo, name)
		if err != nil {
			return nil, err
		}
		if commit == "" {
			return nil, notFound()
		}
		if tree, err = c.repo.git.treeOf(c.ctx, commit); err != nil {
			return nil, err
		}
	}
	// "Setting this parameter to any value": recursive=0 is recursive too.
	entries, err := c.repo.git.listTree(c.ctx, tree, c.r.URL.Query().Get("recursive") != "")
	if err != nil {
		return nil, err
	}
	return s.treeAnswer(c.repo, tree, entries), nil
}

// treeEntryRequest is one entry of POST git/trees. sha null removes the path, which is not the same as no sha.
type treeEntryRequest struct {
	Path    string          `json:"path"`
	Mode    string          `json:"mode"`
	Type    string          `json:"type"`
	SHA     json.RawMessage `json:"sha"`
	Content *string         `json:"content"`
}

var kindOfMode = map[string]string{"100644": "blob", "100755": "blob", "120000": "blob", "040000": "tree", "160000": "commit"}

// object is the entry's sha, and whether it is null.
func (e treeEntryRequest) object() (sha string, remove bool, err error) {
	if string(e.SHA) == "null" {
		return "", true, nil
	}
	if e.SHA == nil {
		return "", false, nil
	}
	if json.Unmarshal(e.SHA, &sha) != nil || !isSHA(sha) {
		return "", false, refuse(http.StatusUnprocessableEntity, "tree.sha %s is not a valid object name", e.SHA)
	}
	return sha, false, nil
}

func (s *Server) createTree(c *call) (any, error) {
	var in struct {
		Tree     []treeEntryRequest `json:"tree"`
		BaseTree *string            `json:"base_tree"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if len(in.Tree) == 0 {
		return nil, refuse(http.StatusUnprocessableEntity, "Invalid tree info")
	}
	if err := s.locked(func() error { return s.needs(c.actor, c.repo, roleWrite) }); err != nil {
		return nil, err
	}
	c.repo.work.Lock()
	defer c.repo.work.Unlock()
	git := c.repo.git
	base := emptyTree
	if in.BaseTree != nil {
		var err error
		if base, err = git.treeOf(c.ctx, *in.BaseTree); err != nil {
			return nil, err
		}
		if base == "" {
			return nil, refuse(http.StatusUnprocessableEntity, "base_tree is not a valid tree oid")
		}
	}
	stream, err := s.treeStream(c, base, in.Tree)
	if err != nil {
		return nil, err
	}
	tree, err := git.importTree(c.ctx, stream)
	if err != nil {
		return nil, err
	}
	entries, err := git.listTree(c.ctx, tree, false)
	if err != nil {
		return nil, err
	}
	out := s.treeAnswer(c.repo, tree, entries)
	c.header.Set("Location", out.URL)
	return c.created(out)
}

// treeStream checks the entries and turns them into what fast-import reads.
func (s *Server) treeStream(c *call, base string, entries []treeEntryRequest) (string, error) {
	bad := func(format string, args ...any) error { return refuse(http.StatusUnprocessableEntity, format, args...) }
	var stream strings.Builder
	if base == emptyTree {
		stream.WriteString("deleteall\n")
	} else {
		fmt.Fprintf(&stream, "M 040000 %s \n", base)
	}
	var objects []string
	var wants []treeEntryRequest
	for _, e := range entries {
		if checkPath(e.Path) != nil {
			return "", bad("tree.path contains a malformed path component")
		}
		kind, known := kindOfMode[e.Mode]
		sha, remove, err := e.object()
		switch {
		case err != nil:
			return "", err
		case remove:
			if _, there, err := c.repo.git.entry(c.ctx, base, e.Path); err != nil {
				return "", err
			} else if !there {
				return "", bad("GitRPC::BadObjectState")
			}
			fmt.Fprintf(&stream, "D %s\n", e.Path)
			continue
		case !known:
			return "", bad("tree.mode must be one of 100644, 100755, 040000, 160000, 120000")
		case e.Type != "" && e.Type != kind:
			return "", bad("tree.type %s does not fit tree.mode %s", e.Type, e.Mode)
		case (sha == "") == (e.Content == nil):
			return "", bad("Must supply either tree.sha or tree.content")
		case e.Content != nil && kind != "blob":
			return "", bad("tree.content is for blobs only")
		case e.Content != nil:
			fmt.Fprintf(&stream, "M %s inline %s\ndata %d\n%s\n", e.Mode, e.Path, len(*e.Content), *e.Content)
			continue
		}
		if kind != "commit" { // a submodule's commit need not exist
			objects, wants = append(objects, sha), append(wants, e)
		}
		fmt.Fprintf(&stream, "M %s %s %s\n", e.Mode, sha, e.Path)
	}
	kinds, err := c.repo.git.kinds(c.ctx, objects...)
	if err != nil {
		return "", err
	}
	for i, e := range wants {
		if kinds[i] != kindOfMode[e.Mode] {
			return "", bad("tree.sha %s is not a valid %s", objects[i], kindOfMode[e.Mode])
		}
	}
	return stream.String(), nil
}
