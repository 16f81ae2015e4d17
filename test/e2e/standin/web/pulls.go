package web

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

type pullsData struct {
	Open, Closed int
	Which        string
	Pulls        []standin.Pull
}

// pulls lists pull requests.
func (s *Site) pulls(w http.ResponseWriter, r *http.Request) error {
	p, err := s.repoPage(r, "pulls", "")
	if err != nil {
		return err
	}
	all, err := s.gh.Pulls(p.Repo.Name)
	if err != nil {
		return err
	}
	data := pullsData{Which: r.URL.Query().Get("state")}
	if data.Which != "closed" && data.Which != "all" {
		data.Which = "open"
	}
	for _, pr := range all {
		if pr.State == "open" {
			data.Open++
		} else {
			data.Closed++
		}
		if data.Which == "all" || pr.State == data.Which {
			data.Pulls = append(data.Pulls, pr)
		}
	}
	p.Title, p.Data = "Pull requests of "+p.Repo.Name, data
	return s.render(w, http.StatusOK, "pulls", p)
}

// entry is one item of a conversation: exactly one of Review, Comment and Event is set.
type entry struct {
	Review    *standin.Review
	Current   bool // the review is of the head
	Comment   *standin.Comment
	Bot       bool
	Event     *standin.TimelineEvent
	Dismissed string // who wrote the review that the event dismissed
}

// reviewer is what one person's newest review says.
type reviewer struct {
	Login, State string
	Current      bool
}

type pullData struct {
	Pull       standin.Pull
	Entries    []entry
	Checks     []checkView
	Statuses   []standin.Status
	Commits    []standin.Commit
	Diff       diffView
	Behind     int
	Reviewers  []reviewer
	Candidates []string // for review requests
	Branches   []string
}

// State is open, draft, merged or closed.
func (d pullData) State() string {
	switch {
	case d.Pull.Merged:
		return "merged"
	case d.Pull.State == "closed":
		return "closed"
	case d.Pull.Draft:
		return "draft"
	default:
		return "open"
	}
}

// pull is the page of a pull request; .diff and .patch give its text.
func (s *Site) pull(w http.ResponseWriter, r *http.Request) error {
	text := r.PathValue("number")
	for suffix, mail := range map[string]bool{".diff": false, ".patch": true} {
		if n, found := cutSuffix(text, suffix); found {
			return s.pullText(w, r, n, mail)
		}
	}
	return s.showPull(w, r, http.StatusOK, kept{})
}

func cutSuffix(text, suffix string) (int, bool) {
	if len(text) <= len(suffix) || text[len(text)-len(suffix):] != suffix {
		return 0, false
	}
	n, err := strconv.Atoi(text[:len(text)-len(suffix)])
	return n, err == nil
}

func (s *Site) pullText(w http.ResponseWriter, r *http.Request, number int, mail bool) error {
	text, err := s.gh.PullPatch(r.PathValue("owner")+"/"+r.PathValue("repo"), number, mail)
	if err != nil {
		return err
	}
	plainText(w, text)
	return nil
}

// plainText sends what no browser is to take for a page.
func plainText(w http.ResponseWriter, text []byte) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	_, _ = w.Write(text) // the reader may be gone
}

// showPull shows the page, with a refused form when there is one.
func (s *Site) showPull(w http.ResponseWriter, r *http.Request, status int, refused kept) error {
	p, err := s.repoPage(r, "pulls", "")
	if err != nil {
		return err
	}
	n, err := number(r, "number")
	if err != nil {
		return err
	}
	data, err := s.readPull(*p.Repo, int(n))
	if err != nil {
		return err
	}
	p.Title = visible(data.Pull.Title) + " · #" + strconv.Itoa(data.Pull.Number)
	p.Form, p.Data = refused, data
	return s.render(w, status, "pull", p)
}

func (s *Site) readPull(repo standin.RepositoryView, n int) (pullData, error) {
	data := pullData{}
	var err error
	if data.Pull, err = s.gh.Pull(repo.Name, n); err != nil {
		return data, err
	}
	pr := data.Pull
	if data.Entries, err = s.conversation(repo.Name, pr); err != nil {
		return data, err
	}
	if data.Checks, err = s.checksOf(repo.Name, pr.Head); err != nil {
		return data, err
	}
	for i := range data.Checks {
		data.Checks[i].Pull = n
	}
	if data.Statuses, err = s.gh.Statuses(repo.Name, pr.Head); err != nil {
		return data, err
	}
	if data.Commits, err = s.gh.PullCommits(repo.Name, n); err != nil {
		return data, err
	}
	data.Diff = diffView{Repo: pr.HeadRepo, Ref: pr.Head}
	if data.Diff.Files, err = s.gh.PullDiff(repo.Name, n); err != nil {
		return data, err
	}
	if pr.State == "open" {
		data.Diff.Edit, data.Diff.Pull = pr.Branch, n
		if data.Behind, err = s.gh.Behind(repo.Name, pr.Base, pr.Head); err != nil {
			return data, err
		}
	}
	data.Reviewers = opinions(data.Entries)
	for _, a := range s.gh.Accounts() {
		if repo.Roles[a.Login] != "" && a.Login != pr.Author && !slices.Contains(pr.Reviewers, a.Login) {
			data.Candidates = append(data.Candidates, a.Login)
		}
	}
	for _, t := range s.gh.Teams() {
		if t.Repositories[repo.Name] != "" && !slices.Contains(pr.Teams, t.Slug) {
			data.Candidates = append(data.Candidates, t.Organization+"/"+t.Slug)
		}
	}
	for name := range repo.Branches {
		data.Branches = append(data.Branches, name)
	}
	slices.Sort(data.Branches)
	return data, nil
}

// conversation puts everything that happened in the order of time.
func (s *Site) conversation(repo string, pr standin.Pull) ([]entry, error) {
	events, err := s.gh.Timeline(repo, pr.Number)
	if err != nil {
		return nil, err
	}
	reviews, err := s.gh.Reviews(repo, pr.Number)
	if err != nil {
		return nil, err
	}
	comments, err := s.gh.Comments(repo, pr.Number)
	if err != nil {
		return nil, err
	}
	var out []entry
	for _, e := range events {
		one := entry{Event: &e}
		for _, v := range reviews {
			if e.Review != 0 && v.ID == e.Review {
				one.Dismissed = v.Author
			}
		}
		out = append(out, one)
	}
	for _, v := range reviews {
		if v.State != "PENDING" { // only its author sees a pending review
			out = append(out, entry{Review: &v, Current: v.Commit == pr.Head})
		}
	}
	bots := map[string]bool{}
	for _, a := range s.gh.Accounts() {
		bots[a.Login] = a.Kind == "Bot"
	}
	for _, c := range comments {
		out = append(out, entry{Comment: &c, Bot: bots[c.Author]})
	}
	slices.SortStableFunc(out, func(a, b entry) int { return a.at().Compare(b.at()) })
	return out, nil
}

// opinions is the newest review of everybody that says more than a comment.
func opinions(entries []entry) []reviewer {
	var out []reviewer
	for _, e := range entries {
		if e.Review == nil {
			continue
		}
		one := reviewer{e.Review.Author, e.Review.State, e.Current}
		i := slices.IndexFunc(out, func(v reviewer) bool { return v.Login == one.Login })
		switch {
		case i < 0:
			out = append(out, one)
		case one.State != "COMMENTED" || out[i].State == "COMMENTED":
			out[i] = one
		}
	}
	return out
}
