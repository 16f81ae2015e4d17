package standin

import (
	"net/http"
	"slices"
	"strings"
)

// comparisonJSON is "commit-comparison".
type comparisonJSON struct {
	URL             string       `json:"url"`
	HTMLURL         string       `json:"html_url"`
	PermalinkURL    string       `json:"permalink_url"`
	DiffURL         string       `json:"diff_url"`
	PatchURL        string       `json:"patch_url"`
	BaseCommit      commitJSON   `json:"base_commit"`
	MergeBaseCommit commitJSON   `json:"merge_base_commit"`
	Status          string       `json:"status"`
	AheadBy         int          `json:"ahead_by"`
	BehindBy        int          `json:"behind_by"`
	TotalCommits    int          `json:"total_commits"`
	Commits         []commitJSON `json:"commits"`
	Files           []fileJSON   `json:"files,omitempty"`
}

// maxCompared is how many commits a comparison lists without paging; they are the newest ones.
const maxCompared = 250

// compareEnd resolves "ref", "owner:ref" or "owner:repository:ref". A commit of a fork is fetched, as forks share their objects on GitHub.
func (s *Server) compareEnd(c *call, text string) (string, error) {
	repo, ref := c.repo, text
	if owner, rest, named := strings.Cut(text, ":"); named {
		s.mu.Lock()
		repo, ref = s.inNetwork(c.repo, owner), rest
		if name, branch, three := strings.Cut(rest, ":"); three {
			if repo, ref = s.names[fold(owner+"/"+name)], branch; repo != nil && repo.work != c.repo.work {
				repo = nil
			}
		}
		visible := repo != nil && s.sees(c.actor, repo)
		s.mu.Unlock()
		if !visible {
			return "", notFound()
		}
	}
	sha, err := s.resolve(c.ctx, repo, ref)
	if err != nil {
		return "", err
	}
	if sha == "" {
		return "", notFound()
	}
	if repo != c.repo {
		_, err = c.repo.git.line(c.ctx, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", repo.git.dir, sha)
	}
	return sha, err
}

func (s *Server) compare(c *call) (any, error) {
	baseName, headName, ok := strings.Cut(c.r.PathValue("basehead"), "...")
	if !ok || baseName == "" || headName == "" {
		return nil, notFound()
	}
	base, err := s.compareEnd(c, baseName)
	if err != nil {
		return nil, err
	}
	head, err := s.compareEnd(c, headName)
	if err != nil {
		return nil, err
	}
	git := c.repo.git
	mergeBase, err := git.mergeBase(c.ctx, base, head)
	if err != nil {
		return nil, err
	}
	if mergeBase == "" {
		return nil, refuse(http.StatusNotFound, "No common ancestor between %s and %s.", baseName, headName)
	}
	if text, ok, err := c.asText(mergeBase, head); ok || err != nil {
		return text, err
	}
	ahead, err := git.revList(c.ctx, "--reverse", base+".."+head)
	if err != nil {
		return nil, err
	}
	behind, err := git.revList(c.ctx, head+".."+base)
	if err != nil {
		return nil, err
	}
	files, err := git.diff(c.ctx, mergeBase, head, true)
	if err != nil {
		return nil, err
	}
	shown := ahead
	if q := c.r.URL.Query(); q.Has("page") || q.Has("per_page") {
		if shown, err = page(c, ahead); err != nil {
			return nil, err
		}
		if p := q.Get("page"); p != "" && p != "1" {
			files = nil
		}
	} else {
		shown = shown[max(len(shown)-maxCompared, 0):]
	}
	commits, err := git.commits(c.ctx, slices.Concat([]string{base, mergeBase}, shown)...)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	html := c.repo.links.HTMLURL + "/compare/"
	return comparisonJSON{
		URL: c.repo.links.URL + "/compare/" + baseName + "..." + headName, HTMLURL: html + baseName + "..." + headName,
		PermalinkURL: html + base[:12] + "..." + head[:12], DiffURL: html + baseName + "..." + headName + ".diff",
		PatchURL: html + baseName + "..." + headName + ".patch", BaseCommit: s.commit(c.repo, commits[0]),
		MergeBaseCommit: s.commit(c.repo, commits[1]), Status: compareStatus(len(ahead), len(behind)),
		AheadBy: len(ahead), BehindBy: len(behind), TotalCommits: len(ahead), Commits: s.commitList(c.repo, commits[2:]),
		Files: fileList(c.repo, head, files[:min(len(files), maxCommitFiles)]),
	}, nil
}

func compareStatus(ahead, behind int) string {
	switch {
	case ahead > 0 && behind > 0:
		return "diverged"
	case ahead > 0:
		return "ahead"
	case behind > 0:
		return "behind"
	}
	return "identical"
}

// listPullsOfCommit answers for a commit of the default branch with the merged pull requests that
// brought it, into whichever base, and for others with open and merged ones; after the index's lag.
func (s *Server) listPullsOfCommit(c *call) (any, error) {
	sha, err := s.mustResolve(c.ctx, c.repo, c.r.PathValue("sha"))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	main := c.repo.branch(c.repo.defaultBranch)
	s.mu.Unlock()
	onMain, err := c.repo.git.isAncestor(c.ctx, sha, main)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*pull
	for _, pr := range c.repo.sortedPulls() {
		since := pr.headPushed
		if !pr.merged.IsZero() {
			since = pr.merged
		}
		has := slices.Contains(pr.commits, sha) || (!pr.merged.IsZero() && slices.Contains(pr.landed, sha))
		open := pr.state() == "open" && !onMain
		if has && (open || !pr.merged.IsZero()) && !s.now().Before(since.Add(s.indexLag)) {
			found = append(found, pr)
		}
	}
	if found, err = page(c, found); err != nil {
		return nil, err
	}
	out := []pullJSON{}
	for _, pr := range found {
		out = append(out, s.simplePull(pr))
	}
	return out, nil
}
