package standin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
)

func (s *Server) contentsRoutes() []route {
	read, write := anyOf("contents:read"), anyOf("contents:write")
	return []route{
		{method: "GET", pattern: repoPath + "/contents", described: repoPath + "/contents/{path}", perms: read, handle: s.getContents},
		{method: "GET", pattern: repoPath + "/contents/{path...}", perms: read, handle: s.getContents},
		{method: "PUT", pattern: repoPath + "/contents/{path...}", perms: write, handle: s.putContents, files: true},
		{method: "DELETE", pattern: repoPath + "/contents/{path...}", perms: write, handle: s.deleteContents},
	}
}

// contentJSON is "content-file", "content-symlink", "content-submodule" or an entry of "content-directory".
type contentJSON struct {
	Type        string             `json:"type"`
	Size        int                `json:"size"`
	Name        string             `json:"name"`
	Path        string             `json:"path"`
	SHA         string             `json:"sha"`
	URL         string             `json:"url"`
	GitURL      *string            `json:"git_url"`
	HTMLURL     *string            `json:"html_url"`
	DownloadURL *string            `json:"download_url"`
	Links       map[string]*string `json:"_links"`
	Content     *string            `json:"content,omitempty"`
	Encoding    string             `json:"encoding,omitempty"`
	Target      string             `json:"target,omitempty"`
	Submodule   *string            `json:"submodule_git_url,omitempty"`
	Entries     *[]contentJSON     `json:"entries,omitempty"`
}

const (
	// maxInlined is the largest file that comes with its content; larger ones, up to maxBlob, come raw or without.
	maxInlined = 1 << 20
	// maxListed is how many entries of a folder are listed.
	maxListed = 1000
	// modeSymlink is git's mode of symbolic links.
	modeSymlink = "120000"
)

// content describes an entry of a tree, without what its type adds. ref is the name the caller gave.
func content(r *repository, ref string, e treeEntry) contentJSON {
	out := contentJSON{Type: "file", Size: max(e.size, 0), Name: path.Base(e.path), Path: e.path, SHA: e.sha,
		URL: r.links.URL + "/contents/" + escapePath(e.path) + "?ref=" + url.QueryEscape(ref)}
	page, raw := "/blob/", ""
	switch {
	case e.kind == "tree":
		out.Type, page = "dir", "/tree/"
	case e.kind == "commit":
		out.Type = "submodule"
	case e.mode == modeSymlink:
		out.Type = "symlink"
	}
	if e.kind == "commit" { // what a submodule's addresses are, only its own host could say
		out.Links = map[string]*string{"self": &out.URL, "git": nil, "html": nil}
		return out
	}
	git := gitObject(r, e.kind, e.sha).URL
	html := r.links.HTMLURL + page + escapePath(ref) + "/" + escapePath(e.path)
	if e.kind == "blob" {
		raw = r.links.HTMLURL + "/raw/" + escapePath(ref) + "/" + escapePath(e.path)
	}
	out.GitURL, out.HTMLURL, out.DownloadURL = &git, &html, nullable(raw)
	out.Links = map[string]*string{"self": &out.URL, "git": &git, "html": &html}
	return out
}

// contentsAt finds the commit that ?ref= names, and the name.
func (s *Server) contentsAt(c *call) (commit, ref string, err error) {
	if ref = c.r.URL.Query().Get("ref"); ref == "" {
		s.mu.Lock()
		ref = c.repo.defaultBranch
		s.mu.Unlock()
	}
	commit, err = s.resolve(c.ctx, c.repo, ref)
	if err == nil && commit == "" {
		err = refuse(http.StatusNotFound, "No commit found for the ref %s", ref)
	}
	return commit, ref, err
}

func (s *Server) getContents(c *call) (any, error) {
	commit, ref, err := s.contentsAt(c)
	if err != nil {
		return nil, err
	}
	git := c.repo.git
	at := strings.Trim(c.r.PathValue("path"), "/")
	e := treeEntry{kind: "tree", mode: "040000", size: -1}
	if at == "" {
		if e.sha, err = git.treeOf(c.ctx, commit); err != nil {
			return nil, err
		}
	} else {
		var ok bool
		if e, ok, err = git.entry(c.ctx, commit, at); err != nil {
			return nil, err
		} else if !ok {
			return nil, notFound()
		}
	}
	switch {
	case e.kind == "tree":
		return s.folder(c, ref, e)
	case e.kind == "commit":
		out := content(c.repo, ref, e)
		out.Submodule, err = git.submoduleURL(c.ctx, commit, e.path)
		return out, err
	case e.mode == modeSymlink:
		return s.link(c, commit, ref, e)
	}
	return s.file(c, ref, e)
}

// folder lists a folder: an array, or with the object media type an object. Submodules are listed as
// files, "for backwards compatibility".
func (s *Server) folder(c *call, ref string, e treeEntry) (any, error) {
	entries, err := c.repo.git.listTree(c.ctx, e.sha, false)
	if err != nil {
		return nil, err
	}
	list := []contentJSON{}
	for _, one := range entries[:min(len(entries), maxListed)] {
		one.path = strings.TrimPrefix(e.path+"/"+one.path, "/")
		entry := content(c.repo, ref, one)
		if entry.Type == "submodule" {
			entry.Type = "file"
		}
		list = append(list, entry)
	}
	if !c.accepts("object") {
		return list, nil
	}
	out := content(c.repo, ref, e)
	if e.path == "" {
		out.Name = ""
	}
	out.Entries = &list
	return out, nil
}

// file reads a file; above 1 MB its content is left out, unless it is asked for raw.
func (s *Server) file(c *call, ref string, e treeEntry) (any, error) {
	if e.size > maxBlob {
		return nil, tooLarge()
	}
	raw, _, err := c.repo.git.object(c.ctx, "blob", e.sha)
	if err != nil {
		return nil, err
	}
	if c.accepts("raw") {
		return rawAnswer{"application/vnd.github.raw; charset=utf-8", raw}, nil
	}
	out := content(c.repo, ref, e)
	out.Type, out.Encoding = "file", "base64"
	text := wrap64(raw)
	if e.size > maxInlined {
		out.Encoding, text = "none", ""
	}
	out.Content = &text
	return out, nil
}

// link reads a symbolic link: what it points to, when that is a file of the repository, else the link.
func (s *Server) link(c *call, commit, ref string, e treeEntry) (any, error) {
	raw, _, err := c.repo.git.object(c.ctx, "blob", e.sha)
	if err != nil {
		return nil, err
	}
	target := string(raw)
	found, ok, err := c.repo.git.entry(c.ctx, commit, path.Join(path.Dir(e.path), target))
	if err != nil {
		return nil, err
	}
	if ok && found.kind == "blob" && found.mode != modeSymlink && !strings.HasPrefix(target, "/") {
		return s.file(c, ref, found)
	}
	if c.accepts("raw") {
		return rawAnswer{"application/vnd.github.raw; charset=utf-8", raw}, nil
	}
	out := content(c.repo, ref, e)
	out.Target = target
	return out, nil
}

// submoduleURL is what .gitmodules of the commit says of a path; nil when it says nothing.
func (g *gitRepo) submoduleURL(ctx context.Context, commit, at string) (*string, error) {
	out, err := g.run(ctx, nil, nil, "config", "--blob", commit+":.gitmodules", "-z", "--get-regexp", `^submodule\..*\.(path|url)$`)
	if _, failed := errors.AsType[*exitError](err); failed {
		return nil, nil //nolint:nilnil // no file, or not one that git can read: GitHub answers null
	}
	if err != nil {
		return nil, err
	}
	paths, urls := map[string]string{}, map[string]string{}
	for record := range strings.SplitSeq(string(out), "\x00") {
		key, value, _ := strings.Cut(record, "\n")
		if name, ok := strings.CutSuffix(key, ".path"); ok {
			paths[value] = name
		} else if name, ok := strings.CutSuffix(key, ".url"); ok {
			urls[name] = value
		}
	}
	return nullable(urls[paths[at]]), nil
}
