package web

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// maxForm bounds what a form may send; a file to be edited is its largest part.
const maxForm = 1 << 20

// Site is the pages of one stand-in. Its methods may be called at the same time.
type Site struct {
	gh        *standin.Server
	log       *slog.Logger
	templates map[string]*template.Template
	markdown  *markdown
	guard     *http.CrossOriginProtection
	own       *http.ServeMux // addresses that no repository can have; asked first
	repos     *http.ServeMux
}

// New prepares the pages of a stand-in; a nil logger is silent.
func New(gh *standin.Server, logger *slog.Logger) (*Site, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s := &Site{gh: gh, log: logger, markdown: newMarkdown(), guard: http.NewCrossOriginProtection(),
		own: http.NewServeMux(), repos: http.NewServeMux()}
	// The App manifest flow begins with a form on the page of the App's maker.
	s.guard.AddInsecureBypassPattern("POST /settings/apps/new")
	s.guard.AddInsecureBypassPattern("POST /organizations/{org}/settings/apps/new")
	var err error
	if s.templates, err = s.parse(); err != nil {
		return nil, err
	}
	static, err := fs.Sub(staticFiles, "static")
	if err != nil {
		return nil, fmt.Errorf("open the static files: %w", err)
	}
	s.own.Handle("GET /_pages/", http.StripPrefix("/_pages/", http.FileServerFS(static)))
	s.routes()
	return s, nil
}

// Mount puts the pages beside the API and git of a stand-in, at its own address.
func Mount(gh *standin.Server, logger *slog.Logger) error {
	s, err := New(gh, logger)
	if err != nil {
		return fmt.Errorf("prepare the pages: %w", err)
	}
	for _, prefix := range []string{"/_pages/", "/avatars/"} {
		gh.Mount(prefix, s)
	}
	for _, pattern := range []string{"GET /{owner}/{repo}/raw/{rest...}", "GET /{owner}/{repo}/pull/{number}",
		"GET /{owner}/{repo}/compare", "GET /{owner}/{repo}/compare/{rest...}"} {
		gh.MountFiles(pattern, s)
	}
	for _, pattern := range []string{"/orgs/{org}/teams/{team}", "/apps/", "/settings/", "/organizations/", "/"} {
		gh.MountPages(pattern, s)
	}
	return nil
}

// view answers a request with a page, or with an error that becomes one.
type view func(w http.ResponseWriter, r *http.Request) error

func (s *Site) routes() {
	for pattern, v := range map[string]view{
		"GET /{$}":                            s.home,
		"POST /me":                            s.become,
		"GET /avatars/{login}":                s.avatar,
		"GET /{login}":                        s.profile,
		"GET /orgs/{org}/teams/{team}":        s.team,
		"GET /deliveries":                     s.deliveries,
		"POST /deliveries":                    s.deliveryKnobs,
		"GET /deliveries/{id}":                s.delivery,
		"POST /deliveries/{id}":               s.redeliver,
		"GET /calls":                          s.calls,
		"POST /calls":                         s.forgetCalls,
		"GET /apps/{slug}":                    s.app,
		"GET /apps/{slug}/installations/new":  s.newInstallation,
		"POST /apps/{slug}/installations/new": s.install,
		"GET /settings/installations/{id}":    s.installation,
		"POST /settings/installations/{id}":   s.changeInstallation,
		"GET /organizations/{org}/settings/installations/{id}": s.installation,
		"POST /settings/apps/new":                              s.confirmApp,
		"POST /organizations/{org}/settings/apps/new":          s.confirmApp,
		"POST /settings/apps":                                  s.createApp,
		"POST /organizations/{org}/settings/apps":              s.createApp,
	} {
		s.own.Handle(pattern, s.handle(v))
	}
	const repo = "/{owner}/{repo}"
	for pattern, v := range map[string]view{
		"GET " + repo:                         s.repository,
		"GET " + repo + "/tree/{rest...}":     s.tree,
		"GET " + repo + "/blob/{rest...}":     s.blob,
		"GET " + repo + "/raw/{rest...}":      s.raw,
		"GET " + repo + "/commits/{rest...}":  s.commits,
		"GET " + repo + "/commit/{sha}":       s.commit,
		"GET " + repo + "/branches":           s.branches,
		"GET " + repo + "/activity":           s.activity,
		"GET " + repo + "/edit/{rest...}":     s.editor,
		"POST " + repo + "/edit/{rest...}":    s.edit,
		"GET " + repo + "/new/{rest...}":      s.newFile,
		"POST " + repo + "/new/{rest...}":     s.edit,
		"GET " + repo + "/compare":            s.chooseBranches,
		"GET " + repo + "/compare/{rest...}":  s.compare,
		"POST " + repo + "/compare/{rest...}": s.openPull,
		"GET " + repo + "/pulls":              s.pulls,
		"GET " + repo + "/pull/{number}":      s.pull,
		"POST " + repo + "/pull/{number}":     s.act,
		"GET " + repo + "/runs/{id}":          s.run,
	} {
		s.repos.Handle(pattern, s.handle(s.renamed(v)))
	}
	s.repos.Handle("/", s.handle(func(http.ResponseWriter, *http.Request) error { return errNoPage }))
}

var errNoPage = fmt.Errorf("%w: there is no such page", standin.ErrNotFound)

// ServeHTTP implements http.Handler.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy(""))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if !isLoopback(r.Host) {
		http.Error(w, "The stand-in is reached by a loopback address alone.", http.StatusMisdirectedRequest)
		return
	}
	if err := s.guard.Check(r); err != nil {
		http.Error(w, "This form was sent by another site.", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	mux := s.repos
	if _, pattern := s.own.Handler(r); pattern != "" {
		mux = s.own
	}
	mux.ServeHTTP(w, r)
}

// policy is the content security policy; forms may also lead to the origin of one other address.
func policy(leadsTo string) string {
	target := "'self'"
	if u, err := url.Parse(leadsTo); err == nil && plainHost.MatchString(u.Host) {
		target += " " + u.Scheme + "://" + u.Host
	}
	return "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; frame-ancestors 'none'; form-action " + target
}

var plainHost = regexp.MustCompile(`^[A-Za-z0-9.:\[\]_-]+$`)

// isLoopback tells names that cannot be made to point here by somebody else's name server.
func isLoopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// handle turns the errors of a view into pages.
func (s *Site) handle(v view) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := v(w, r); err != nil {
			s.failed(w, r, err)
		}
	})
}

// failed shows an error page.
func (s *Site) failed(w http.ResponseWriter, r *http.Request, err error) {
	refusal, refused := errors.AsType[*standin.APIError](err)
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	p := s.page(r, "")
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, standin.ErrNotFound):
		status, p.Title = http.StatusNotFound, "Not found"
	case tooLarge:
		status, p.Title = http.StatusRequestEntityTooLarge, "Too much"
		err = fmt.Errorf("a form may send %d bytes", maxForm)
	case refused:
		status, p.Title = refusal.Status, "Refused"
	default:
		p.Title = "The stand-in failed"
		s.log.LogAttrs(r.Context(), slog.LevelError, "standin.page_failed", slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	p.Data = explain(err)
	if err := s.render(w, status, "error", p); err != nil {
		s.log.LogAttrs(r.Context(), slog.LevelError, "standin.page_failed", slog.String("path", r.URL.Path), slog.Any("error", err))
		http.Error(w, "The stand-in failed.", http.StatusInternalServerError)
	}
}

// explain is what a person reads of an error.
func explain(err error) string {
	refusal, ok := errors.AsType[*standin.APIError](err)
	if !ok {
		text := strings.TrimPrefix(err.Error(), standin.ErrNotFound.Error()+": ")
		return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".")
	}
	var parts []string
	if len(refusal.Errors) == 0 || refusal.Message != "Validation Failed" && refusal.Message != "Unprocessable Entity" {
		parts = append(parts, refusal.Message) // else the details say more
	}
	for _, f := range refusal.Errors {
		switch {
		case f.Message != "":
			parts = append(parts, f.Message)
		case f.Code == "missing_field":
			parts = append(parts, f.Field+" must be given")
		case f.Field != "":
			parts = append(parts, f.Field+" is "+strings.ReplaceAll(f.Code, "_", " "))
		}
	}
	return strings.TrimSuffix(strings.Join(parts, ": "), ".")
}
