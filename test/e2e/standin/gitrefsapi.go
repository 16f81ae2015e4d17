package standin

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
)

func (s *Server) gitDataRoutes() []route {
	read, write := anyOf("contents:read"), anyOf("contents:write")
	return []route{
		{method: "GET", pattern: repoPath + "/git/ref/{ref...}", perms: read, handle: s.getRef},
		{method: "GET", pattern: repoPath + "/git/matching-refs/{ref...}", perms: read, handle: s.listMatchingRefs},
		{method: "POST", pattern: repoPath + "/git/refs", perms: write, handle: s.createRef},
		{method: "PATCH", pattern: repoPath + "/git/refs/{ref...}", perms: write, handle: s.updateRef},
		{method: "DELETE", pattern: repoPath + "/git/refs/{ref...}", perms: write, handle: s.deleteRef},
		{method: "POST", pattern: repoPath + "/git/blobs", perms: write, handle: s.createBlob, files: true},
		{method: "GET", pattern: repoPath + "/git/blobs/{sha}", perms: read, handle: s.getBlob},
		{method: "POST", pattern: repoPath + "/git/trees", perms: write, handle: s.createTree, files: true},
		{method: "GET", pattern: repoPath + "/git/trees/{sha...}", perms: read, handle: s.getTree},
		{method: "POST", pattern: repoPath + "/git/commits", perms: write, handle: s.createCommit},
		{method: "GET", pattern: repoPath + "/git/commits/{sha}", perms: read, handle: s.getGitCommit},
		{method: "POST", pattern: repoPath + "/git/tags", perms: write, handle: s.createTag},
		{method: "GET", pattern: repoPath + "/git/tags/{sha}", perms: read, handle: s.getTag},
	}
}

// refJSON is "git-ref".
type refJSON struct {
	Ref    string     `json:"ref"`
	NodeID string     `json:"node_id"`
	URL    string     `json:"url"`
	Object objectJSON `json:"object"`
}

// objectJSON names a git object.
type objectJSON struct {
	Type string `json:"type"`
	SHA  string `json:"sha"`
	URL  string `json:"url"`
}

func gitObject(r *repository, kind, sha string) objectJSON {
	return objectJSON{Type: kind, SHA: sha, URL: r.links.URL + "/git/" + kind + "s/" + sha}
}

// readRefs makes the answers for references; refs maps names to objects.
func (s *Server) readRefs(c *call, refs map[string]string) ([]refJSON, error) {
	names := slices.Sorted(maps.Keys(refs))
	var objects []string
	for _, name := range names {
		objects = append(objects, refs[name])
	}
	kinds, err := c.repo.git.kinds(c.ctx, objects...)
	if err != nil {
		return nil, err
	}
	out := []refJSON{}
	for i, name := range names {
		out = append(out, refJSON{Ref: name, NodeID: "REF_" + refs[name], URL: c.repo.links.URL + "/git/" + escapePath(name),
			Object: gitObject(c.repo, kinds[i], refs[name])})
	}
	return out, nil
}

func (s *Server) oneRef(c *call, ref, sha string) (any, error) {
	list, err := s.readRefs(c, map[string]string{ref: sha})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

func (s *Server) getRef(c *call) (any, error) {
	ref := "refs/" + c.r.PathValue("ref")
	sha := s.refNow(c.repo, ref)
	if sha == "" {
		return nil, notFound()
	}
	return s.oneRef(c, ref, sha)
}

// refNow is what a reference points to, "" when there is no such reference.
func (s *Server) refNow(r *repository, ref string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.refs[ref]
}

// listMatchingRefs finds references by how they begin.
func (s *Server) listMatchingRefs(c *call) (any, error) {
	prefix := "refs/" + c.r.PathValue("ref")
	s.mu.Lock()
	found := maps.Clone(c.repo.refs)
	s.mu.Unlock()
	maps.DeleteFunc(found, func(ref, _ string) bool { return !strings.HasPrefix(ref, prefix) })
	return s.readRefs(c, found)
}

// missingKey is GitHub's answer to a body that lacks a required key.
func missingKey(name string) error {
	return refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%q wasn't supplied.", name)
}

func (s *Server) createRef(c *call) (any, error) {
	var in struct {
		Ref *string `json:"ref"`
		SHA *string `json:"sha"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	switch {
	case in.Ref == nil:
		return nil, missingKey("ref")
	case in.SHA == nil:
		return nil, missingKey("sha")
	}
	move := refMove{ref: *in.Ref, sha: *in.SHA, create: true}
	if err := s.moveRef(c, move); err != nil {
		return nil, err
	}
	out, err := s.oneRef(c, move.ref, move.sha)
	if err != nil {
		return nil, err
	}
	c.header.Set("Location", out.(refJSON).URL)
	return c.created(out)
}

func (s *Server) updateRef(c *call) (any, error) {
	var in struct {
		SHA   *string `json:"sha"`
		Force bool    `json:"force"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if in.SHA == nil {
		return nil, missingKey("sha")
	}
	move := refMove{ref: "refs/" + c.r.PathValue("ref"), sha: *in.SHA, force: in.Force}
	if err := s.moveRef(c, move); err != nil {
		return nil, err
	}
	return s.oneRef(c, move.ref, move.sha)
}

func (s *Server) deleteRef(c *call) (any, error) {
	return nil, s.moveRef(c, refMove{ref: "refs/" + c.r.PathValue("ref"), sha: zeroSHA, force: true})
}

// refMove is what the API is asked to do with one reference; zeroSHA deletes it.
type refMove struct {
	ref, sha      string
	create, force bool
}

var errRefFailed = refuse(http.StatusUnprocessableEntity, "Reference update failed")

// moveRef creates, moves or deletes a reference as a push would, with the API's own refusals.
func (s *Server) moveRef(c *call, m refMove) error {
	git := c.repo.git
	c.repo.work.Lock()
	defer c.repo.work.Unlock()
	s.mu.Lock()
	err := s.needs(c.actor, c.repo, roleWrite)
	before, isDefault := c.repo.refs[m.ref], m.ref == "refs/heads/"+c.repo.defaultBranch
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if m.create {
		if before != "" {
			return refuse(http.StatusUnprocessableEntity, "Reference already exists")
		}
		if !strings.HasPrefix(m.ref, "refs/") || strings.Count(m.ref, "/") < 2 || !git.validRef(c.ctx, m.ref) {
			return refuse(http.StatusUnprocessableEntity, "Reference name must be fully qualified and well formed")
		}
		before = zeroSHA
	} else if before == "" {
		return refuse(http.StatusUnprocessableEntity, "Reference does not exist")
	}
	if readOnlyRef(m.ref) {
		return errRefFailed
	}
	if m.sha == zeroSHA && !m.create {
		if isDefault {
			return refuse(http.StatusUnprocessableEntity, "Cannot delete the default branch")
		}
		return s.moveBranch(c.ctx, push{repo: c.repo, actor: c.actor}, refChange{m.ref, before, zeroSHA})
	}
	if err := s.pointable(c, m); err != nil {
		return err
	}
	if !m.create && !m.force && strings.HasPrefix(m.ref, "refs/heads/") {
		forward, err := git.isAncestor(c.ctx, before, m.sha)
		if err != nil {
			return err
		}
		if !forward {
			return refuse(http.StatusUnprocessableEntity, "Update is not a fast forward")
		}
	}
	err = s.moveBranch(c.ctx, push{repo: c.repo, actor: c.actor}, refChange{m.ref, before, m.sha})
	if exit, ok := errors.AsType[*exitError](err); ok && exit.args[0] == "update-ref" { // a and a/b cannot both exist
		return errRefFailed
	}
	return err
}

// pointable checks what a reference is to point to: any object, a commit for branches.
func (s *Server) pointable(c *call, m refMove) error {
	if !isSHA(m.sha) {
		return refuse(http.StatusUnprocessableEntity, "The sha parameter must be exactly 40 characters and contain only [0-9a-f].")
	}
	kinds, err := c.repo.git.kinds(c.ctx, m.sha)
	switch {
	case err != nil:
		return err
	case kinds[0] == "":
		return refuse(http.StatusUnprocessableEntity, "Object does not exist")
	case strings.HasPrefix(m.ref, "refs/heads/") && kinds[0] != "commit":
		return errRefFailed
	}
	return nil
}

// readOnlyRef tells the references that only GitHub moves.
func readOnlyRef(ref string) bool {
	for _, prefix := range []string{"refs/pull/", "refs/scratch/", "refs/heads/" + queuePrefix} {
		if strings.HasPrefix(ref, prefix) {
			return true
		}
	}
	return false
}
