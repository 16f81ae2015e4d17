package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Deployments reads what was deployed, newest first.
type Deployments interface {
	Deployments(ctx context.Context, uid string, limit int) ([]history.Deployment, error)
}

// rollbacksRead bounds how far back one can go.
const rollbacksRead = 50

// RollbackRequest asks to go back to an earlier deployment.
type RollbackRequest struct {
	Application string `json:"application"`
	// To is a commit, or the beginning of one, or the number of a deployment, such as "12"
	// or "#12"; empty means the deployment before the
	// one that is live.
	To     string `json:"to,omitempty"`
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// RolledBack is an order to go back that was recorded.
type RolledBack struct {
	ID          string   `json:"id"`
	Hold        string   `json:"hold"`
	Gate        string   `json:"gate"`
	Application string   `json:"application"`
	Revisions   []string `json:"revisions"`
	// Deployed is when that was deployed the first time that is known.
	Deployed time.Time `json:"deployed"`
}

// Rollback orders that an earlier deployment is live again, and holds what is newer
// until that hold is released.
func (o *Operator) Rollback(ctx context.Context, who history.Person, r RollbackRequest) (RolledBack, error) {
	at, err := o.find(ctx, Target{Application: r.Application})
	if err != nil {
		return RolledBack{}, err
	}
	if err := o.mayHold(ctx, at.policy, who); err != nil {
		return RolledBack{}, err
	}
	wanted, depth, err := o.wanted(ctx, at, r.To)
	if err != nil {
		return RolledBack{}, err
	}
	past, err := o.o.History.Deployments(ctx, at.app.UID, depth)
	if err != nil {
		return RolledBack{}, fmt.Errorf("read the deployments of %s: %w", at.about(), err)
	}
	standing, err := o.o.Desk.Book().Standing(ctx)
	if err != nil {
		return RolledBack{}, err
	}
	target, err := chooseDeployment(at, past, standing, r.To, wanted)
	if err != nil {
		return RolledBack{}, err
	}
	hold, back := at.order(history.VerbHold, who, r.Reason), at.order(history.VerbRollback, who, r.Reason)
	hold.Act.ID = o.part("hold")
	candidate := target.Intent.Candidate
	back.Act.Candidate, back.Act.Intent, back.Act.Hold = &candidate, target.Intent.ID, hold.Act.ID
	acts, err := o.give(ctx, func(s orders.Standing) error { return notHeld(s, at, o.o.Desk.Now()) }, hold, back)
	if err != nil {
		return RolledBack{}, err
	}
	return RolledBack{
		ID: acts[1].ID, Hold: acts[0].ID, Gate: at.policy.Gate, Application: at.about(),
		Revisions: commits(candidate), Deployed: target.Recorded,
	}, nil
}

// chooseDeployment finds what to go back to: something else than what is live, of the
// spec of now, and approved.
func chooseDeployment(at place, past []history.Deployment, standing orders.Standing, to string, wanted func(history.Deployment) bool) (history.Deployment, error) {
	if len(past) == 0 {
		return history.Deployment{}, &console.Error{
			Code: console.CodeNotFound, Text: "the record has no deployment of " + at.about(),
			Remedy: "what was live before Gatekeeper is not on record; revert the change with a pull request",
		}
	}
	live := past[0].Intent.Candidate
	strayed := isElsewhere(at.app, live)
	why := "every deployment on record is of what is live"
	for _, d := range past {
		c := d.Intent.Candidate
		switch {
		case c.Equal(live) && !strayed, !wanted(d):
		case d.Intent.Gate != at.policy.Gate:
			why = "another gate, " + d.Intent.Gate + ", deployed " + strings.Join(commits(c), ", ")
		case c.SpecDigest != at.app.SpecDigest:
			why = "the spec of " + at.about() + " was another one when " + strings.Join(commits(c), ", ") + " was deployed"
		case !standing.Trusts(at.app.UID, d.Intent.Act):
			why = strings.Join(commits(c), ", ") + " was deployed by break-glass, and nobody has reviewed that"
		default:
			return d, nil
		}
	}
	if to != "" && why == "every deployment on record is of what is live" {
		why = "the record has no other deployment of " + to
	}
	return history.Deployment{}, &console.Error{
		Code: console.CodeNotFound, Text: "there is nothing to go back to: " + why,
		Remedy: "the deployments are in: gatekeeper history " + at.about(),
	}
}

// isElsewhere says whether Argo CD's history ends with something else than what the gate let
// through last: then that is what one may want to go back to.
func isElsewhere(app approval.Application, c approval.Candidate) bool {
	if len(app.Deployed) == 0 {
		return false
	}
	now := app.Deployed[len(app.Deployed)-1].Revisions
	return len(now) != len(c.Revisions) || slices.ContainsFunc(c.Revisions, func(r approval.Revision) bool { return !slices.Contains(now, string(r.SHA)) })
}

// shortestCommit is how much of a commit has to be named.
const shortestCommit = 7

func hasCommit(c approval.Candidate, prefix string) bool {
	return len(prefix) >= shortestCommit && slices.ContainsFunc(c.Revisions, func(r approval.Revision) bool {
		return strings.HasPrefix(string(r.SHA), strings.ToLower(prefix))
	})
}

func commits(c approval.Candidate) []string {
	var out []string
	for _, r := range c.Revisions {
		if !slices.Contains(out, r.SHA.Short()) {
			out = append(out, r.SHA.Short())
		}
	}
	return out
}

// notHeld refuses while somebody holds the Application: a rollback would only wait.
func notHeld(s orders.Standing, at place, now time.Time) error {
	holds := s.Holds(at.policy.Gate, at.app.UID, now)
	if len(holds) == 0 {
		return nil
	}
	return &console.Error{
		Code: console.CodeRefused, Text: fmt.Sprintf("%s holds %s: %s", holds[0].Person, at.about(), holds[0].Reason),
		Remedy: "release it first: gatekeeper release " + holds[0].ID + " --by NAME --reason TEXT",
	}
}
