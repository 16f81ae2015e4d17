package standin

import (
	"strings"
	"time"
)

type gitUserJSON struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	Date  stamp  `json:"date"`
}

func gitUser(s signature) gitUserJSON {
	return gitUserJSON{Name: s.Name, Email: s.Email, Date: stamp(s.when)}
}

type shaJSON struct {
	URL     string `json:"url"`
	SHA     string `json:"sha"`
	HTMLURL string `json:"html_url,omitempty"`
}

type gitCommitJSON struct {
	URL          string           `json:"url"`
	Author       gitUserJSON      `json:"author"`
	Committer    gitUserJSON      `json:"committer"`
	Message      string           `json:"message"`
	Tree         shaJSON          `json:"tree"`
	CommentCount int              `json:"comment_count"`
	Verification verificationJSON `json:"verification"`
}

// commitJSON is "commit"; Stats and Files appear when a single commit is read.
type commitJSON struct {
	URL         string        `json:"url"`
	SHA         string        `json:"sha"`
	NodeID      string        `json:"node_id"`
	HTMLURL     string        `json:"html_url"`
	CommentsURL string        `json:"comments_url"`
	Commit      gitCommitJSON `json:"commit"`
	Author      *userJSON     `json:"author"`
	Committer   *userJSON     `json:"committer"`
	Parents     []shaJSON     `json:"parents"`
	Stats       *statsJSON    `json:"stats,omitempty"`
	Files       []fileJSON    `json:"files,omitempty"`
}

type statsJSON struct {
	Additions int `json:"additions"`
	Deletions int `json:"deletions"`
	Total     int `json:"total"`
}

// byEmail is the account a commit's e-mail belongs to, nil when nobody's.
func (s *Server) byEmail(email string) *account { return s.emails[fold(email)] }

func (s *Server) commit(r *repository, c *commit) commitJSON {
	u := r.links.URL
	out := commitJSON{
		URL: u + "/commits/" + c.sha, SHA: c.sha, NodeID: "C_" + c.sha, HTMLURL: r.links.HTMLURL + "/commit/" + c.sha,
		CommentsURL: u + "/commits/" + c.sha + "/comments",
		Commit: gitCommitJSON{
			URL: u + "/git/commits/" + c.sha, Author: gitUser(c.author), Committer: gitUser(c.committer),
			Message: strings.TrimSuffix(c.message, "\n"), Tree: shaJSON{URL: u + "/git/trees/" + c.tree, SHA: c.tree},
			Verification: s.verification(c),
		},
		Author: s.byEmail(c.author.Email).simple(), Committer: s.byEmail(c.committer.Email).simple(), Parents: []shaJSON{},
	}
	for _, p := range c.parents {
		out.Parents = append(out.Parents, shaJSON{URL: u + "/commits/" + p, SHA: p, HTMLURL: r.links.HTMLURL + "/commit/" + p})
	}
	return out
}

func (s *Server) commitList(r *repository, cs []*commit) []commitJSON {
	out := make([]commitJSON, len(cs))
	for i, c := range cs {
		out[i] = s.commit(r, c)
	}
	return out
}

// fileJSON is "diff-entry".
type fileJSON struct {
	SHA              string `json:"sha"`
	Filename         string `json:"filename"`
	Status           string `json:"status"`
	Additions        int    `json:"additions"`
	Deletions        int    `json:"deletions"`
	Changes          int    `json:"changes"`
	BlobURL          string `json:"blob_url"`
	RawURL           string `json:"raw_url"`
	ContentsURL      string `json:"contents_url"`
	Patch            string `json:"patch,omitempty"`
	PreviousFilename string `json:"previous_filename,omitempty"`
}

func fileList(r *repository, head string, changes []fileChange) []fileJSON {
	out := make([]fileJSON, len(changes))
	for i, c := range changes {
		out[i] = fileJSON{
			SHA: c.sha, Filename: c.path, Status: c.status, Additions: c.additions, Deletions: c.deletions,
			Changes: c.additions + c.deletions, BlobURL: r.links.HTMLURL + "/blob/" + head + "/" + c.path,
			RawURL:      r.links.HTMLURL + "/raw/" + head + "/" + c.path,
			ContentsURL: r.links.URL + "/contents/" + c.path + "?ref=" + head, Patch: c.patch, PreviousFilename: c.oldPath,
		}
	}
	return out
}

// pushCommitJSON is a commit in a push event.
type pushCommitJSON struct {
	ID        string       `json:"id"`
	TreeID    string       `json:"tree_id"`
	Distinct  bool         `json:"distinct"`
	Message   string       `json:"message"`
	Timestamp string       `json:"timestamp"`
	URL       string       `json:"url"`
	Author    pushUserJSON `json:"author"`
	Committer pushUserJSON `json:"committer"`
	Added     []string     `json:"added"`
	Removed   []string     `json:"removed"`
	Modified  []string     `json:"modified"`
}

type pushUserJSON struct {
	Name     string `json:"name"`
	Email    string `json:"email"`
	Username string `json:"username,omitempty"`
}

func (s *Server) pushCommit(r *repository, c *commit, t *touched) pushCommitJSON {
	who := func(id Identity) pushUserJSON {
		out := pushUserJSON{Name: id.Name, Email: id.Email}
		if a := s.byEmail(id.Email); a != nil {
			out.Username = a.login
		}
		return out
	}
	if t == nil {
		t = &touched{}
	}
	list := func(in []string) []string { return append([]string{}, in...) }
	return pushCommitJSON{
		ID: c.sha, TreeID: c.tree, Distinct: true, Message: strings.TrimSuffix(c.message, "\n"),
		Timestamp: c.committer.when.Format(time.RFC3339), URL: r.links.HTMLURL + "/commit/" + c.sha,
		Author: who(c.author.Identity), Committer: who(c.committer.Identity),
		Added: list(t.added), Removed: list(t.removed), Modified: list(t.modified),
	}
}
