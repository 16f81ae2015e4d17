package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// permission is a row of a table of permissions.
type permission struct{ Name, Level string }

func permissions(of map[string]string) []permission {
	var out []permission
	for _, name := range slices.Sorted(maps.Keys(of)) {
		out = append(out, permission{name, of[name]})
	}
	return out
}

type appData struct {
	App           standin.AppView
	Permissions   []permission
	Installations []standin.InstallationView
	Deliveries    []namedDelivery
}

// appOf is the App of the path.
func (s *Site) appOf(r *http.Request) (standin.AppView, error) {
	for _, a := range s.gh.Apps() {
		if strings.EqualFold(a.Slug, r.PathValue("slug")) {
			return a, nil
		}
	}
	return standin.AppView{}, fmt.Errorf("%w: there is no App %q", standin.ErrNotFound, r.PathValue("slug"))
}

// app is the page of an App.
func (s *Site) app(w http.ResponseWriter, r *http.Request) error {
	a, err := s.appOf(r)
	if err != nil {
		return err
	}
	data := appData{App: a, Permissions: permissions(a.Permissions), Deliveries: s.recentDeliveries(a.Slug, 8)}
	for _, i := range s.gh.Installations() {
		if i.AppID == a.ID {
			data.Installations = append(data.Installations, i)
		}
	}
	p := s.page(r, a.Name)
	p.Data = data
	return s.render(w, http.StatusOK, "app", p)
}

// candidate is an account that an App could be installed on.
type candidate struct {
	Login        string
	Installation int64 // 0 when it is not installed there
	Repositories []string
}

type installData struct {
	App         standin.AppView
	Permissions []permission
	Accounts    []candidate
	State       string
}

// newInstallation asks where to install an App.
func (s *Site) newInstallation(w http.ResponseWriter, r *http.Request) error {
	return s.showInstall(w, r, http.StatusOK, r.URL.Query().Get("state"), kept{})
}

func (s *Site) showInstall(w http.ResponseWriter, r *http.Request, status int, state string, refused kept) error {
	a, err := s.appOf(r)
	if err != nil {
		return err
	}
	data := installData{App: a, Permissions: permissions(a.Permissions), State: state}
	repos := s.gh.Repositories()
	for _, account := range s.gh.Accounts() {
		one := candidate{Login: account.Login}
		for _, repo := range repos {
			if name, owned := strings.CutPrefix(repo.Name, account.Login+"/"); owned {
				one.Repositories = append(one.Repositories, name)
			}
		}
		for _, i := range s.gh.Installations() {
			if i.AppID == a.ID && i.Account == account.Login {
				one.Installation = i.ID
			}
		}
		if account.Kind == "Organization" || account.Kind == "User" && len(one.Repositories) > 0 {
			data.Accounts = append(data.Accounts, one)
		}
	}
	slices.SortStableFunc(data.Accounts, func(x, y candidate) int { return len(y.Repositories) - len(x.Repositories) })
	p := s.page(r, "Install "+a.Name)
	p.Form, p.Data = refused, data
	w.Header().Set("Content-Security-Policy", policy(a.Details.SetupURL))
	return s.render(w, status, "install", p)
}

// install gives an App access, and leads to its setup page.
func (s *Site) install(w http.ResponseWriter, r *http.Request) error {
	values, err := form(r)
	if err != nil {
		return err
	}
	a, err := s.appOf(r)
	if err != nil {
		return err
	}
	account := values.Get("account")
	var repos []string
	for _, name := range values["repo"] {
		if own, ok := strings.CutPrefix(name, account+"/"); ok {
			repos = append(repos, own)
		}
	}
	if values.Get("which") != "all" && len(repos) == 0 {
		err = &standin.APIError{Status: http.StatusUnprocessableEntity, Message: "Choose at least one repository of " + account}
	} else if values.Get("which") == "all" {
		repos = nil
	}
	var id int64
	if err == nil {
		id, err = s.gh.Install(a.ID, account, repos...)
	}
	if err != nil {
		refused, status := s.refuse("install", values, err)
		return s.showInstall(w, r, status, values.Get("state"), refused)
	}
	to := "/settings/installations/" + strconv.FormatInt(id, 10) + "?done=install"
	if a.Details.SetupURL != "" {
		to = withQuery(a.Details.SetupURL, "installation_id", strconv.FormatInt(id, 10), "setup_action", "install", "state", values.Get("state"))
	}
	w.Header().Set("Content-Security-Policy", policy(a.Details.SetupURL))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// withQuery adds pairs to the query of an address; empty values are left out.
func withQuery(address string, pairs ...string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

type installationData struct {
	standin.InstallationView
	App         standin.AppView
	Permissions []permission
	Others      []string // repositories that could be added
}

func (s *Site) installationOf(r *http.Request) (installationData, error) {
	id, err := number(r, "id")
	if err != nil {
		return installationData{}, err
	}
	for _, i := range s.gh.Installations() {
		if i.ID != id || r.PathValue("org") != "" && !strings.EqualFold(r.PathValue("org"), i.Account) {
			continue
		}
		data := installationData{InstallationView: i}
		for _, a := range s.gh.Apps() {
			if a.ID == i.AppID {
				data.App, data.Permissions = a, permissions(a.Permissions)
			}
		}
		for _, repo := range s.gh.Repositories() {
			if strings.HasPrefix(repo.Name, i.Account+"/") && !slices.Contains(i.Repositories, repo.Name) {
				data.Others = append(data.Others, repo.Name)
			}
		}
		return data, nil
	}
	return installationData{}, fmt.Errorf("%w: there is no installation %d", standin.ErrNotFound, id)
}

// installation is the page of an installation.
func (s *Site) installation(w http.ResponseWriter, r *http.Request) error {
	return s.showInstallation(w, r, http.StatusOK, kept{})
}

func (s *Site) showInstallation(w http.ResponseWriter, r *http.Request, status int, refused kept) error {
	data, err := s.installationOf(r)
	if err != nil {
		return err
	}
	p := s.page(r, data.App.Name+" on "+data.Account)
	p.Form, p.Data = refused, data
	w.Header().Set("Content-Security-Policy", policy(data.App.Details.SetupURL))
	return s.render(w, status, "installation", p)
}

// changeInstallation changes the selection, suspends or uninstalls.
func (s *Site) changeInstallation(w http.ResponseWriter, r *http.Request) error {
	values, err := form(r)
	if err != nil {
		return err
	}
	data, err := s.installationOf(r)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(values.Get("repo"), data.Account+"/")
	to := "/settings/installations/" + strconv.FormatInt(data.ID, 10) + "?done=installation"
	selection := false
	switch values.Get("do") {
	case "add":
		selection, err = true, s.gh.AddToInstallation(data.ID, name)
	case "remove":
		selection, err = true, s.gh.RemoveFromInstallation(data.ID, name)
	case "suspend":
		err = s.gh.SuspendInstallation(data.ID, true)
	case "unsuspend":
		err = s.gh.SuspendInstallation(data.ID, false)
	case "uninstall":
		to, err = link("/apps/", data.AppSlug)+"?done=installation", s.gh.Uninstall(data.ID)
	default:
		return errNoPage
	}
	if err != nil {
		refused, status := s.refuse("installation", values, err)
		return s.showInstallation(w, r, status, refused)
	}
	if d := data.App.Details; selection && d.SetupOnUpdate && d.SetupURL != "" {
		to = withQuery(d.SetupURL, "installation_id", strconv.FormatInt(data.ID, 10), "setup_action", "update")
		w.Header().Set("Content-Security-Policy", policy(d.SetupURL))
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}
