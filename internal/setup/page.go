package setup

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/registration"
)

type step string

const (
	stepCreate  step = "create"
	stepInstall step = "install"
	stepDone    step = "done"
)

const (
	// maxHeader bounds a request; there is none with a body.
	maxHeader = 32 << 10
	// lastLook is how long the page stays up for the browser to see the end.
	lastLook = 5 * time.Second
	// closing is how long an answer of GitHub may still be worked on.
	closing = 70 * time.Second
)

// page is what a person sees while an App is made. It is served from open to close.
type page struct {
	setup *Setup
	made  chan Credentials
	lost  chan *Lost

	life   context.Context
	server *http.Server
	origin string // http://127.0.0.1:PORT
	cookie string // name of the session's cookie

	mu      sync.Mutex
	step    step
	token   string // of the link; empty once it was used
	session string // what the cookie holds; empty until the link is used
	state   string // that GitHub gives back; empty while there is no question
	notice  string // what went wrong
	app     access.App
	link    string // where the App is installed
	report  Report
	seen    chan struct{} // closed when the last page was sent
}

// random has 256 bits.
func random() string { return rand.Text() + rand.Text() }

// same compares in constant time. The empty text is like nothing.
func same(have, want string) bool {
	a, b := sha256.Sum256([]byte(have)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && want != ""
}

// open serves the page, once, and says where.
func (p *page) open(ctx context.Context) error {
	if p.server != nil {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.setup.o.Listen)
	if err != nil {
		return fmt.Errorf("serve the set-up page: %w", err)
	}
	p.life = ctx
	p.origin = "http://" + listener.Addr().String()
	_, port, _ := net.SplitHostPort(listener.Addr().String()) // a listener's address has one
	p.cookie = "gatekeeper_setup_" + port                     // cookies are shared by all ports
	p.token, p.state, p.seen = random(), random(), make(chan struct{})
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", p.show)
	routes.HandleFunc("GET /created", p.created)
	routes.HandleFunc("GET /step", p.tellStep)
	p.server = &http.Server{
		Handler: p.guard(routes), ReadTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute,
		MaxHeaderBytes: maxHeader, BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go func() { _ = p.server.Serve(listener) }() // ends with close
	p.setup.o.Opened(p.origin + "/?token=" + p.token)
	return nil
}

// close stops serving when the requests that are under way were answered.
func (p *page) close() {
	if p.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	if p.server.Shutdown(ctx) != nil {
		_ = p.server.Close() // nobody is left to tell
	}
}

// showInstall goes on to the second step. A run that found credentials opens the page here.
func (p *page) showInstall(ctx context.Context, app access.App, link string) error {
	p.mu.Lock()
	p.step, p.app, p.link, p.notice = stepInstall, app, link, ""
	p.mu.Unlock()
	return p.open(ctx)
}

// finish shows the end, and waits a moment until a browser that is there has it.
func (p *page) finish(ctx context.Context, r Report) {
	if p.server == nil {
		return
	}
	p.mu.Lock()
	p.step, p.report = stepDone, r
	watched := p.session != ""
	p.mu.Unlock()
	if !watched {
		return
	}
	limit := time.NewTimer(lastLook)
	defer limit.Stop()
	select {
	case <-p.seen:
	case <-limit.C:
	case <-ctx.Done():
	}
}

// guard refuses what does not come from the browser in which the link was opened.
func (p *page) guard(next http.Handler) http.Handler {
	policy := p.policy()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// GitHub gets to know the origin, never an address with a token or a code.
		h.Set("Referrer-Policy", "strict-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if "http://"+r.Host != p.origin {
			// A name that somebody's name server points here would share its pages.
			p.refuse(w, http.StatusMisdirectedRequest, "This page is at "+p.origin+" and nowhere else.")
			return
		}
		if token := r.URL.Query().Get("token"); token != "" {
			p.enter(w, r, token)
			return
		}
		if !p.known(r) {
			p.refuse(w, http.StatusForbidden, "Open the link that the command printed, in the browser that is to be used.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// enter takes the link's token for a session. It works once: whoever finds it used knows
// that somebody else has opened it.
func (p *page) enter(w http.ResponseWriter, r *http.Request, token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cookie, err := r.Cookie(p.cookie); err == nil && same(cookie.Value, p.session) {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if !same(token, p.token) {
		p.refuse(w, http.StatusForbidden, "This link was used before, or is not the one that the command printed. If you did not open it yourself, somebody else has: stop the command. Else run it again.")
		return
	}
	p.token, p.session = "", random()
	// Lax: GitHub's redirect is a navigation and has to bring it along.
	http.SetCookie(w, &http.Cookie{Name: p.cookie, Value: p.session, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // Secure would keep it from http on loopback in some browsers
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (p *page) known(r *http.Request) bool {
	cookie, err := r.Cookie(p.cookie)
	p.mu.Lock()
	defer p.mu.Unlock()
	return err == nil && same(cookie.Value, p.session)
}

// created takes GitHub's answer: a code, and the state of the question.
func (p *page) created(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	p.mu.Lock()
	asked := p.step == stepCreate && same(query.Get("state"), p.state)
	if asked {
		p.state = "" // one answer to one question
	}
	p.mu.Unlock()
	if !asked {
		p.refuse(w, http.StatusForbidden, "This answers no question of this page, or one that was answered. Nothing was done.")
		return
	}
	creds, err := p.setup.adopt(p.life, query.Get("code")) //nolint:contextcheck // the code works once, so it is used also when the browser leaves
	lost := new(Lost)
	p.mu.Lock()
	switch {
	case err == nil:
		p.step, p.notice = stepInstall, ""
		p.made <- creds
	case errors.As(err, &lost):
		p.notice = "The App was made, but its credentials could not be stored. Look at the command."
		p.lost <- lost
	default:
		p.notice, p.state = explain(err), random()
		p.setup.o.Progress("That did not work: " + err.Error())
	}
	p.mu.Unlock()
	// The address with the code must not stay in the browser's bar and history.
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// explain is what the page says of an error.
func explain(err error) string {
	text := err.Error()
	if errors.Is(err, registration.ErrCode) {
		text = "GitHub does not know the code it gave: it works once, within an hour. An App that was made has to be deleted on GitHub before its name can be used again."
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// tellStep is what the page's script asks for.
func (p *page) tellStep(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(p.version()))
}

// version changes with what the page shows. It needs page.mu.
func (p *page) version() string {
	ready := ""
	if p.step == stepInstall && p.link != "" {
		ready = "-ready"
	}
	return string(p.step) + ready
}
