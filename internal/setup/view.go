package setup

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/registration"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// view is what the page shows. It has no secret.
type view struct {
	Style   template.CSS
	Script  template.JS
	Step    step
	Version string
	Notice  string
	Refused string

	Name, Owner, Profile, Webhook, Stored string
	Personal                              bool
	Needs                                 []access.Need
	Events                                []access.Subscription
	Form, Manifest                        string
	App                                   access.App
	Link                                  string
	Report                                Report
}

// render writes the page. Style and script are in it, so that it stays whole when the
// command ends.
func render(w http.ResponseWriter, status int, v view) {
	v.Style, v.Script = template.CSS(pageStyle), template.JS(pageScript) //nolint:gosec // both are files of this package
	var text bytes.Buffer
	parsed, err := template.New("page").Funcs(template.FuncMap{"words": func(s string) string { return strings.ReplaceAll(s, "_", " ") }}).Parse(pageText)
	if err == nil {
		err = parsed.Execute(&text, v)
	}
	if err != nil {
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // who is gone is gone
}

// refuse says why there is nothing to see.
func (p *page) refuse(w http.ResponseWriter, status int, text string) {
	render(w, status, view{Refused: text, Step: stepDone})
}

// show is the page.
func (p *page) show(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.setup.o
	v := view{
		Step: p.step, Version: p.version(), Notice: p.notice, Name: o.Name, Owner: o.Owner, Profile: string(o.Profile), Webhook: o.WebhookURL,
		Stored: o.Store.String(), Personal: o.Kind == registration.User, Needs: p.setup.needs, Events: p.setup.events,
		App: p.app, Link: p.link, Report: p.report,
	}
	if p.step == stepCreate && p.state != "" {
		manifest, err := p.manifest().JSON()
		if err != nil {
			p.refuse(w, http.StatusInternalServerError, "The App cannot be described: "+err.Error())
			return
		}
		v.Manifest, v.Form = manifest, registration.FormURL(o.Web, o.Owner, o.Kind, p.state)
	}
	render(w, http.StatusOK, v)
	if p.step == stepDone {
		select {
		case <-p.seen:
		default:
			close(p.seen)
		}
	}
}

func (p *page) manifest() registration.Manifest {
	o := p.setup.o
	m := registration.Manifest{
		Name: o.Name, URL: homepage, RedirectURL: p.origin + "/created", Permissions: map[string]string{}, Events: []string{},
		Description: "Lets Argo CD sync only what was approved on GitHub.",
	}
	for _, n := range p.setup.needs {
		m.Permissions[n.Name] = n.Level
	}
	for _, e := range p.setup.events {
		m.Events = append(m.Events, e.Name)
	}
	if o.WebhookURL != "" {
		m.Hook = &registration.Hook{URL: o.WebhookURL, Active: true}
	}
	return m
}

// policy allows the page's own style and script and nothing else. The form leads to
// GitHub, which may lead on to where people log in: form-action holds for redirects too,
// so https is allowed as a whole. There is nothing on the page that others could put in.
func (p *page) policy() string {
	target := "https:"
	if web, err := url.Parse(p.setup.o.Web); err == nil && web.Scheme == "http" {
		target += " " + web.Scheme + "://" + web.Host
	}
	return fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action %s",
		digest(pageStyle), digest(pageScript), target)
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
