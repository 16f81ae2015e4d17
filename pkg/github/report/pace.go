package report

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// How fast is written. GitHub wants a second between writes, counts 5 points of 900 a
// minute for each, and limits what makes content to 80 a minute and 500 an hour
// ("Rate limits for the REST API", GitHub docs, as of 2026-11). A limit that is hit
// silences the whole installation, reads included, so what is left to others is more
// than what is taken here.
const (
	// betweenReports is the least time between two reports on one pull request.
	betweenReports = time.Second
	// More than manyReports in a minute are a sign of a change that reaches many
	// Applications. Then there is betweenMany.
	manyReports = 10
	betweenMany = 5 * time.Second

	writesAMinute   = 100
	commentsAMinute = 60
	commentsAnHour  = 450
)

// pace says when a report may be written. Safe for concurrent use.
type pace struct {
	now func() time.Time

	mu sync.Mutex
	// reports are the times of the reports of the last minute, by pull request.
	reports map[string][]time.Time
	// open are the pull requests of which the present report wrote something.
	open             map[string]bool
	writes, comments []time.Time
}

func newPace(now func() time.Time) *pace {
	return &pace{now: now, reports: map[string][]time.Time{}, open: map[string]bool{}}
}

func pullKey(repository approval.RepositoryName, pull int) string {
	return fmt.Sprintf("%s#%d", strings.ToLower(string(repository)), pull)
}

// report is how long to wait before the next report on a pull request, 0 for now.
func (p *pace) report(pull string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.writes = since(p.writes, now.Add(-time.Minute))
	wait := until(p.writes, writesAMinute, time.Minute, now)
	before := since(p.reports[pull], now.Add(-time.Minute))
	if n := len(before); n > 0 {
		gap := betweenReports
		if n > manyReports {
			gap = betweenMany
		}
		wait = max(wait, before[n-1].Add(gap).Sub(now))
	}
	return max(wait, 0)
}

// comment is how long to wait before the next comment, 0 for now.
func (p *pace) comment() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.comments = since(p.comments, now.Add(-time.Hour))
	return max(until(p.comments, commentsAnHour, time.Hour, now),
		until(since(p.comments, now.Add(-time.Minute)), commentsAMinute, time.Minute, now), 0)
}

// wrote counts one write on a pull request.
func (p *pace) wrote(pull string, comment bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[pull] = true
	p.writes = append(p.writes, p.now())
	if comment {
		p.comments = append(p.comments, p.now())
	}
}

// reported ends a report on a pull request, which counts if something was written, and
// forgets pull requests on which nothing was for a while.
func (p *pace) reported(pull string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.open[pull] {
		return
	}
	delete(p.open, pull)
	now := p.now()
	p.reports[pull] = append(p.reports[pull], now)
	for key, times := range p.reports {
		if times = since(times, now.Add(-time.Minute)); len(times) == 0 {
			delete(p.reports, key)
		} else {
			p.reports[key] = times
		}
	}
}

// since are the times after a moment; the times are in their order.
func since(times []time.Time, moment time.Time) []time.Time {
	for len(times) > 0 && !times[0].After(moment) {
		times = times[1:]
	}
	return times
}

// until is how long it takes before fewer than most of the times are within the window.
func until(times []time.Time, most int, window time.Duration, now time.Time) time.Duration {
	if len(times) < most {
		return 0
	}
	return times[len(times)-most].Add(window).Sub(now)
}

// Later says that nothing failed, but that something may be written only after a while.
type Later struct{ wait time.Duration }

func (l Later) Error() string {
	return "written later, in " + l.wait.Round(time.Millisecond).String() + ", to keep within GitHub's limits"
}

// RetryAfter is how long to wait.
func (l Later) RetryAfter() time.Duration { return l.wait }

// Is makes it approval.ErrLater.
func (l Later) Is(target error) bool { return target == approval.ErrLater }
