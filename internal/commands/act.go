package commands

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/adopt"
	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/command"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// act does what a command asks for. It is called once more after a crash, and then comes
// to the same end.
func (w *work) act(ctx context.Context, origin string, c command.Command) (answer, error) {
	switch c.Verb {
	case command.Help:
		return w.help(ctx)
	case command.Status, command.Why:
		return w.status(ctx, c)
	case command.Diff:
		return w.diff(ctx, c)
	case command.Request:
		return w.request(ctx, origin, c)
	case command.Approve:
		return w.approve(ctx)
	case command.Cancel:
		return w.cancel(ctx)
	case command.Sync:
		return w.sync(ctx, origin, c)
	case command.Retry:
		return w.again(ctx, c)
	case command.Hold, command.Release, command.Rollback, command.BreakGlass:
		return w.order(ctx, origin, c)
	case command.Adopt:
		return w.adopt(ctx, origin, c)
	case command.Promote:
		return w.promote(ctx, c)
	default:
		return refuse("there is no command "+string(c.Verb), "/gk help lists those that there are"), nil
	}
}

// order gives an order about syncs.
func (w *work) order(ctx context.Context, origin string, c command.Command) (answer, error) {
	operator, who := w.Operator.From(operate.Origin{ID: origin, Pull: w.asked.Pull, Asked: w.since(), Request: w.id + "-"}), w.person()
	var err error
	switch c.Verb {
	case command.Hold:
		var t operate.Target
		if t, err = w.target(ctx, c); err == nil {
			_, err = operator.Hold(ctx, who, operate.HoldRequest{Target: t, Reason: c.Reason, For: c.For})
		}
	case command.Release:
		r := operate.ReleaseRequest{Hold: c.Order, Reason: c.Reason}
		if c.Order == "" {
			r.Target, err = w.target(ctx, c)
		} else {
			err = w.ofHere(ctx, c.Order)
		}
		if err == nil {
			_, err = operator.Release(ctx, who, r)
		}
	case command.Rollback:
		var app string
		if app, err = w.application(ctx, c.Application); err == nil {
			to := strings.Join(c.Revisions, "")
			if c.Deployment > 0 {
				to = "#" + strconv.Itoa(c.Deployment)
			}
			_, err = operator.Rollback(ctx, who, operate.RollbackRequest{Application: app, To: to, Reason: c.Reason})
		}
	default:
		err = w.breakGlass(ctx, operator, c)
	}
	if errors.Is(err, operate.ErrGiven) {
		err = nil
	}
	if err != nil {
		return answer{}, err
	}
	told, ok, err := w.onRecord(ctx, origin)
	if err == nil && !ok {
		err = fmt.Errorf("the order %s is not on record", origin)
	}
	w.Gates.WakePull(ctx, w.repository, w.asked.Pull)
	return told, err
}

// breakGlass has one commit synced. An abbreviated one is only taken for where the pull
// request landed.
func (w *work) breakGlass(ctx context.Context, operator *operate.Operator, c command.Command) error {
	app, err := w.application(ctx, c.Application)
	if err != nil {
		return err
	}
	pull, err := w.unmoved(ctx)
	if err != nil {
		return err
	}
	revisions := slices.Clone(c.Revisions)
	for i, r := range revisions {
		if pull.Merged && strings.HasPrefix(string(pull.MergeCommit), r) {
			revisions[i] = string(pull.MergeCommit)
		}
	}
	_, err = operator.BreakGlass(ctx, w.person(), operate.BreakGlassRequest{Application: app, Revisions: revisions, Reason: c.Reason, For: c.For})
	return err
}

// ofHere refuses an order that is about a gate which does not protect the repository.
func (w *work) ofHere(ctx context.Context, id string) error {
	s, err := w.Desk.Book().Standing(ctx)
	if err != nil {
		return err
	}
	if order, ok := s.ByID(id); ok && slices.ContainsFunc(w.policies(), func(p approval.Policy) bool { return p.Gate == order.Gate }) {
		return nil
	}
	return &console.Error{Code: console.CodeNotFound, Text: "no hold " + id + " of a gate of this repository is in force", Remedy: "/gk status shows those that are"}
}

// again has everything read and decided anew; what is approved is synced then.
func (w *work) again(ctx context.Context, c command.Command) (answer, error) {
	report, _, err := w.look(ctx)
	if err != nil {
		return answer{}, err
	}
	if c.Application != "" {
		app, err := w.application(ctx, c.Application)
		if err != nil {
			return answer{}, err
		}
		w.Gates.WakeKey(ctx, app)
	} else {
		w.Gates.WakePull(ctx, w.repository, w.asked.Pull)
	}
	text := "Everything is being read again and decided anew"
	if c.Verb == command.Sync {
		text = "What is approved is synced now, if nothing stops it; this is how it stands"
	}
	shown, err := w.shown(ctx, report, c)
	if err != nil {
		return answer{}, err
	}
	if len(shown.Gates) == 0 {
		return done(text + "."), nil
	}
	return answer{OK: true, Text: text + ".\n\n" + overview(shown)}, nil
}

// request asks people for their review.
func (w *work) request(ctx context.Context, origin string, c command.Command) (answer, error) {
	if w.Asker == nil {
		return notHere(c.Verb), nil
	}
	if _, err := w.unmoved(ctx); err != nil {
		return answer{}, err
	}
	all := slices.Clone(c.Logins)
	for _, t := range c.Teams {
		if !strings.EqualFold(t.Organization(), w.repository.Owner()) {
			return refuse(string(t)+" is no team of "+w.repository.Owner()+", so it cannot be asked for a review here", ""), nil
		}
		all = append(all, string(t))
	}
	already, err := w.Asker.RequestReviews(ctx, w.repository, w.asked.Pull, origin, c.Logins, c.Teams)
	if e, ok := errors.AsType[*github.Error](err); ok && (e.Status == http.StatusUnprocessableEntity || e.Status == http.StatusNotFound) {
		return refuse("GitHub does not take this request: "+e.Message, "ask people who may read the repository and are not the author; teams need access to it"), nil
	}
	if err != nil {
		return answer{}, err
	}
	w.Gates.WakePull(ctx, w.repository, w.asked.Pull)
	fresh := slices.DeleteFunc(all, func(who string) bool { return slices.Contains(already, who) })
	var said []string
	if len(fresh) > 0 {
		said = append(said, "Asked for a review: "+codes(fresh)+". `/gk cancel` takes that back.")
	}
	if len(already) > 0 {
		said = append(said, "Asked before, and still waited for: "+codes(already)+".")
	}
	return done(strings.Join(said, " ")), nil
}

// adopt shows a spec, or approves exactly the one that was shown.
func (w *work) adopt(ctx context.Context, origin string, c command.Command) (answer, error) {
	app, err := w.application(ctx, c.Application)
	if err != nil {
		return answer{}, err
	}
	plan, err := w.Adopter.Plan(ctx, adopt.PlanRequest{Applications: []string{app}})
	if err != nil {
		return answer{}, err
	}
	item := plan.Items[0]
	if err := w.Operator.MayAdopt(ctx, item.Gate, w.person()); err != nil {
		return answer{}, err
	}
	digest := strings.TrimPrefix(item.SpecDigest, "sha256:")
	switch {
	case c.Spec == "":
		return done(planned(item, digest)), nil
	case c.Reason == "":
		return refuse("the reason is missing", "write --reason TEXT at the end"), nil
	case c.Spec != digest:
		return refuse("the spec of "+app+" is not the one with the digest "+c.Spec, "look at it again with /gk adopt "+app), nil
	}
	_, err = w.Adopter.AdoptAs(ctx, adopt.Giver{Person: w.person(), ID: origin, Pull: w.asked.Pull}, adopt.Request{
		Items: []adopt.Wanted{{Application: item.Application, UID: item.UID, SpecDigest: item.SpecDigest}}, Reason: c.Reason,
	})
	if err != nil && !errors.Is(err, adopt.ErrGiven) {
		return answer{}, err
	}
	told, ok, err := w.onRecord(ctx, origin)
	if err == nil && !ok {
		err = fmt.Errorf("the order %s is not on record", origin)
	}
	return told, err
}

// diff shows what changes.
func (w *work) diff(ctx context.Context, c command.Command) (answer, error) {
	if w.Differ == nil {
		return notHere(c.Verb), nil
	}
	pull, err := w.unmoved(ctx)
	if err != nil {
		return answer{}, err
	}
	if pull.HeadRepositoryID != pull.RepositoryID {
		return refuse("the pull request is from a fork, and what others wrote is not rendered with production's renderer",
			"somebody who may write can push the branch to the repository, and open a pull request from there"), nil
	}
	app := ""
	if c.Application != "" {
		if app, err = w.application(ctx, c.Application); err != nil {
			return answer{}, err
		}
	}
	text, err := w.Differ.Diff(ctx, w.repository, w.asked.Pull, app)
	if err != nil {
		return answer{}, err
	}
	return done("This is what changes.\n\n" + text), nil
}

// promote opens a pull request with the images of another Application.
func (w *work) promote(ctx context.Context, c command.Command) (answer, error) {
	if w.Promoter == nil {
		return notHere(c.Verb), nil
	}
	app, err := w.application(ctx, c.Application)
	if err != nil {
		return answer{}, err
	}
	from := c.From
	if !strings.Contains(from, "/") {
		namespace, _, _ := strings.Cut(app, "/")
		from = namespace + "/" + from
	}
	text, err := w.Promoter.Promote(ctx, w.repository, w.asked.Person, from, app)
	if err != nil {
		return answer{}, err
	}
	return done("This is what became of the promotion.\n\n" + text), nil
}

// onRecord tells of the orders that came of a command; false if there are none.
func (w *work) onRecord(ctx context.Context, origin string) (answer, bool, error) {
	s, err := w.Desk.Book().Standing(ctx)
	if err != nil {
		return answer{}, false, err
	}
	given := operate.Given(s, origin)
	if len(given) == 0 {
		return answer{}, false, nil
	}
	if given[0].Person.ID != w.asked.Person.ID || given[0].Person.Via != history.ViaComment {
		return answer{}, false, fmt.Errorf("the order %s is on record as somebody else's", origin)
	}
	return done(tellOrders(s, given)), true, nil
}
