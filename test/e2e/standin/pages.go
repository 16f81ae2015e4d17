package standin

import (
	"net/http"
	"strings"
	"sync"
)

// pages are the handlers at the addresses that html_url and its like carry. Unlike what is mounted with
// Mount, they share their addresses with git and the API.
type pages struct {
	mu   sync.RWMutex
	list []pageMount
}

// pageMount has a mux of its own, so that two patterns of which neither is more specific can be mounted.
type pageMount struct {
	mux     *http.ServeMux
	browser bool // for browsers alone
	rest    bool // "/": what nobody else answers
}

// MountPages serves h at a pattern of http.ServeMux to browsers, whose Accept header names text/html; other
// clients keep the API and its 404. Git and everything below /api/v3/ are never given away. "/" gets what
// the API has no route for; with other patterns browsers get h before the API: GitHub has pages and API on
// different hosts, and html_url of a team is an address of the API here. Of several patterns that match,
// the one mounted first answers, and "/" last. Requests to h are no API calls: they are neither counted nor
// delayed nor made to fail. MountPages panics when the pattern is malformed.
func (s *Server) MountPages(pattern string, h http.Handler) { s.pages.add(pattern, h, true) }

// MountFiles is MountPages for every client, where the API has no route: raw_url and diff_url are for
// programs as well.
func (s *Server) MountFiles(pattern string, h http.Handler) { s.pages.add(pattern, h, false) }

func (p *pages) add(pattern string, h http.Handler, browser bool) {
	mux := http.NewServeMux()
	mux.Handle(pattern, h)
	path := pattern[strings.LastIndex(pattern, " ")+1:]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, pageMount{mux, browser, path == "/"})
}

// find returns who answers instead of the API, nil when it is the API; known tells what the API has.
func (p *pages) find(r *http.Request, known func(*http.Request) bool) http.Handler {
	p.mu.RLock()
	list := p.list
	p.mu.RUnlock()
	if len(list) == 0 {
		return nil
	}
	browser, api := strings.Contains(r.Header.Get("Accept"), "text/html"), known(r)
	var rest http.Handler
	for _, one := range list {
		if _, pattern := one.mux.Handler(r); pattern == "" || one.browser && !browser {
			continue
		}
		switch {
		case one.rest && rest == nil && !api:
			rest = one.mux
		case !one.rest && (one.browser || !api):
			return one.mux
		}
	}
	return rest
}
