package tools

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress writes one line for each long step, with the time since it was made.
// It may be used concurrently.
type Progress struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

// NewProgress writes to out; nil discards.
func NewProgress(out io.Writer) *Progress {
	if out == nil {
		out = io.Discard
	}
	return &Progress{out: out, start: time.Now()}
}

// Line writes one step.
func (p *Progress) Line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Progress is for a person who watches; nobody can act on a failed write.
	_, _ = fmt.Fprintf(p.out, "  [%.1fs] %s\n", time.Since(p.start).Seconds(), fmt.Sprintf(format, args...))
}
