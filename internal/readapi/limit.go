package readapi

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// perSecond and burst are for each token.
	perSecond, burst = 20, 40
	// maxReaders bounds how many of them are remembered.
	maxReaders = 1024
)

// limits bound how often each reader asks. It is safe for concurrent use.
type limits struct {
	mu      sync.Mutex
	readers map[string]*rate.Limiter
}

func newLimits() *limits { return &limits{readers: map[string]*rate.Limiter{}} }

// take is zero when the reader may ask now, else how long to wait.
func (l *limits) take(name string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter, ok := l.readers[name]
	if !ok {
		if len(l.readers) >= maxReaders {
			clear(l.readers) // all begin anew rather than some being remembered without end
		}
		limiter = rate.NewLimiter(perSecond, burst)
		l.readers[name] = limiter
	}
	reserved := limiter.Reserve()
	wait := reserved.Delay()
	if wait > 0 {
		reserved.Cancel()
	}
	return wait
}
