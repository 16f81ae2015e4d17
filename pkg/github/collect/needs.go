package collect

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// readRequested reads whose review is being waited for. Teams are not people:
// asking a team again asks nobody in particular.
func readRequested(ctx context.Context, r *repo, number int) ([]approval.UserID, error) {
	op := fmt.Sprintf("read who is asked to review #%d", number)
	answer, resp, err := r.client.API().PullRequests.ListReviewers(ctx, r.name.Owner(), r.name.Name(), number, nil)
	if err != nil {
		return nil, github.Wrap(op, r.name, err)
	}
	if resp.NextPage != 0 { // the list has no pages, says GitHub's description
		return nil, github.Wrap(op, r.name, fmt.Errorf("the list was cut"))
	}
	out := []approval.UserID{} // nobody, and not unknown
	for _, u := range answer.Users {
		out = append(out, approval.UserID(u.GetID()))
	}
	return out, nil
}

// maxRuns bounds the check runs of one name by one App on one commit.
const maxRuns = 1000

// checksKey names checks on a commit. The wanted ones are in it, with all that is asked.
type checksKey struct {
	repository string // in lower case
	head       approval.SHA
	wanted     string
}

// pushersKey names the branch of a pull request.
type pushersKey struct {
	pull           pullName
	headRepository int64
	headRef        string
}

// checksOf reads checks, or shares what was read.
func (c *Collector) checksOf(ctx context.Context, r *repo, head approval.SHA, wanted []approval.RequiredCheck) ([]approval.Check, error) {
	key := checksKey{strings.ToLower(string(r.name)), head, fmt.Sprintf("%#v", wanted)}
	checks, err := c.checks.get(ctx, r.shared, key, func(ctx context.Context) ([]approval.Check, error) {
		return readChecks(ctx, r, head, wanted)
	})
	return slices.Clone(checks), err
}

// readChecks reads the latest run of each named check on a commit. When several
// suites have one, for example because a workflow runs for a push and for a pull
// request, the worst counts.
func readChecks(ctx context.Context, r *repo, head approval.SHA, wanted []approval.RequiredCheck) ([]approval.Check, error) {
	var out []approval.Check
	for _, want := range wanted {
		op := fmt.Sprintf("read the check %q of %s", want.Name, head.Short())
		runs, err := github.All(maxRuns, func(o gh.ListOptions) ([]*gh.CheckRun, *gh.Response, error) {
			answer, resp, err := r.client.API().Checks.ListCheckRunsForRef(ctx, r.name.Owner(), r.name.Name(), string(head), &gh.ListCheckRunsOptions{
				CheckName: &want.Name, AppID: &want.AppID, Filter: new("latest"), ListOptions: o,
			})
			if err != nil {
				return nil, resp, err
			}
			return answer.CheckRuns, resp, nil
		})
		if err != nil {
			return nil, github.Wrap(op, r.name, err)
		}
		check, found := approval.Check{Name: want.Name, AppID: want.AppID, Commit: head}, false
		for _, run := range runs {
			// Filters are GitHub's; what counts is looked at once more.
			if run.GetName() != want.Name || run.GetApp().GetID() != want.AppID || run.GetHeadSHA() != string(head) {
				continue
			}
			conclusion := ""
			if run.GetStatus() == "completed" {
				conclusion = run.GetConclusion()
			}
			if !found || check.Conclusion == "success" {
				check.Conclusion = conclusion
			}
			found = true
		}
		if found {
			out = append(out, check)
		}
	}
	return out, nil
}

// pushersOf are all who ever pushed to the head branch of a pull request, nil when
// that cannot be known: for a branch in a fork there is no log that we may read,
// and of a long log only the newest part is.
func (c *Collector) pushersOf(ctx context.Context, r *repo, p pull) ([]approval.User, error) {
	if p.headRepository != p.baseRepository || p.headRef == "" {
		return nil, nil
	}
	op := fmt.Sprintf("find who pushed to #%d", p.number)
	ref := "refs/heads/" + p.headRef
	query := url.Values{"ref": {ref}, "per_page": {strconv.Itoa(github.PageSize)}, "direction": {"desc"}}
	out, seen := []approval.User{}, map[int64]bool{}
	for range activityPages {
		var entries []activity
		resp, err := r.client.Get(ctx, op, fmt.Sprintf("repos/%s/%s/activity?%s", r.name.Owner(), r.name.Name(), query.Encode()), &entries)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			switch {
			case e.Ref != ref || e.Type == "branch_deletion":
				// Everything else puts something on the branch, and so may what is not
				// known yet.
			case e.Actor == nil || e.Actor.ID <= 0:
				return nil, nil
			case !seen[e.Actor.ID]:
				seen[e.Actor.ID] = true
				out = append(out, approval.User{ID: approval.UserID(e.Actor.ID), Login: e.Actor.Login, Type: e.Actor.Type})
			}
		}
		if resp.After == "" {
			return out, nil
		}
		query.Set("after", resp.After)
	}
	return nil, nil
}
