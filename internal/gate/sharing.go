package gate

import (
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// sharing are the Applications that were woken by an event that concerns others as well,
// so that what is read because of it may be read once for all of them. Nothing that is
// shared is older than the newest event, see Query.Shared. What an Application is woken by
// alone, a retry for example, makes it be read anew. Safe for concurrent use; the zero
// value is ready for use.
type sharing struct {
	mu   sync.Mutex
	keys map[Key]bool
}

// may says that an Application is woken together with others.
func (s *sharing) may(k Key) {
	if k.Application == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[Key]bool{}
	}
	s.keys[k] = true
}

// mayNot says that it is woken alone, after whatever woke it before.
func (s *sharing) mayNot(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, k)
}

// take says whether it shares, this one time.
func (s *sharing) take(k Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	may := s.keys[k]
	delete(s.keys, k)
	return may
}

// saysNothing says whether a hint has nothing but its repository, as the echoes of what we
// write ourselves.
func saysNothing(h approval.Hint) bool {
	return h == approval.Hint{RepositoryID: h.RepositoryID, Repository: h.Repository}
}
