package web

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// at is when an entry happened.
func (e entry) at() time.Time {
	switch {
	case e.Review != nil:
		return e.Review.Submitted
	case e.Comment != nil:
		return e.Comment.Created
	default:
		return e.Event.Time
	}
}

// checkView is a check run with where it belongs.
type checkView struct {
	standin.CheckRun
	Repo string
	Pull int // the open pull request whose head it is about; 0 when there is none
}

// State is one word for colour and symbol: ok, bad, wait or skip.
func (c checkView) State() string {
	switch {
	case c.Status != "completed":
		return "wait"
	case c.Conclusion == "success":
		return "ok"
	case c.Conclusion == "neutral", c.Conclusion == "skipped":
		return "skip"
	case c.Conclusion == "action_required":
		return "wait"
	default:
		return "bad"
	}
}

// checksOf are the newest check runs of a commit, one for each App and name.
func (s *Site) checksOf(repo, sha string) ([]checkView, error) {
	runs, err := s.gh.CheckRuns(repo, sha)
	if err != nil {
		return nil, err
	}
	var out []checkView
	for _, run := range runs {
		i := slices.IndexFunc(out, func(c checkView) bool { return c.AppID == run.AppID && c.Name == run.Name })
		if i >= 0 {
			out = slices.Delete(out, i, i+1)
		}
		out = append(out, checkView{CheckRun: run, Repo: repo})
	}
	return out, nil
}

// run is the page of one check run.
func (s *Site) run(w http.ResponseWriter, r *http.Request) error {
	p, err := s.repoPage(r, "pulls", "")
	if err != nil {
		return err
	}
	id, err := number(r, "id")
	if err != nil {
		return err
	}
	runs, err := s.gh.CheckRuns(p.Repo.Name, "")
	if err != nil {
		return err
	}
	i := slices.IndexFunc(runs, func(c standin.CheckRun) bool { return c.ID == id })
	if i < 0 {
		return fmt.Errorf("%w: there is no check run %d in %s", standin.ErrNotFound, id, p.Repo.Name)
	}
	view := checkView{CheckRun: runs[i], Repo: p.Repo.Name}
	pulls, err := s.gh.Pulls(p.Repo.Name)
	if err != nil {
		return err
	}
	for _, pr := range pulls {
		if pr.Head == view.SHA {
			view.Pull = pr.Number
		}
	}
	p.Title, p.Data = view.Name, view
	return s.render(w, http.StatusOK, "run", p)
}
