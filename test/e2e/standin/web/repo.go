package web

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

type branchRow struct {
	Name    string
	Tip     standin.Commit
	Default bool
}

type treeData struct {
	Ref, Path string
	IsBranch  bool
	Branches  []string
	Entries   []standin.TreeEntry
	Tip       standin.Commit
	Commits   []standin.Commit // at the root
	Activity  []standin.Activity
	Pulls     []standin.Pull
	Readme    string
	People    []profileRepo // login and role
}

// repository is the front page of a repository.
func (s *Site) repository(w http.ResponseWriter, r *http.Request) error {
	p, err := s.repoPage(r, "files", "")
	if err != nil {
		return err
	}
	p.Title = p.Repo.Name
	return s.folder(w, p, p.Repo.DefaultBranch, "", true)
}

// tree is a folder at a branch or commit.
func (s *Site) tree(w http.ResponseWriter, r *http.Request) error {
	p, err := s.repoPage(r, "files", "")
	if err != nil {
		return err
	}
	ref, path, err := s.gh.SplitRef(p.Repo.Name, r.PathValue("rest"))
	if err != nil {
		return err
	}
	p.Title = p.Repo.Name + " at " + ref
	return s.folder(w, p, ref, path, false)
}

func (s *Site) folder(w http.ResponseWriter, p page, ref, path string, front bool) error {
	name := p.Repo.Name
	data := treeData{Ref: ref, Path: path, IsBranch: p.Repo.Branches[ref] != "", Branches: slices.Sorted(maps.Keys(p.Repo.Branches))}
	var err error
	if data.Entries, err = s.gh.Tree(name, ref, path); err != nil {
		return err
	}
	commits, err := s.gh.Commits(name, ref, 8)
	if err != nil {
		return err
	}
	data.Tip = commits[0]
	for _, e := range data.Entries {
		if strings.EqualFold(e.Name, "README.md") && e.Kind == "blob" {
			text, _, err := s.gh.File(name, ref, strings.TrimPrefix(path+"/"+e.Name, "/"))
			if err != nil {
				return err
			}
			data.Readme = string(text)
		}
	}
	if front {
		data.Commits = commits
		if data.Activity, err = s.newestActivity(name, 8); err != nil {
			return err
		}
		pulls, err := s.gh.Pulls(name)
		if err != nil {
			return err
		}
		data.Pulls = slices.DeleteFunc(pulls, func(pr standin.Pull) bool { return pr.State != "open" })
		for _, login := range slices.Sorted(maps.Keys(p.Repo.Roles)) {
			data.People = append(data.People, profileRepo{Name: login, Role: p.Repo.Roles[login]})
		}
	}
	p.Data = data
	return s.render(w, http.StatusOK, "tree", p)
}

func (s *Site) newestActivity(repo string, limit int) ([]standin.Activity, error) {
	list, err := s.gh.RepositoryActivity(repo)
	slices.Reverse(list)
	return list[:min(len(list), limit)], err
}

type blobData struct {
	Ref, Path string
	IsBranch  bool
	Binary    bool
	Size      int64
	Lines     []string
	Cut       int // lines that are not shown
	Rendered  string
}

const maxBlobLines = 5000

// blob is a file at a branch or commit.
func (s *Site) blob(w http.ResponseWriter, r *http.Request) error {
	p, err := s.repoPage(r, "files", "")
	if err != nil {
		return err
	}
	ref, path, err := s.gh.SplitRef(p.Repo.Name, r.PathValue("rest"))
	if err != nil {
		return err
	}
	content, _, err := s.gh.File(p.Repo.Name, ref, path)
	if err != nil {
		return s.removed(w, r, "blob", ref, path, err)
	}
	data := blobData{Ref: ref, Path: path, IsBranch: p.Repo.Branches[ref] != "", Size: int64(len(content)), Binary: isBinary(content)}
	if !data.Binary {
		data.Lines = strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
		if extra := len(data.Lines) - maxBlobLines; extra > 0 {
			data.Lines, data.Cut = data.Lines[:maxBlobLines], extra
		}
		if strings.HasSuffix(strings.ToLower(path), ".md") {
			data.Rendered = string(content)
		}
	}
	p.Title = path + " at " + ref
	p.Data = data
	return s.render(w, http.StatusOK, "blob", p)
}

// removed leads to the last commit that had a file: blob_url of a removed file names the commit that lacks it.
func (s *Site) removed(w http.ResponseWriter, r *http.Request, kind, ref, path string, err error) error {
	name := r.PathValue("owner") + "/" + r.PathValue("repo")
	last, lastErr := s.gh.LastWith(name, ref, path)
	if !errors.Is(err, standin.ErrNotFound) || lastErr != nil {
		return err
	}
	http.Redirect(w, r, link("/", name, "/", kind, "/", last, "/", path), http.StatusFound)
	return nil
}

func isBinary(content []byte) bool {
	return !utf8.Valid(content) || slices.Contains(content, 0)
}

// raw is a file as it is. It is never shown as a page of this site.
func (s *Site) raw(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("owner") + "/" + r.PathValue("repo")
	ref, path, err := s.gh.SplitRef(name, r.PathValue("rest"))
	if err != nil {
		return err
	}
	content, _, err := s.gh.File(name, ref, path)
	if err != nil {
		return s.removed(w, r, "raw", ref, path, err)
	}
	kind := "text/plain; charset=utf-8"
	if isBinary(content) {
		kind = "application/octet-stream"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	_, _ = w.Write(content) // the reader may be gone
	return nil
}

type commitsData struct {
	Ref     string
	Commits []standin.Commit
}

// maxCommits is how many commits a list shows.
const maxCommits = 200

// commits lists what a branch has.
func (s *Site) commits(w http.ResponseWriter, r *http.Request) error {
	p, err := s.repoPage(r, "commits", "")
	if err != nil {
		return err
	}
	list, err := s.gh.Commits(p.Repo.Name, r.PathValue("rest"), maxCommits)
	if err != nil {
		return err
	}
	p.Title = "Commits of " + r.PathValue("rest")
	p.Data = commitsData{r.PathValue("rest"), list}
	return s.render(w, http.StatusOK, "commits", p)
}

type commitData struct {
	Commit standin.Commit
	Diff   diffView
	Checks []checkView
	Pulls  []standin.Pull
}

// commit is one commit with what it changed.
func (s *Site) commit(w http.ResponseWriter, r *http.Request) error {
	p, err := s.repoPage(r, "commits", "")
	if err != nil {
		return err
	}
	c, files, err := s.gh.CommitDiff(p.Repo.Name, r.PathValue("sha"))
	if err != nil {
		return err
	}
	data := commitData{Commit: c, Diff: diffView{Repo: p.Repo.Name, Ref: c.SHA, Files: files}}
	if data.Checks, err = s.checksOf(p.Repo.Name, c.SHA); err != nil {
		return err
	}
	pulls, err := s.gh.Pulls(p.Repo.Name)
	if err != nil {
		return err
	}
	for _, pr := range pulls {
		if pr.MergeCommitSHA == c.SHA && pr.Merged || slices.Contains(pr.Commits, c.SHA) {
			data.Pulls = append(data.Pulls, pr)
		}
	}
	p.Title = visible(c.Title())
	p.Data = data
	return s.render(w, http.StatusOK, "commit", p)
}

// branches lists branches, the default one first and then by the time of their last commit.
func (s *Site) branches(w http.ResponseWriter, r *http.Request) error {
	p, err := s.repoPage(r, "branches", "")
	if err != nil {
		return err
	}
	var rows []branchRow
	for name := range p.Repo.Branches {
		tip, err := s.gh.Commits(p.Repo.Name, p.Repo.Branches[name], 1)
		if err != nil {
			return err
		}
		rows = append(rows, branchRow{name, tip[0], name == p.Repo.DefaultBranch})
	}
	slices.SortFunc(rows, func(a, b branchRow) int {
		if a.Default != b.Default {
			return map[bool]int{true: -1, false: 1}[a.Default]
		}
		return cmp.Or(b.Tip.Committed.Compare(a.Tip.Committed), strings.Compare(a.Name, b.Name))
	})
	p.Title, p.Data = "Branches of "+p.Repo.Name, rows
	return s.render(w, http.StatusOK, "branches", p)
}

// activity tells who moved which branch when.
func (s *Site) activity(w http.ResponseWriter, r *http.Request) error {
	p, err := s.repoPage(r, "activity", "")
	if err != nil {
		return err
	}
	list, err := s.newestActivity(p.Repo.Name, maxCommits)
	if err != nil {
		return err
	}
	p.Title, p.Data = fmt.Sprintf("Activity in %s", p.Repo.Name), list
	return s.render(w, http.StatusOK, "activity", p)
}
