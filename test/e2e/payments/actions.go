package payments

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// repository creates the env-overrides repository and gives people their rights.
func (w *World) repository(ctx context.Context) error {
	collaborators := map[string]string{Alice: "write", Mallory: "write", argoReader: "read"}
	if w.options.Images != nil {
		collaborators[Renovate] = "write"
	}
	repo, err := w.GitHub.CreateRepository(Organization, "env-overrides", standin.RepositoryOptions{
		Files: w.Files(), Author: Alice, Collaborators: collaborators,
	})
	if err != nil {
		return err
	}
	w.CloneURL, w.Enrolled = repo.CloneURL, repo.Head
	teams := []string{"sre"}
	if w.options.Images != nil {
		teams = append(teams, "release")
	}
	for _, team := range teams {
		if err := w.GitHub.GrantTeam(Organization, team, Repository, "write"); err != nil {
			return err
		}
	}
	return w.Sandbox.ArgoCD().AddRepository(ctx, w.CloneURL, argoReader, w.tokens[argoReader])
}

// install creates the GitHub App with the permissions that Gatekeeper needs, and
// installs it on the repository.
func (w *World) install() error {
	app, err := w.GitHub.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: Organization,
		WebhookURL: "http://" + w.Address + "/webhooks/github", WebhookSecret: webhookSecret,
		Permissions: w.permissions(),
		Events:      []string{"push", "pull_request", "pull_request_review", "issue_comment", "check_run", "membership", "team", "member", "organization", "merge_group"},
	})
	if err != nil {
		return err
	}
	w.app = app
	w.installation, err = w.GitHub.Install(app.ID, Organization, "env-overrides")
	return err
}

// Pull is a pull request.
type Pull = standin.OpenedPull

// Propose opens a pull request that changes a service's production limit.
func (w *World) Propose(author, service, limit string) (Pull, error) {
	return w.ProposeFile(author, ValuesFile("prod", service), Values("prod", service, limit),
		fmt.Sprintf("Raise the transfer limit of %s to %s", service, limit))
}

// ProposeFile opens a pull request that writes one file.
func (w *World) ProposeFile(author, path, content, title string) (Pull, error) {
	return w.GitHub.As(author).OpenPull(Repository, standin.PullOptions{
		Title: title, Change: standin.Change{Files: map[string]string{path: content}, Message: title},
	})
}

// Push adds a commit to a pull request that changes the limit again, and returns
// the pull request with its new head.
func (w *World) Push(author string, pull Pull, service, limit string) (Pull, error) {
	head, err := w.GitHub.As(author).PushToPull(Repository, pull.Number, standin.Change{
		Files: map[string]string{ValuesFile("prod", service): Values("prod", service, limit)}, Message: "Make it " + limit,
	})
	pull.Head = head
	return pull, err
}

// PushToMain commits straight to the protected branch.
func (w *World) PushToMain(author, service, limit string) (string, error) {
	return w.GitHub.As(author).PushBranch(Repository, "main", standin.Change{
		Files: map[string]string{ValuesFile("prod", service): Values("prod", service, limit)}, Message: "Quick fix",
	})
}

// Approve submits an approving review of the head and returns its ID.
func (w *World) Approve(person string, number int) (int64, error) {
	return w.GitHub.As(person).Review(Repository, number, "APPROVE", "")
}

// ForceApproval records an approval that GitHub itself would refuse, such as the
// author's own: Gatekeeper must not rely on that refusal.
func (w *World) ForceApproval(person string, number int) error {
	pull, err := w.GitHub.Pull(Repository, number)
	if err != nil {
		return err
	}
	_, err = w.GitHub.ForceReview(Repository, number, person, "APPROVED", "", pull.Head)
	return err
}

// Dismiss dismisses a review.
func (w *World) Dismiss(person string, number int, review int64) error {
	return w.GitHub.As(person).Dismiss(Repository, number, review, "Not so fast.")
}

// Merge merges a pull request with one of GitHub's three methods and returns the
// commit that landed.
func (w *World) Merge(person string, number int, method string) (string, error) {
	return w.GitHub.As(person).Merge(Repository, number, method)
}

// Revert opens a pull request that takes one commit of main back.
func (w *World) Revert(author, sha string) (Pull, error) {
	return w.GitHub.As(author).RevertCommit(Repository, sha, "Revert "+sha[:7])
}

// Comments returns what Gatekeeper wrote on a pull request by itself; see Replies.
func (w *World) Comments(number int) ([]string, error) {
	comments, err := w.own(number)
	if err != nil {
		return nil, err
	}
	var bodies []string
	for _, c := range comments {
		if !strings.HasPrefix(c.Body, replyPrefix) {
			bodies = append(bodies, c.Body)
		}
	}
	return bodies, nil
}

// CheckTitle returns the title of the gate's newest check run on a commit; empty
// when there is none.
func (w *World) CheckTitle(sha string) (string, error) {
	runs, err := w.Checks(sha)
	if err != nil || len(runs) == 0 {
		return "", err
	}
	return runs[len(runs)-1].Title, nil
}

// Checks are the gates' check runs of a commit, oldest first.
func (w *World) Checks(sha string) ([]standin.CheckRun, error) {
	runs, err := w.GitHub.CheckRuns(Repository, sha)
	return slices.DeleteFunc(runs, func(r standin.CheckRun) bool { return r.AppID != w.app.ID }), err
}

// RerunChecks presses "Re-run all checks" of a commit.
func (w *World) RerunChecks(person, sha string) error {
	return w.GitHub.As(person).RerequestSuite(Repository, w.app.ID, sha)
}

// Delivered waits until every webhook so far was answered, and fails when the
// newest one was not accepted.
func (w *World) Delivered(ctx context.Context) error {
	if err := w.GitHub.WaitDelivered(ctx); err != nil {
		return err
	}
	deliveries := w.GitHub.Deliveries(w.app.ID)
	if len(deliveries) == 0 {
		return errors.New("nothing was delivered")
	}
	newest := deliveries[0]
	for _, d := range deliveries {
		if d.DeliveredAt.After(newest.DeliveredAt) {
			newest = d
		}
	}
	if newest.StatusCode != http.StatusAccepted {
		return fmt.Errorf("delivery %s of %s was answered with %d", newest.GUID, newest.Event, newest.StatusCode)
	}
	return nil
}

// quietFor is how long no call to GitHub must be seen.
const quietFor = 500 * time.Millisecond

// Quiet waits until every webhook was answered and Gatekeeper makes no more calls
// to GitHub, so that what is measured next begins with nothing under way.
func (w *World) Quiet(ctx context.Context) error {
	if err := w.GitHub.WaitDelivered(ctx); err != nil {
		return err
	}
	calls, since := -1, time.Now()
	return Await(ctx, "Gatekeeper to be quiet", func(context.Context) (bool, string, error) {
		if n := len(w.GitHub.Calls()); n != calls {
			calls, since = n, time.Now()
		}
		return time.Since(since) > quietFor, fmt.Sprintf("%d calls", calls), nil
	})
}

// CloneURLFor is the clone address with a person's credentials.
func (w *World) CloneURLFor(person string) string {
	return strings.Replace(w.CloneURL, "://", "://"+person+":"+w.tokens[person]+"@", 1)
}
