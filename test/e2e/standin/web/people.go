package web

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

type profileData struct {
	Account      standin.Account
	Repositories []profileRepo
	Teams        []standin.Team // of an organisation
	People       []standin.Account
	Pulls        []namedPull // opened by the person
	App          string      // of a bot
}

type profileRepo struct {
	Name, Role string
	Private    bool
}

// profile is the page of a person, an organisation or a bot.
func (s *Site) profile(w http.ResponseWriter, r *http.Request) error {
	accounts := s.gh.Accounts()
	i := slices.IndexFunc(accounts, func(a standin.Account) bool { return strings.EqualFold(a.Login, r.PathValue("login")) })
	if i < 0 {
		return fmt.Errorf("%w: nobody is called %q", standin.ErrNotFound, r.PathValue("login"))
	}
	data := profileData{Account: accounts[i]}
	login := data.Account.Login
	for _, repo := range s.gh.Repositories() {
		owned := strings.HasPrefix(repo.Name, login+"/")
		if role := repo.Roles[login]; role != "" || owned {
			data.Repositories = append(data.Repositories, profileRepo{repo.Name, role, repo.Private})
		}
		pulls, err := s.gh.Pulls(repo.Name)
		if err != nil {
			return err
		}
		for _, pr := range pulls {
			if pr.Author == login {
				data.Pulls = append(data.Pulls, namedPull{pr, repo.Name})
			}
		}
	}
	for _, t := range s.gh.Teams() {
		if t.Organization == login {
			data.Teams = append(data.Teams, t)
		}
	}
	for _, a := range accounts {
		if slices.Contains(a.Organizations, login) {
			data.People = append(data.People, a)
		}
	}
	for _, a := range s.gh.Apps() {
		if a.Bot == login {
			data.App = a.Slug
		}
	}
	p := s.page(r, login)
	p.Data = data
	return s.render(w, http.StatusOK, "profile", p)
}

// team is the page of a team.
func (s *Site) team(w http.ResponseWriter, r *http.Request) error {
	for _, t := range s.gh.Teams() {
		if strings.EqualFold(t.Organization, r.PathValue("org")) && strings.EqualFold(t.Slug, r.PathValue("team")) {
			p := s.page(r, t.Organization+"/"+t.Slug)
			p.Data = t
			return s.render(w, http.StatusOK, "team", p)
		}
	}
	return fmt.Errorf("%w: there is no team %s/%s", standin.ErrNotFound, r.PathValue("org"), r.PathValue("team"))
}

// avatar draws a letter on a colour that depends on the name.
func (s *Site) avatar(w http.ResponseWriter, r *http.Request) error {
	login := r.PathValue("login")
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(strings.ToLower(login))) // never fails
	hue := sum.Sum32() % 360
	shape := `<circle cx="20" cy="20" r="20"`
	if strings.HasSuffix(login, "[bot]") || slices.ContainsFunc(s.gh.Accounts(), func(a standin.Account) bool {
		return a.Kind == "Organization" && strings.EqualFold(a.Login, login)
	}) {
		shape = `<rect width="40" height="40" rx="9"`
	}
	letter := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(initial(login))
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "max-age=3600")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">%s fill="hsl(%d 42%% 36%%)"/>`+
		`<text x="20" y="27" font-family="system-ui,sans-serif" font-size="20" font-weight="600" text-anchor="middle" fill="#fff">%s</text></svg>`,
		shape, hue, letter)
	return err
}
