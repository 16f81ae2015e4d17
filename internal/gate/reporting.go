package gate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// reportingFull is how soon a report is tried again when enough others are under way.
const reportingFull = 50 * time.Millisecond

// enter lets half of the workers report at a time, so that what is approved is never
// kept from being synced by what is only told. False means that the key was put back.
func (g *Gate) enter(key Key) (leave func(), ok bool) {
	if key.Application != "" {
		return func() {}, true
	}
	select {
	case g.reporting <- struct{}{}:
		return func() { <-g.reporting }, true
	default:
		g.queue.AddAfter(key, reportingFull)
		return nil, false
	}
}

// tooEarly says that a pull request was reported on a moment ago. It is asked before
// any fact is read, so that the report that is made then has the newest ones, and all
// that happened in between is one report. Nothing is lost meanwhile: the deliveries
// that woke the key stay in the inbox until the report is written.
func (g *Gate) tooEarly(key Key) error {
	if wait := g.reporter.Wait(key.Repository, key.Pull); wait > 0 {
		return early{wait}
	}
	return nil
}

type early struct{ wait time.Duration }

func (e early) Error() string             { return "reported a moment ago; again in " + e.wait.String() }
func (e early) RetryAfter() time.Duration { return e.wait }
func (e early) Is(target error) bool      { return target == approval.ErrLater }

// reportAnew sees to what somebody did to our reports, and names the keys that write them
// again. Only is true when the hint is about nothing else, so that it wakes no other.
func (g *Gate) reportAnew(ctx context.Context, h approval.Hint) (keys []Key, only bool, err error) {
	name := g.configured(h)
	if h.Group != nil && h.Again && g.protectsRepository(name) {
		g.reporter.AgainGroup(name, h.Group.Head) // the group's own key is woken by the hint
	}
	if h.Suite != "" && g.protectsRepository(name) {
		keys, err = g.suiteAnew(ctx, name, h)
		return keys, false, err
	}
	if h.Pull == 0 || !g.protectsRepository(name) {
		return nil, false, nil
	}
	key := Key{Repository: name, Pull: h.Pull}
	if h.Again {
		g.reporter.Again(name, h.Pull)
		return []Key{key}, false, nil
	}
	if h.Comment == nil {
		return nil, false, nil
	}
	ours, err := g.reporter.CommentChanged(ctx, name, h.Pull, *h.Comment)
	if err != nil {
		return nil, false, fmt.Errorf("note that a comment was changed: %w", err)
	}
	if !ours {
		return nil, false, nil
	}
	return []Key{key}, true, nil
}

// suiteAnew has everything judged and written again that was reported on at the head of a
// check suite, and names its keys. The pull request of the hint is among them even if it
// never was.
func (g *Gate) suiteAnew(ctx context.Context, repository approval.RepositoryName, h approval.Hint) ([]Key, error) {
	concerned, _ := g.queryOf(repository)
	var gates []string
	for _, p := range concerned {
		gates = append(gates, p.Gate)
	}
	pulls, groups, err := g.reporter.AgainSuite(ctx, repository, h.Suite, gates)
	if err != nil {
		return nil, fmt.Errorf("find out what the check suite is of: %w", err)
	}
	if h.Pull != 0 && len(groups) == 0 && !slices.Contains(pulls, h.Pull) {
		g.reporter.Again(repository, h.Pull)
		pulls = append(pulls, h.Pull)
	}
	var keys []Key
	for _, n := range pulls {
		keys = append(keys, Key{Repository: repository, Pull: n})
	}
	for _, group := range groups {
		keys = append(keys, Key{Repository: repository, Group: group})
	}
	return keys, nil
}
