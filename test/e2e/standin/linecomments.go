package standin

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lineComment is a comment of a review on a line of the diff.
type lineComment struct {
	id        int64
	review    *review
	body      string
	path      string
	hunk      string
	position  int // lines below the first @@ of the file
	line      int
	startLine int // 0 for a single line
	side      string
	startSide string
	created   time.Time
}

// lineRequest is one entry of "comments" of a review: by line, or by position in the diff.
type lineRequest struct {
	Path      string  `json:"path"`
	Position  *int    `json:"position"`
	Body      string  `json:"body"`
	Line      *int    `json:"line"`
	Side      string  `json:"side"`
	StartLine *int    `json:"start_line"`
	StartSide *string `json:"start_side"`
}

// diffLine is one line of a patch.
type diffLine struct {
	old, new int // 0 where the line does not exist
	hunk     int // index of the patch line that starts the hunk
}

var hunkHead = regexp.MustCompile(`^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@`)

// patchLines numbers the lines of a patch; the index is the position.
func patchLines(patch string) []diffLine {
	var out []diffLine
	var from, to, hunk int
	for i, text := range strings.Split(patch, "\n") {
		if m := hunkHead.FindStringSubmatch(text); m != nil {
			from, _ = strconv.Atoi(m[1]) // digits
			to, _ = strconv.Atoi(m[2])
			hunk = i
			out = append(out, diffLine{hunk: i})
			continue
		}
		l := diffLine{hunk: hunk}
		if !strings.HasPrefix(text, "+") && !strings.HasPrefix(text, `\`) {
			l.old = from
			from++
		}
		if !strings.HasPrefix(text, "-") && !strings.HasPrefix(text, `\`) {
			l.new = to
			to++
		}
		out = append(out, l)
	}
	return out
}

// place finds the line of a comment in the patch.
func (in *lineRequest) place(patch string) (*lineComment, error) {
	if in.Body == "" {
		return nil, unprocessable("Pull request review comment body can't be blank")
	}
	lines, texts := patchLines(patch), strings.Split(patch, "\n")
	out := &lineComment{body: in.Body, path: in.Path, side: in.Side}
	if out.side == "" {
		out.side = "RIGHT"
	}
	if out.side != "LEFT" && out.side != "RIGHT" {
		return nil, unprocessable("Pull request review comment side is invalid")
	}
	number := func(l diffLine, side string) int {
		if side == "LEFT" {
			return l.old
		}
		return l.new
	}
	at := -1
	switch {
	case in.Line != nil && *in.Line > 0:
		at = slices.IndexFunc(lines, func(l diffLine) bool { return number(l, out.side) == *in.Line })
	case in.Position != nil && *in.Position > 0 && *in.Position < len(lines):
		if at = *in.Position; number(lines[at], out.side) == 0 {
			out.side = map[string]string{"LEFT": "RIGHT", "RIGHT": "LEFT"}[out.side]
		}
	}
	if at < 0 || patch == "" {
		return nil, unprocessable("Line could not be resolved")
	}
	out.position, out.line = at, number(lines[at], out.side)
	if in.StartLine != nil {
		if out.startLine, out.startSide = *in.StartLine, out.side; in.StartSide != nil {
			out.startSide = *in.StartSide
		}
		first := slices.IndexFunc(lines, func(l diffLine) bool { return number(l, out.startSide) == out.startLine })
		if first < 0 || first >= at || lines[first].hunk != lines[at].hunk {
			return nil, unprocessable("Start line must precede the end line and be in the same hunk")
		}
	}
	out.hunk = strings.Join(texts[lines[at].hunk:at+1], "\n")
	return out, nil
}

// findLines finds the lines of comments in the diff.
func (s *Server) findLines(c *call, requests []lineRequest) ([]*lineComment, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	pr, err := c.lockedPull()
	if err != nil {
		return nil, err
	}
	if err := s.fresh(c.ctx, pr); err != nil {
		return nil, err
	}
	s.mu.Lock()
	ends := diffEnds{pr.mergeBase, pr.headSHA}
	s.mu.Unlock()
	if ends.from == "" {
		return nil, unprocessable("Path could not be resolved")
	}
	files, err := pr.repo.git.diff(c.ctx, ends.from, ends.to, true)
	if err != nil {
		return nil, err
	}
	var out []*lineComment
	for _, one := range requests {
		i := slices.IndexFunc(files, func(f fileChange) bool { return f.path == one.Path })
		if i < 0 {
			return nil, unprocessable("Path could not be resolved")
		}
		l, err := one.place(files[i].patch)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

func (s *Server) lineRoutes() []route {
	read := anyOf("pull_requests:read")
	return []route{
		{method: "GET", pattern: repoPath + "/pulls/{number}/comments", perms: read, handle: locked(s.listLineComments)},
		{method: "GET", pattern: repoPath + "/pulls/{number}/reviews/{review_id}/comments", perms: read, handle: locked(s.listReviewLines)},
	}
}

// lineJSON is "pull-request-review-comment".
type lineJSON struct {
	URL               string              `json:"url"`
	ReviewID          int64               `json:"pull_request_review_id"`
	ID                int64               `json:"id"`
	NodeID            string              `json:"node_id"`
	DiffHunk          string              `json:"diff_hunk"`
	Path              string              `json:"path"`
	Position          int                 `json:"position"`
	OriginalPosition  int                 `json:"original_position"`
	CommitID          string              `json:"commit_id"`
	OriginalCommitID  string              `json:"original_commit_id"`
	User              *userJSON           `json:"user"`
	Body              string              `json:"body"`
	CreatedAt         stamp               `json:"created_at"`
	UpdatedAt         stamp               `json:"updated_at"`
	HTMLURL           string              `json:"html_url"`
	PullRequestURL    string              `json:"pull_request_url"`
	AuthorAssociation string              `json:"author_association"`
	Links             map[string]hrefJSON `json:"_links"`
	StartLine         *int                `json:"start_line"`
	OriginalStartLine *int                `json:"original_start_line"`
	StartSide         *string             `json:"start_side"`
	Line              int                 `json:"line"`
	OriginalLine      int                 `json:"original_line"`
	Side              string              `json:"side"`
	SubjectType       string              `json:"subject_type,omitempty"`
	Reactions         reactionsJSON       `json:"reactions"`
}

func (s *Server) lineComment(l *lineComment) lineJSON {
	v := l.review
	links := v.pull.links()
	u := fmt.Sprintf("%s/pulls/comments/%d", v.pull.repo.links.URL, l.id)
	html := fmt.Sprintf("%s#discussion_r%d", links.HTMLURL, l.id)
	out := lineJSON{URL: u, ReviewID: v.id, ID: l.id, NodeID: nodeID("PRRC", l.id), DiffHunk: l.hunk, Path: l.path,
		Position: l.position, OriginalPosition: l.position, CommitID: v.commit, OriginalCommitID: v.commit, User: v.author.simple(),
		Body: l.body, CreatedAt: stamp(l.created), UpdatedAt: stamp(l.created), HTMLURL: html, PullRequestURL: links.URL,
		AuthorAssociation: s.association(v.author, v.pull.repo), Line: l.line, OriginalLine: l.line, Side: l.side, SubjectType: "line",
		Reactions: reactionsJSON{URL: u + "/reactions"}, Links: map[string]hrefJSON{"self": {u}, "html": {html}, "pull_request": {links.URL}}}
	if l.startLine != 0 {
		out.StartLine, out.OriginalStartLine, out.StartSide = &l.startLine, &l.startLine, &l.startSide
	}
	return out
}

// emitLines sends an event for every comment of a review; it needs Server.mu.
func (s *Server) emitLines(v *review, sender *account) {
	for _, l := range v.lines {
		s.emit(v.pull.repo, sender, "pull_request_review_comment", "created",
			map[string]any{"comment": s.lineComment(l), "pull_request": s.simplePull(v.pull)})
	}
}

func (s *Server) listLineComments(c *call) (any, error) {
	pr, err := c.pull()
	if err != nil {
		return nil, err
	}
	out := []lineJSON{}
	for _, v := range pr.reviews {
		if v.state != "PENDING" { // not even their author finds them here
			for _, l := range v.lines {
				out = append(out, s.lineComment(l))
			}
		}
	}
	return page(c, out)
}

func (s *Server) listReviewLines(c *call) (any, error) {
	v, err := c.review()
	if err != nil {
		return nil, err
	}
	out := []lineJSON{}
	for _, l := range v.lines {
		out = append(out, s.lineComment(l))
	}
	return page(c, out)
}
