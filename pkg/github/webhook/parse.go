package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// BodyLimit is the largest delivery that GitHub sends (GitHub docs, "Webhook
// events and payloads": 25 MB; larger ones are not sent at all).
const BodyLimit = 25 << 20

// ErrPayload says that a delivery does not hold what its event must hold.
var ErrPayload = errors.New("the delivery is not what its event says")

// Parse reads a delivery of the event named in EventHeader. Events of which
// nothing follows give the empty hint. The body must have been verified.
func Parse(event string, body []byte) (approval.Hint, error) {
	read, ok := reader(event)
	if !ok {
		return approval.Hint{}, nil
	}
	if len(body) > BodyLimit {
		return approval.Hint{}, fmt.Errorf("%w: %s of %d bytes", ErrPayload, event, len(body))
	}
	var d delivery
	if err := json.Unmarshal(body, &d); err != nil {
		return approval.Hint{}, fmt.Errorf("%w: %s: %w", ErrPayload, event, err)
	}
	h, err := read(d)
	if err != nil {
		return approval.Hint{}, fmt.Errorf("%w: %s %s: %w", ErrPayload, event, strconv.Quote(d.Action), err)
	}
	return h, nil
}

// reader finds what reads an event. The header decides, never the body: a body
// of one event can be made to look like that of another.
func reader(event string) (func(delivery) (approval.Hint, error), bool) {
	switch event {
	case "pull_request":
		return readPull, true
	case "pull_request_review":
		return readReview, true
	case "push":
		return readPush, true
	case "issue_comment":
		return readComment, true
	case "check_run":
		return readCheckRun, true
	case "check_suite":
		return readCheckSuite, true
	case "merge_group":
		return readMergeGroup, true
	case "membership", "team", "team_add", "organization", "member":
		return readPeople, true
	case "installation", "installation_repositories":
		return readInstallation, true
	default:
		return nil, false
	}
}

// delivery has the fields of all events that we read.
type delivery struct {
	Action      string       `json:"action"`
	Repository  *repository  `json:"repository"`
	Sender      *user        `json:"sender"`
	PullRequest *pullRequest `json:"pull_request"`
	Review      *review      `json:"review"`
	Issue       *issue       `json:"issue"`
	Comment     *comment     `json:"comment"`
	CheckRun    *check       `json:"check_run"`
	CheckSuite  *check       `json:"check_suite"`
	MergeGroup  *mergeGroup  `json:"merge_group"`
	Ref         string       `json:"ref"`
	// Before is the former head of a pull request that got another one, or of a
	// branch that was pushed to.
	Before string `json:"before"`
	pushed
	RequestedAction *requestedAction `json:"requested_action"`
	Installation    *identified      `json:"installation"`
}

type repository struct {
	ID       int64  `json:"id"`
	FullName string `json:"full_name"`
	Owner    *user  `json:"owner"`
	// PushedAt is a number of seconds in push events and a text in others.
	PushedAt json.RawMessage `json:"pushed_at"`
}

type user struct {
	ID    approval.UserID `json:"id"`
	Login string          `json:"login"`
	Type  string          `json:"type"`
}

type pullRequest struct {
	Number         int       `json:"number"`
	Merged         bool      `json:"merged"`
	MergeCommitSHA string    `json:"merge_commit_sha"`
	MergedBy       *user     `json:"merged_by"`
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
	Head           ref       `json:"head"`
	Base           ref       `json:"base"`
}

type ref struct {
	Ref  string      `json:"ref"`
	SHA  string      `json:"sha"`
	Repo *repository `json:"repo"`
}

type review struct {
	ID       int64  `json:"id"`
	CommitID string `json:"commit_id"`
}

type issue struct {
	Number      int             `json:"number"`
	PullRequest json.RawMessage `json:"pull_request"`
}

type check struct {
	ID           int64         `json:"id"`
	HeadSHA      string        `json:"head_sha"`
	App          *identified   `json:"app"`
	ExternalID   string        `json:"external_id"`
	PullRequests []pullRequest `json:"pull_requests"`
}

// about starts a hint with the repository, which most events must name.
func (d delivery) about() (approval.Hint, error) {
	if d.Repository == nil || d.Repository.ID <= 0 {
		return approval.Hint{}, errors.New("it names no repository")
	}
	name, err := approval.ParseRepositoryName(d.Repository.FullName)
	if err != nil {
		return approval.Hint{}, err
	}
	return approval.Hint{RepositoryID: d.Repository.ID, Repository: name}, nil
}

func (d delivery) aboutPull() (approval.Hint, error) {
	h, err := d.about()
	if err != nil {
		return approval.Hint{}, err
	}
	if d.PullRequest == nil || d.PullRequest.Number <= 0 {
		return approval.Hint{}, errors.New("it names no pull request")
	}
	h.Pull = d.PullRequest.Number
	return h, nil
}

func readPull(d delivery) (approval.Hint, error) {
	h, err := d.aboutPull()
	if err != nil {
		return approval.Hint{}, err
	}
	switch d.Action {
	case "synchronize":
		if h.Head, err = d.witnessedHead(h, d.PullRequest.UpdatedAt); err == nil {
			// Without it the head is known all the same, but not what it replaced.
			h.Head.Before, _ = approval.ParseSHA(d.Before)
		}
	case "opened":
		if d.fromOwnFork() {
			h.Head, err = d.witnessedHead(h, d.PullRequest.CreatedAt)
		}
	case "reopened":
		if d.fromOwnFork() {
			h.Head, err = d.witnessedHead(h, d.PullRequest.UpdatedAt)
		}
	case "closed":
		if d.PullRequest.Merged {
			h.Merge, err = d.witnessedMerge(h)
			h.Branch = d.PullRequest.Base.Ref
		}
	case "labeled", "unlabeled", "assigned", "unassigned", "milestoned", "demilestoned", "locked", "unlocked",
		"auto_merge_enabled", "auto_merge_disabled":
		h.Pull = 0 // nothing is decided from any of these
	}
	if err != nil {
		return approval.Hint{}, err
	}
	return h, nil
}

// fromOwnFork is true when whoever opened (or opened again) the pull request
// owns the repository that its head is in, and that is not the base repository.
//
// Opening tells who opened, not who pushed: Alice can open a pull request for a
// branch that Mallory pushed, and Mallory must not count as an approver. Within
// one repository GitHub's activity log knows who pushed, so nothing is
// witnessed then. For a fork there is no log that we may read. Its owner is
// taken for the pusher; for anybody else's the pusher stays unknown, which
// blocks, until a push is witnessed.
func (d delivery) fromOwnFork() bool {
	head := d.PullRequest.Head.Repo
	return head != nil && head.ID > 0 && head.ID != d.Repository.ID &&
		head.Owner != nil && d.Sender != nil && head.Owner.ID > 0 && head.Owner.ID == d.Sender.ID
}

// witnessedHead says who pushed a head. The time is the newest that GitHub's
// clock gives in the delivery: the head arrived then or a moment before, so a
// review that is older than this may have been about another head.
func (d delivery) witnessedHead(h approval.Hint, at time.Time) (*approval.WitnessedHead, error) {
	head, err := approval.ParseSHA(d.PullRequest.Head.SHA)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the head: %w", err)
	case d.Sender == nil || d.Sender.ID <= 0 || d.Sender.Login == "":
		return nil, errors.New("it names no sender")
	case at.IsZero():
		return nil, errors.New("it has no time")
	}
	return &approval.WitnessedHead{
		RepositoryID: h.RepositoryID, Pull: h.Pull, Head: head, PushedAt: at.UTC(),
		Pusher: approval.User{ID: d.Sender.ID, Login: d.Sender.Login, Type: d.Sender.Type},
	}, nil
}

func (d delivery) witnessedMerge(h approval.Hint) (*approval.WitnessedMerge, error) {
	commit, err := approval.ParseSHA(d.PullRequest.MergeCommitSHA)
	if err != nil {
		return nil, fmt.Errorf("the merge commit: %w", err)
	}
	if d.PullRequest.Base.Ref == "" {
		return nil, errors.New("it names no base branch")
	}
	by := d.PullRequest.MergedBy
	return &approval.WitnessedMerge{
		RepositoryID: h.RepositoryID, Pull: h.Pull, Commit: commit,
		ByPerson: by != nil && by.ID > 0 && by.Type == approval.UserTypePerson,
	}, nil
}

// readReview witnesses the commit and the base branch of a review at the one
// moment at which they are certain: later GitHub may move the review to another
// head, and the author the pull request to another base.
func readReview(d delivery) (approval.Hint, error) {
	h, err := d.aboutPull()
	if err != nil {
		return approval.Hint{}, err
	}
	if d.Review == nil || d.Review.ID <= 0 {
		return approval.Hint{}, errors.New("it names no review")
	}
	if d.Action != "submitted" {
		return h, nil
	}
	commit, err := approval.ParseSHA(d.Review.CommitID)
	if err != nil {
		return approval.Hint{}, fmt.Errorf("the reviewed commit: %w", err)
	}
	if d.PullRequest.Base.Ref == "" {
		return approval.Hint{}, errors.New("it names no base branch")
	}
	h.Review = &approval.WitnessedReview{RepositoryID: h.RepositoryID, ReviewID: d.Review.ID, Commit: commit, Base: d.PullRequest.Base.Ref}
	return h, nil
}

func readPush(d delivery) (approval.Hint, error) {
	h, err := d.about()
	if err != nil {
		return approval.Hint{}, err
	}
	if d.Ref == "" {
		return approval.Hint{}, errors.New("it names no ref")
	}
	if branch, ok := strings.CutPrefix(d.Ref, "refs/heads/"); ok {
		h.Branch = branch
		h.Push = d.witnessedPush(h)
	}
	return h, nil
}

// readComment hints at the pull request of a comment. Comments on plain issues
// are nothing to us, and neither is what a bot writes: our own status comment
// comes back with every edit.
func readComment(d delivery) (approval.Hint, error) {
	h, err := d.about()
	if err != nil {
		return approval.Hint{}, err
	}
	if d.Issue == nil || d.Issue.Number <= 0 {
		return approval.Hint{}, errors.New("it names no issue")
	}
	if h.Comment = d.changedComment(); h.Comment == nil && d.Sender != nil && d.Sender.Type == "Bot" {
		return h, nil
	}
	link := string(d.Issue.PullRequest)
	switch {
	case link == "" || link == "null":
	case d.Action == "created":
		h.Asked = d.askedByComment(h) // a comment that asks for nothing changes nothing
	default:
		h.Pull = d.Issue.Number // an approval may be changed or gone
	}
	return h, nil
}

// ExternalID is what Gatekeeper gives its check runs, so that a press on a
// button there leads back to the pull request. GitHub's own list is empty for
// forks and names every pull request with the same head.
func ExternalID(pull int) string { return externalIDPrefix + strconv.Itoa(pull) }

const externalIDPrefix = "gatekeeper/pull/"

func readCheckRun(d delivery) (approval.Hint, error) {
	if d.CheckRun == nil {
		return approval.Hint{}, errors.New("it names no check run")
	}
	h, err := d.aboutCheck(*d.CheckRun)
	if err == nil {
		h.Asked = d.askedByButton(h, *d.CheckRun)
	}
	return h, err
}

func readCheckSuite(d delivery) (approval.Hint, error) {
	if d.CheckSuite == nil {
		return approval.Hint{}, errors.New("it names no check suite")
	}
	h, err := d.aboutCheck(*d.CheckSuite)
	if err == nil && d.Action == "rerequested" {
		// GitHub says of no run what it is of, and of pull requests only those of the
		// repository itself whose head it is: none for a fork or a merge group.
		h.Suite, _ = approval.ParseSHA(d.CheckSuite.HeadSHA)
	}
	return h, err
}

// aboutCheck hints at a pull request when somebody asks for a check to run again
// or presses one of its buttons. Other actions are echoes of what we wrote.
func (d delivery) aboutCheck(c check) (approval.Hint, error) {
	h, err := d.about()
	if err != nil {
		return approval.Hint{}, err
	}
	if d.Action != "rerequested" && d.Action != "requested_action" {
		return h, nil
	}
	if number, ok := strings.CutPrefix(c.ExternalID, externalIDPrefix); ok {
		n, err := strconv.Atoi(number)
		if err != nil || n <= 0 {
			return approval.Hint{}, fmt.Errorf("the external ID %q names no pull request", c.ExternalID)
		}
		h.Pull, h.Again = n, d.Action == "rerequested"
		return h, nil
	}
	switch group, err := groupOf(c.ExternalID, c.HeadSHA); {
	case err != nil:
		return approval.Hint{}, err
	case group != nil:
		if d.Action == "rerequested" { // such a run has no buttons
			h.Group, h.Again = group, true
		}
		return h, nil
	}
	if len(c.PullRequests) > 0 {
		if h.Pull = c.PullRequests[0].Number; h.Pull <= 0 {
			return approval.Hint{}, errors.New("it names no pull request")
		}
		h.Again = d.Action == "rerequested"
	}
	return h, nil
}

// readPeople says that somebody's rights may have changed. Events about an
// organization name no repository.
func readPeople(d delivery) (approval.Hint, error) {
	if d.Repository == nil {
		return approval.Hint{People: true}, nil
	}
	h, err := d.about()
	if err != nil {
		return approval.Hint{}, err
	}
	h.People = true
	return h, nil
}

// readInstallation says that the App may now see or do something else: it was
// suspended or is no longer, was given permissions or repositories, or lost them.
// GitHub sends no other events to a suspended App, and repeats none afterwards.
func readInstallation(delivery) (approval.Hint, error) { return approval.Hint{Access: true}, nil }
