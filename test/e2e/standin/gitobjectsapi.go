package standin

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxBlob is the largest blob the API reads ("This endpoint supports blobs up to 100 megabytes in size").
const maxBlob = 100 << 20

// wrap64 is base64 as GitHub writes it, with a line break after every 60 characters.
func wrap64(raw []byte) string {
	text := base64.StdEncoding.EncodeToString(raw)
	var out strings.Builder
	for part := range slices.Chunk([]byte(text), 60) {
		out.Write(part)
		out.WriteByte('\n')
	}
	return out.String()
}

// decode64 reads base64 with or without line breaks.
func decode64(text string) ([]byte, bool) {
	raw, err := base64.StdEncoding.DecodeString(strings.NewReplacer("\n", "", "\r", "", " ", "").Replace(text))
	return raw, err == nil
}

func (s *Server) createBlob(c *call) (any, error) {
	var in struct {
		Content  *string `json:"content"`
		Encoding string  `json:"encoding"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if in.Content == nil {
		return nil, missingKey("content")
	}
	if err := s.locked(func() error { return s.needs(c.actor, c.repo, roleWrite) }); err != nil {
		return nil, err
	}
	raw := []byte(*in.Content)
	switch in.Encoding {
	case "", "utf-8":
	case "base64":
		var ok bool
		if raw, ok = decode64(*in.Content); !ok {
			return nil, refuse(http.StatusUnprocessableEntity, "content is not valid Base64")
		}
	default:
		return nil, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\nencoding must be one of utf-8, base64.")
	}
	sha, err := c.repo.git.hash(c.ctx, "blob", raw)
	if err != nil {
		return nil, err
	}
	u := c.repo.links.URL + "/git/blobs/" + sha
	c.header.Set("Location", u)
	return c.created(map[string]string{"sha": sha, "url": u})
}

// named is the object of the path: 422 for what is no name, 404 for what is not there.
func (c *call) named(kind string) (sha string, raw []byte, err error) {
	if sha = c.r.PathValue("sha"); !isSHA(sha) {
		return "", nil, refuse(http.StatusUnprocessableEntity, "The sha parameter must be exactly 40 characters and contain only [0-9a-f].")
	}
	raw, ok, err := c.repo.git.object(c.ctx, kind, sha)
	if err == nil && !ok {
		err = notFound()
	}
	return sha, raw, err
}

func (s *Server) getBlob(c *call) (any, error) {
	sha, raw, err := c.named("blob")
	if err != nil {
		return nil, err
	}
	if len(raw) > maxBlob {
		return nil, tooLarge()
	}
	if c.accepts("raw") {
		return rawAnswer{"application/vnd.github.raw; charset=utf-8", raw}, nil
	}
	return map[string]any{"sha": sha, "node_id": "B_" + sha, "size": len(raw), "url": c.repo.links.URL + "/git/blobs/" + sha,
		"content": wrap64(raw), "encoding": "base64"}, nil
}

func tooLarge() error {
	err := refuse(http.StatusForbidden, "This API returns blobs up to 100 MB in size. The requested blob is too large to fetch via the API, but you can always clone the repository via Git to get it.")
	err.Errors = []FieldError{{Resource: "Blob", Field: "data", Code: "too_large"}}
	return err
}

// dataCommitJSON is "git-commit".
type dataCommitJSON struct {
	SHA          string           `json:"sha"`
	NodeID       string           `json:"node_id"`
	URL          string           `json:"url"`
	HTMLURL      string           `json:"html_url"`
	Author       gitUserJSON      `json:"author"`
	Committer    gitUserJSON      `json:"committer"`
	Tree         shaJSON          `json:"tree"`
	Message      string           `json:"message"`
	Parents      []shaJSON        `json:"parents"`
	Verification verificationJSON `json:"verification"`
}

// dataCommit needs Server.mu.
func (s *Server) dataCommit(r *repository, c *commit) dataCommitJSON {
	full := s.commit(r, c)
	out := dataCommitJSON{SHA: c.sha, NodeID: full.NodeID, URL: full.Commit.URL, HTMLURL: full.HTMLURL, Author: full.Commit.Author,
		Committer: full.Commit.Committer, Tree: full.Commit.Tree, Message: full.Commit.Message, Parents: full.Parents, Verification: full.Commit.Verification}
	for i, p := range c.parents {
		out.Parents[i].URL = r.links.URL + "/git/commits/" + p
	}
	return out
}

func (s *Server) getGitCommit(c *call) (any, error) {
	sha, _, err := c.named("commit")
	if err != nil {
		return nil, err
	}
	commit, err := c.repo.git.commit(c.ctx, sha)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dataCommit(c.repo, commit), nil
}

// personRequest is an author, committer or tagger of a request.
type personRequest struct {
	Name  *string `json:"name"`
	Email *string `json:"email"`
	Date  *string `json:"date"`
}

// read falls back to what GitHub would write for what is not given. Name and e-mail are needed unless optional.
func (p *personRequest) read(what string, otherwise signature, optional bool) (signature, error) {
	if p == nil {
		return otherwise, nil
	}
	out := otherwise
	for _, f := range []struct {
		name string
		text *string
		into *string
	}{{"name", p.Name, &out.Name}, {"email", p.Email, &out.Email}} {
		if f.text == nil {
			if !optional {
				return out, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n\"%s.%s\" wasn't supplied.", what, f.name)
			}
			continue
		}
		// git drops these characters from identities.
		*f.into = strings.TrimSpace(strings.NewReplacer("<", "", ">", "", "\n", "", "\x00", "").Replace(*f.text))
		if *f.into == "" {
			return out, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%s.%s is empty.", what, f.name)
		}
	}
	if p.Date != nil {
		at, err := time.Parse(time.RFC3339, *p.Date)
		if err != nil || at.Unix() < 0 {
			return out, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%q is not a time.", *p.Date)
		}
		out.when = at
	}
	return out, nil
}

// commitRequest is the body of POST git/commits.
type commitRequest struct {
	Message   *string        `json:"message"`
	Tree      *string        `json:"tree"`
	Parents   []string       `json:"parents"`
	Author    *personRequest `json:"author"`
	Committer *personRequest `json:"committer"`
	Signature *string        `json:"signature"`
}

func (s *Server) createCommit(c *call) (any, error) {
	var in commitRequest
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if err := s.locked(func() error { return s.needs(c.actor, c.repo, roleWrite) }); err != nil {
		return nil, err
	}
	n, err := s.readCommit(c, in)
	if err != nil {
		return nil, err
	}
	sha, err := c.repo.git.store(c.ctx, n)
	if err != nil {
		return nil, err
	}
	commit, err := c.repo.git.commit(c.ctx, sha)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.dataCommit(c.repo, commit)
	c.header.Set("Location", out.URL)
	return c.created(out)
}

func (s *Server) readCommit(c *call, in commitRequest) (n newObject, err error) {
	switch {
	case in.Message == nil:
		return n, missingKey("message")
	case in.Tree == nil:
		return n, missingKey("tree")
	case strings.Contains(*in.Message, "\x00") || (in.Signature != nil && strings.ContainsAny(*in.Signature, "\x00\r")):
		return n, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\nmessage and signature have no control characters.")
	}
	objects := append([]string{*in.Tree}, in.Parents...)
	for i, sha := range objects {
		if !isSHA(sha) {
			return n, missingObject(i)
		}
	}
	kinds, err := c.repo.git.kinds(c.ctx, objects...)
	if err != nil {
		return n, err
	}
	for i, kind := range kinds {
		if kind != [2]string{"tree", "commit"}[min(i, 1)] {
			return n, missingObject(i)
		}
	}
	me := signature{c.actor.user.identity(), s.now()}
	n = newObject{tree: *in.Tree, parents: in.Parents, message: *in.Message}
	if n.author, err = in.Author.read("author", me, false); err != nil {
		return n, err
	}
	if n.committer, err = in.Committer.read("committer", n.author, true); err != nil {
		return n, err
	}
	if in.Signature != nil {
		n.signed = *in.Signature
		return n, nil
	}
	if c.actor.kind == installationToken && in.Author == nil && in.Committer == nil {
		n.committer, n.sign = signature{webFlow, me.when}, s.signAsGitHub
	}
	return n, nil
}

// missingObject is the refusal for the tree (0) or a parent (1 and more) of a new commit.
func missingObject(i int) error {
	if i == 0 {
		return refuse(http.StatusUnprocessableEntity, "Tree SHA does not exist")
	}
	return refuse(http.StatusUnprocessableEntity, "Parent SHA does not exist or is not a commit object")
}

// tagJSON is "git-tag".
type tagJSON struct {
	NodeID       string           `json:"node_id"`
	Tag          string           `json:"tag"`
	SHA          string           `json:"sha"`
	URL          string           `json:"url"`
	Message      string           `json:"message"`
	Tagger       gitUserJSON      `json:"tagger"`
	Object       objectJSON       `json:"object"`
	Verification verificationJSON `json:"verification"`
}

// readTag turns a raw tag object into an answer; it needs Server.mu.
func (s *Server) readTag(r *repository, sha, raw string) tagJSON {
	out := tagJSON{NodeID: "TA_" + sha, SHA: sha, URL: r.links.URL + "/git/tags/" + sha}
	payload, armoured := raw, ""
	if at := strings.Index(raw, "\n-----BEGIN "); at >= 0 { // signatures stand at the end of the message
		payload, armoured = raw[:at+1], raw[at+1:]
	}
	head, message, _ := strings.Cut(payload, "\n\n")
	out.Message = strings.TrimSuffix(message, "\n")
	var object, kind string
	var tagger signature
	for line := range strings.SplitSeq(head, "\n") {
		switch key, value, _ := strings.Cut(line, " "); key {
		case "object":
			object = value
		case "type":
			kind = value
		case "tag":
			out.Tag = value
		case "tagger":
			tagger = parseSignature(value)
		}
	}
	out.Object, out.Tagger = gitObject(r, kind, object), gitUser(tagger)
	if armoured == "" {
		payload = ""
	}
	out.Verification = s.verify(sha, armoured, payload, tagger.Email)
	return out
}

func (s *Server) getTag(c *call) (any, error) {
	sha, raw, err := c.named("tag")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readTag(c.repo, sha, string(raw)), nil
}

// createTag stores a tag object; a reference to it is a call of its own.
func (s *Server) createTag(c *call) (any, error) {
	var in struct {
		Tag     *string        `json:"tag"`
		Message *string        `json:"message"`
		Object  *string        `json:"object"`
		Type    *string        `json:"type"`
		Tagger  *personRequest `json:"tagger"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	for _, need := range []struct {
		name string
		text *string
	}{{"tag", in.Tag}, {"message", in.Message}, {"object", in.Object}, {"type", in.Type}} {
		if need.text == nil {
			return nil, missingKey(need.name)
		}
	}
	if err := s.locked(func() error { return s.needs(c.actor, c.repo, roleWrite) }); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"commit", "tree", "blob"}, *in.Type) || !c.repo.git.validRef(c.ctx, "refs/tags/"+*in.Tag) ||
		strings.Contains(*in.Message, "\x00") {
		return nil, invalid("Tag", "type", "invalid")
	}
	if _, ok, err := c.repo.git.object(c.ctx, *in.Type, *in.Object); err != nil {
		return nil, err
	} else if !ok {
		return nil, refuse(http.StatusUnprocessableEntity, "Could not resolve to a node with the oid of '%s'.", *in.Object)
	}
	tagger, err := in.Tagger.read("tagger", signature{c.actor.user.identity(), s.now()}, false)
	if err != nil {
		return nil, err
	}
	raw := fmt.Sprintf("object %s\ntype %s\ntag %s\ntagger %s\n\n%s\n", *in.Object, *in.Type, *in.Tag, tagger.line(), strings.TrimSuffix(*in.Message, "\n"))
	sha, err := c.repo.git.hash(c.ctx, "tag", []byte(raw))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.readTag(c.repo, sha, raw)
	c.header.Set("Location", out.URL)
	return c.created(out)
}
