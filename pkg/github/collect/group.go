package collect

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// maxGroup bounds the pull requests of one merge group. GitHub builds one group for each
// and lands up to 100 of them together ("Managing a merge queue", GitHub docs).
const maxGroup = 100

// errGroupGone says that a merge queue gave a group up, or built it anew.
var errGroupGone = fmt.Errorf("the merge group is gone: %w", approval.ErrNotFound)

// CollectGroup reads the pull requests of a merge group, with what each of them would
// land, and those ahead of it in the queue: with the strategy HEADGREEN they land as soon
// as the checks of the last one passed. Which they are is claimed by the names of the
// groups' branches and by the messages of the commits, and proven from their contents as
// for a landing. What cannot be proven leaves the answer untold; the error matches
// approval.ErrNotFound only when there is no such group any more. What CollectPull says
// about freshness holds here too.
func (c *Collector) CollectGroup(ctx context.Context, repository approval.RepositoryName, g approval.MergeGroup, q approval.Query) (approval.GroupAnswer, error) {
	number, ok := pullOfQueueBranch(g)
	if !ok {
		return approval.GroupAnswer{}, fmt.Errorf("merge group %s of %s: %q is no branch of a merge queue for %s", g.Head.Short(), repository, g.Ref, g.Branch)
	}
	r, err := c.handle(ctx, repository)
	if err != nil {
		return approval.GroupAnswer{}, besides{err}
	}
	if err := fetchGroup(ctx, r, g); err != nil {
		return approval.GroupAnswer{}, err
	}
	// What was fetched of it stays, and its branch is of no more use.
	defer func() { _ = r.mirror.Forget(context.WithoutCancel(ctx), g.Ref) }()
	c.groups.put(groupKey{repository, g.Head}, number, groupsKept)
	answer := approval.GroupAnswer{Newest: number}
	for at := g.Head; ; {
		if at == g.Base || answer.Ahead > 0 {
			on, err := r.onBranch(ctx, g.Branch, at)
			if err != nil {
				return approval.GroupAnswer{}, besides{err}
			}
			if on {
				break
			}
			answer.Ahead++
		}
		entry, why, err := c.groupEntry(ctx, r, g, at, answer.Pulls, q)
		switch {
		case err != nil:
			return approval.GroupAnswer{}, err
		case why != "" && answer.Ahead > 0:
			answer.Ahead--
			answer.UntoldAhead = why
		case why != "":
			return approval.GroupAnswer{Newest: number, Untold: why}, nil
		default:
			answer.Pulls, at = append(answer.Pulls, entry.PullAnswer), entry.parent
			continue
		}
		break
	}
	slices.Reverse(answer.Pulls)
	return answer, nil
}

// entry is a pull request in a merge queue, and the commit that it is built on.
type entry struct {
	approval.PullAnswer
	parent approval.SHA
}

// groupEntry finds the pull request that ends at a commit of a group, or says why it
// cannot be told.
func (c *Collector) groupEntry(ctx context.Context, r *repo, g approval.MergeGroup, at approval.SHA, before []approval.PullAnswer, q approval.Query) (e entry, untold string, err error) {
	commit, err := r.mirror.Commit(ctx, at)
	if err != nil {
		return entry{}, "", besides{fmt.Errorf("read %s of the merge group: %w", at.Short(), err)}
	}
	number, ok := c.groups.peek(groupKey{r.name, at})
	if !ok {
		number = ClaimedBy(commit.Subject)
	}
	switch {
	case number == 0:
		return entry{}, "no pull request is named by " + at.Short(), nil
	case len(before) >= maxGroup:
		return entry{}, fmt.Sprintf("there are more than %d pull requests", maxGroup), nil
	case slices.ContainsFunc(before, func(a approval.PullAnswer) bool { return a.Pull.Number == number }):
		return entry{}, fmt.Sprintf("#%d is there twice", number), nil
	}
	a, err := c.CollectPull(ctx, r.name, number, q)
	if errors.Is(err, approval.ErrNotFound) {
		return entry{}, fmt.Sprintf("there is no #%d", number), nil
	}
	if err != nil {
		return entry{}, "", besides{err}
	}
	if a.Pull.Base != g.Branch || !a.Open && !a.Pull.Merged {
		return entry{}, fmt.Sprintf("#%d is no open pull request into %s", number, g.Branch), nil
	}
	l, err := r.mirror.Prove(ctx, mirror.Commit{SHA: at}, a.Pull.Head)
	if err != nil {
		return entry{}, "", besides{err}
	}
	if l.Proof.Result != approval.Proven || l.Parent == "" {
		return entry{}, fmt.Sprintf("%s is not #%d as it was reviewed: %s", at.Short(), number, l.Proof.Detail), nil
	}
	if a.Changes, err = r.mirror.Changes(ctx, l.Parent, at); err != nil {
		return entry{}, "", besides{err}
	}
	// Whoever owns the files, and which commits are its own, is for what it lands on to
	// say: what is ahead of it in the queue may change both.
	a.BaseHead = l.Parent
	if q.Needs.CodeOwners {
		if a.Pull.Owners, err = c.ownersOf(ctx, r, l.Parent, a.Changes); err != nil {
			return entry{}, "", besides{err}
		}
		a.Directory, err = c.complete(ctx, q, a.Directory, []*repo{r}, []*approval.PullRequest{&a.Pull}, votesOf(r, a.Pull))
		if err != nil {
			return entry{}, "", besides{err}
		}
	}
	return entry{a, l.Parent}, "", nil
}

// groupKey names a merge group.
type groupKey struct {
	repository approval.RepositoryName
	head       approval.SHA
}

// groupsKept is how long it is remembered for which pull request a group was made. A
// queue gives up on checks after at most six hours.
const groupsKept = 6 * time.Hour

// onBranch says whether a commit is on the first-parent line of a branch.
func (r *repo) onBranch(ctx context.Context, branch string, commit approval.SHA) (bool, error) {
	if err := r.fetch(ctx, branch); err != nil {
		return false, err
	}
	_, on, err := r.mirror.Line(ctx, branch, commit)
	return on, err
}

// fetchGroup brings the commits of a group and makes sure that it still is what the
// queue asked about.
func fetchGroup(ctx context.Context, r *repo, g approval.MergeGroup) error {
	err := r.fetch(ctx, g.Ref)
	if errors.Is(err, approval.ErrNotFound) {
		return errGroupGone
	}
	if err != nil {
		return besides{err}
	}
	head, err := r.mirror.Head(ctx, g.Ref)
	if err != nil {
		return besides{err}
	}
	if head != g.Head {
		return errGroupGone
	}
	return nil
}

// queuePrefix begins the branches of merge queues. Nobody else may push to them
// ("Managing a merge queue", GitHub docs).
const queuePrefix = "gh-readonly-queue/"

var queueTail = regexp.MustCompile(`^/pr-([1-9][0-9]{0,8})-[0-9a-f]{40}$`)

// pullOfQueueBranch reads "gh-readonly-queue/main/pr-12-<commit>", which names the pull
// request that the group was made for.
func pullOfQueueBranch(g approval.MergeGroup) (int, bool) {
	tail, ok := strings.CutPrefix(g.Ref, queuePrefix+g.Branch)
	match := queueTail.FindStringSubmatch(tail)
	if !ok || g.Branch == "" || match == nil {
		return 0, false
	}
	n, err := strconv.Atoi(match[1])
	return n, err == nil
}

// The messages with which GitHub merges and squashes.
var subjects = []*regexp.Regexp{
	regexp.MustCompile(`^Merge pull request #([1-9][0-9]{0,8}) from `),
	regexp.MustCompile(`\(#([1-9][0-9]{0,8})\)$`),
}

// ClaimedBy is the pull request that the title of a commit names, 0 for none. It is a
// claim and no more: whose content it is has to be proven.
func ClaimedBy(subject string) int {
	for _, pattern := range subjects {
		if match := pattern.FindStringSubmatch(strings.TrimSpace(subject)); match != nil {
			if n, err := strconv.Atoi(match[1]); err == nil {
				return n
			}
		}
	}
	return 0
}
