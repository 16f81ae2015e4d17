package bypass

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/again"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// control is what closes a row.
type control string

const (
	// byAdmission rows are refused by the policy or the webhook.
	byAdmission control = "admission"
	// byRights rows never write an Application; Argo CD's or Kubernetes' own access
	// control closes them.
	byRights control = "rights"
	// notNeeded rows are what must go on working.
	notNeeded control = "none"
)

// versions are those on which an attack works while nothing is enforced.
type versions []sandbox.Version

var (
	both    = versions{sandbox.V3, sandbox.V2}
	only3   = versions{sandbox.V3}
	only2   = versions{sandbox.V2}
	nowhere = versions{}
)

const (
	// pushRefused is about a commit that is not approved: what is on main and what
	// nobody reviewed is in the way.
	pushRefused = "was pushed to main without a pull request"
	// editRefused is about an Application that was edited. The gate may not have looked
	// at the edit yet; then it says that of a commit it would admit otherwise.
	editRefused = "spec is not the one that was approved" + or + pushRefused
	// or is between alternatives.
	or = " or: "
)

// Attack is one way of getting what nobody approved into production, or one thing
// that must go on working.
type Attack struct {
	// Row is that of the bypass catalogue, Name says what the attacker does.
	Row, Name string
	// Shape of the victim.
	Shape shape
	// Prepare makes what was there before the gate; nil for nothing.
	Prepare func(context.Context, *victim) error
	// Attack is what the attacker does. It fails only if it is refused.
	Attack func(context.Context, *victim) error
	// Landed says whether what nobody approved is in the cluster, and what is there;
	// nil looks at the transfer limit.
	Landed func(context.Context, *victim) (bool, string, error)
	// Arrives is part of what Landed finds after an attack that worked.
	Arrives string
	// Works are the versions on which it works while nothing is enforced.
	Works versions
	// Closed is what closes it.
	Closed control
	// Refused is part of the refusal of an attack that is closed: by admission in the
	// gated mode, by rights in both; alternatives are separated by or.
	Refused string
	// Harmless are the versions on which admission has nothing to refuse, since what
	// the attack adds does not exist there.
	Harmless versions
	// Deployed victims had the approved commit synced through the gate before main
	// moved on, so that it may be synced again.
	Deployed bool
	// Refusal finds the refusal where the attack itself was accepted, and the refusal
	// is for what follows from it; nil for the error of the attack.
	Refusal func(context.Context, *victim) (string, error)
	// After looks at the facts when the attack has worked; nil for none.
	After func(context.Context, *victim) error
}

// expectation is what is to become of an attack.
type expectation struct {
	// lands: what nobody approved arrives.
	lands bool
	// accepted: the attack itself is not refused.
	accepted bool
	// refused is part of the refusal's text; empty for any or none.
	refused string
}

// expects says what is to become of an attack on a version with or without
// enforcement.
func (a Attack) expects(version sandbox.Version, enforced bool) expectation {
	works := slices.Contains(a.Works, version)
	switch {
	case a.Closed == notNeeded:
		return expectation{accepted: true}
	case works && (!enforced || a.Closed != byAdmission):
		return expectation{lands: true, accepted: true}
	case a.Closed == byAdmission && (!enforced || slices.Contains(a.Harmless, version)):
		return expectation{}
	default:
		return expectation{refused: a.Refused}
	}
}

// landed looks whether the attack has worked.
func (v *victim) landed(ctx context.Context) (bool, string, error) {
	if v.attack.Landed != nil {
		return v.attack.Landed(ctx, v)
	}
	limit, err := v.limit(ctx)
	return limit != approvedLimit, "limit " + limit, err
}

// outcome is what became of an attack.
type outcome struct {
	refusal string
	landed  bool
	saw     string
}

// play attacks and waits for the end of it: until the content is there if it is to
// arrive, else until Argo CD has nothing left to do.
func (v *victim) play(ctx context.Context, want expectation) (outcome, error) {
	var o outcome
	if err := v.attack.Attack(ctx, v); err != nil {
		o.refusal = err.Error()
	}
	if want.lands && o.refusal == "" {
		err := await(ctx, v.attack.Arrives+" to arrive", func(ctx context.Context) (bool, string, error) {
			landed, saw, err := v.landed(ctx)
			if err != nil || landed && strings.Contains(saw, v.attack.Arrives) {
				return err == nil, saw, err
			}
			app, err := v.application(ctx)
			return false, saw + "; " + operationSummary(app), err
		})
		if err != nil {
			return o, err
		}
	} else if err := v.calm(ctx, o.refusal != "" && want.refused != ""); err != nil {
		return o, err
	}
	var err error
	if v.attack.Refusal != nil && o.refusal == "" && want.refused != "" {
		err = await(ctx, "the refusal", func(ctx context.Context) (bool, string, error) {
			o.refusal, err = v.attack.Refusal(ctx, v)
			return says(o.refusal, want.refused), o.refusal, err
		})
		if err != nil {
			return o, err
		}
	}
	o.landed, o.saw, err = v.landed(ctx)
	return o, err
}

// calm waits until nothing is under way. A refusal proves that nothing was written;
// where there is none, Argo CD gets every chance to do what it was told.
func (v *victim) calm(ctx context.Context, refused bool) error {
	if v.attack.Shape.path == held.path {
		if err := v.finishHook(ctx, v.namespace); err != nil {
			return err
		}
	}
	if refused {
		return v.idle(ctx)
	}
	return v.settle(ctx)
}

// judge compares what became of an attack with what was expected of it.
func (a Attack) judge(want expectation, got outcome) error {
	switch {
	case want.accepted && got.refusal != "":
		return fmt.Errorf("it was refused: %s", got.refusal)
	case want.lands && (!got.landed || !strings.Contains(got.saw, a.Arrives)):
		return fmt.Errorf("it did not work: there is %s, not %s", got.saw, a.Arrives)
	case !want.lands && got.landed:
		return fmt.Errorf(again.Breach+"what nobody approved is live: %s", got.saw)
	case want.refused != "" && !says(got.refusal, want.refused):
		return fmt.Errorf("the refusal is %q, without %q", got.refusal, want.refused)
	}
	return nil
}

// says looks for one of the alternatives in a refusal.
func says(refusal, alternatives string) bool {
	return slices.ContainsFunc(strings.Split(alternatives, or), func(part string) bool { return strings.Contains(refusal, part) })
}
