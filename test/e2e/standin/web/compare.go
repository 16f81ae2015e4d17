package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

type compareData struct {
	Base, Head string // as asked for
	Branches   []string
	Chosen     bool
	Comparison standin.Comparison
	Diff       diffView
	Existing   int // an open pull request for the two
	Title      string
	Deleted    bool // the head is no commit: the branch was deleted
}

const noCommit = "000000000000"

// chooseBranches asks what to compare, or leads on when the form was sent.
func (s *Site) chooseBranches(w http.ResponseWriter, r *http.Request) error {
	p, err := s.repoPage(r, "pulls", "Compare branches")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	if base, head := q.Get("base"), q.Get("head"); base != "" && head != "" {
		http.Redirect(w, r, "/"+p.Repo.Name+"/compare/"+link(base, "...", head), http.StatusSeeOther)
		return nil
	}
	p.Data = compareData{Base: p.Repo.DefaultBranch, Branches: slices.Sorted(maps.Keys(p.Repo.Branches))}
	return s.render(w, http.StatusOK, "compare", p)
}

// compare shows what a branch has that another lacks, and proposes it.
func (s *Site) compare(w http.ResponseWriter, r *http.Request) error {
	name, rest := r.PathValue("owner")+"/"+r.PathValue("repo"), r.PathValue("rest")
	view, err := s.gh.Repository(name)
	if err != nil {
		return err
	}
	for suffix, mail := range map[string]bool{".diff": false, ".patch": true} {
		base, head, both := strings.Cut(strings.TrimSuffix(rest, suffix), "...")
		if !both || !strings.HasSuffix(rest, suffix) || view.Branches[head+suffix] != "" {
			continue
		}
		text, err := s.gh.ComparePatch(name, base, s.headOf(view, head), mail)
		if err != nil {
			return err
		}
		plainText(w, text)
		return nil
	}
	return s.showComparison(w, r, http.StatusOK, kept{})
}

func (s *Site) showComparison(w http.ResponseWriter, r *http.Request, status int, refused kept) error {
	p, err := s.repoPage(r, "pulls", "")
	if err != nil {
		return err
	}
	data := compareData{Chosen: true, Branches: slices.Sorted(maps.Keys(p.Repo.Branches))}
	rest := r.PathValue("rest")
	var both bool
	if data.Base, data.Head, both = strings.Cut(rest, "..."); !both {
		data.Base, data.Head = p.Repo.DefaultBranch, rest
	}
	base := data.Base
	if strings.HasPrefix(base, noCommit) { // of a push that made the branch
		base = p.Repo.DefaultBranch
	}
	p.Title = data.Base + " … " + data.Head
	p.Form = refused
	if data.Deleted = strings.HasPrefix(data.Head, noCommit); data.Deleted {
		p.Data = data
		return s.render(w, status, "compare", p)
	}
	if data.Comparison, err = s.gh.Compare(p.Repo.Name, base, s.headOf(*p.Repo, data.Head)); err != nil {
		return err
	}
	data.Diff = diffView{Repo: p.Repo.Name, Ref: data.Comparison.Head, Files: data.Comparison.Files}
	if n := len(data.Comparison.Commits); n > 0 {
		data.Title = data.Comparison.Commits[n-1].Title()
	}
	pulls, err := s.gh.Pulls(p.Repo.Name)
	if err != nil {
		return err
	}
	for _, pr := range pulls {
		if pr.State == "open" && pr.Base == data.Base && pr.Branch == data.Head {
			data.Existing = pr.Number
		}
	}
	p.Data = data
	return s.render(w, status, "compare", p)
}

// headOf takes the owner off "owner:branch" of the same repository.
func (s *Site) headOf(repo standin.RepositoryView, head string) string {
	owner, branch, named := strings.Cut(head, ":")
	if named && strings.HasPrefix(repo.Name, owner+"/") {
		return branch
	}
	return head
}

// openPull proposes a branch.
func (s *Site) openPull(w http.ResponseWriter, r *http.Request) error {
	values, err := form(r)
	if err != nil {
		return err
	}
	p, err := s.repoPage(r, "pulls", "")
	if err != nil {
		return err
	}
	base, head, ok := strings.Cut(r.PathValue("rest"), "...")
	if !ok || p.Repo.Branches[base] == "" || p.Repo.Branches[head] == "" {
		return fmt.Errorf("%w: a pull request needs two branches", standin.ErrNotFound)
	}
	made, err := s.gh.As(values.Get("as")).OpenPull(p.Repo.Name, standin.PullOptions{
		Base: base, Branch: head, Title: values.Get("title"), Body: values.Get("body"), Draft: values.Get("draft") != ""})
	if err != nil {
		refused, status := s.refuse("open", values, err)
		return s.showComparison(w, r, status, refused)
	}
	http.Redirect(w, r, fmt.Sprintf("/%s/pull/%d?done=open", p.Repo.Name, made.Number), http.StatusSeeOther)
	return nil
}

// editData is a file that is being edited.
type editData struct {
	Ref, Path string
	New       bool
	Content   string
	Blob      string // that was read, to notice when somebody else changed it
	Pull      int    // whose branch is pushed to; 0 when there is none
	Back      string
}

func (d editData) fields(values url.Values) editData {
	d.Content = values.Get("content")
	return d
}
