package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

type manifestData struct {
	Manifest    standin.Manifest
	Permissions []permission
	Text        string // the manifest, to be sent again with the button
	State       string
	Owners      []string // who can own the App
	Owner       string
	Organized   bool // the owner is given by the address
	Webhook     string
}

// confirmApp is where the App manifest flow begins: it shows what the manifest asks for, and changes nothing.
func (s *Site) confirmApp(w http.ResponseWriter, r *http.Request) error {
	values, err := form(r)
	if err != nil {
		return err
	}
	state := r.URL.Query().Get("state")
	if state == "" {
		state = values.Get("state")
	}
	m, err := standin.ParseManifest([]byte(values.Get("manifest")))
	if err != nil {
		return err
	}
	return s.showManifest(w, r, http.StatusOK, m, state, kept{})
}

func (s *Site) showManifest(w http.ResponseWriter, r *http.Request, status int, m standin.Manifest, state string, refused kept) error {
	p := s.page(r, "Register an App")
	data := manifestData{Manifest: m, Permissions: permissions(m.DefaultPermissions), State: state, Owners: p.People, Owner: p.Me}
	if org := r.PathValue("org"); org != "" {
		i := slices.IndexFunc(s.gh.Accounts(), func(a standin.Account) bool {
			return a.Kind == "Organization" && strings.EqualFold(a.Login, org)
		})
		if i < 0 {
			return errNoPage
		}
		data.Owner, data.Organized = s.gh.Accounts()[i].Login, true
	}
	raw, err := m.JSON()
	if err != nil {
		return err
	}
	data.Text = string(raw)
	if h := m.HookAttributes; h != nil && (h.Active == nil || *h.Active) {
		data.Webhook = h.URL
	}
	p.Form, p.Data = refused, data
	w.Header().Set("Content-Security-Policy", policy(m.RedirectURL))
	return s.render(w, status, "manifest", p)
}

// createApp is the button of that page.
func (s *Site) createApp(w http.ResponseWriter, r *http.Request) error {
	values, err := form(r)
	if err != nil {
		return err
	}
	m, err := standin.ParseManifest([]byte(values.Get("manifest")))
	if err != nil {
		return err
	}
	m.Name = strings.TrimSpace(values.Get("name"))
	owner := r.PathValue("org")
	if owner == "" {
		owner = values.Get("as")
	}
	code, err := s.gh.CreateFromManifest(owner, m)
	if err != nil {
		refused, status := s.refuse("manifest", values, err)
		return s.showManifest(w, r, status, m, values.Get("state"), refused)
	}
	w.Header().Set("Content-Security-Policy", policy(m.RedirectURL))
	http.Redirect(w, r, withQuery(m.RedirectURL, "code", code, "state", values.Get("state")), http.StatusSeeOther)
	return nil
}
