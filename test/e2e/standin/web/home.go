package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// namedPull is a pull request with its repository.
type namedPull struct {
	standin.Pull
	Repo string
}

// namedDelivery is a delivery with its App.
type namedDelivery struct {
	standin.Delivery
	App string
}

type homeData struct {
	Repositories []standin.RepositoryView
	Open, Recent []namedPull
	Accounts     []standin.Account
	Apps         []standin.AppView
	Deliveries   []namedDelivery
	API          string
}

// home is the start page.
func (s *Site) home(w http.ResponseWriter, r *http.Request) error {
	p := s.page(r, "Stand-in")
	data := homeData{Repositories: s.gh.Repositories(), Accounts: s.gh.Accounts(), Apps: s.gh.Apps(), API: s.gh.APIURL()}
	for _, repo := range data.Repositories {
		pulls, err := s.gh.Pulls(repo.Name)
		if err != nil {
			return err
		}
		for _, pr := range pulls {
			if pr.State == "open" {
				data.Open = append(data.Open, namedPull{pr, repo.Name})
			} else {
				data.Recent = append(data.Recent, namedPull{pr, repo.Name})
			}
		}
	}
	slices.SortStableFunc(data.Recent, func(a, b namedPull) int { return b.Updated.Compare(a.Updated) })
	data.Recent = data.Recent[:min(len(data.Recent), 5)]
	data.Deliveries = s.recentDeliveries("", 8)
	p.Data = data
	return s.render(w, http.StatusOK, "home", p)
}

// recentDeliveries are the newest of one App, or of all, newest first.
func (s *Site) recentDeliveries(app string, limit int) []namedDelivery {
	var out []namedDelivery
	for _, a := range s.gh.Apps() {
		if app != "" && a.Slug != app {
			continue
		}
		for _, d := range s.gh.Deliveries(a.ID) {
			out = append(out, namedDelivery{d, a.Slug})
		}
	}
	slices.SortFunc(out, func(a, b namedDelivery) int { return int(b.ID - a.ID) })
	return out[:min(len(out), limit)]
}

// become chooses whom the forms propose.
func (s *Site) become(w http.ResponseWriter, r *http.Request) error {
	values, err := form(r)
	if err != nil {
		return err
	}
	login := values.Get("as")
	if login != "" && !slices.Contains(s.page(r, "").People, login) {
		return errNoPage
	}
	// The stand-in speaks HTTP on loopback, and the cookie is no secret
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: login, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	back := values.Get("back")
	if !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.ContainsAny(back, "\\\r\n\t") {
		back = "/"
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}
