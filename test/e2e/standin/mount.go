package standin

import (
	"net/http"
	"strings"
	"sync"
)

// mounts are handlers of the stand-in's own, beside GitHub's. They are neither counted, delayed, limited
// nor made to fail. They have a lock of their own: they are asked before anything else.
type mounts struct {
	mu   sync.RWMutex
	list []mount
}

type mount struct {
	pattern string
	handler http.Handler
}

// Mount serves every path that begins with pattern by h, before git and the API, for as long as the
// server runs. Of several patterns that fit, the longest wins; the same pattern again replaces its
// handler. Close waits for requests in h, whose context ends with the server.
func (s *Server) Mount(pattern string, h http.Handler) {
	s.mounts.mu.Lock()
	defer s.mounts.mu.Unlock()
	for i := range s.mounts.list {
		if s.mounts.list[i].pattern == pattern {
			s.mounts.list[i].handler = h
			return
		}
	}
	s.mounts.list = append(s.mounts.list, mount{pattern, h})
}

// find returns the handler for a path, nil when none is mounted there.
func (m *mounts) find(path string) http.Handler {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var best mount
	for _, one := range m.list {
		if strings.HasPrefix(path, one.pattern) && len(one.pattern) >= len(best.pattern) {
			best = one
		}
	}
	return best.handler
}
