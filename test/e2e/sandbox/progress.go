package sandbox

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress writes one line for each long step, with the time since the start. It
// may be used concurrently.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

func newProgress(out io.Writer) *progress {
	if out == nil {
		out = io.Discard
	}
	return &progress{out: out, start: time.Now()}
}

func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Progress is for a person who watches; nobody can act on a failed write.
	_, _ = fmt.Fprintf(p.out, "  [%.1fs] %s\n", time.Since(p.start).Seconds(), fmt.Sprintf(format, args...))
}
