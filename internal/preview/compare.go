package preview

import (
	"context"
	"errors"
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/manifestdiff"
)

// Renderer asks Argo CD.
type Renderer interface {
	// Render gives the manifests of an Application's spec at exact revisions, as JSON.
	// The error wraps approval.ErrStale when the spec is not the one that is asked for.
	// An error with a method Unavailable() bool has a text that everybody may read; true
	// says that the next try may do better.
	Render(ctx context.Context, app approval.Application, revisions []approval.Revision) ([]string, error)
}

// Compare renders both sides, one after the other, and compares them. Explain tells what
// of an error may be shown.
func Compare(ctx context.Context, r Renderer, m *manifestdiff.Masker, c approval.Comparison) (approval.RenderedDiff, error) {
	return compareWith(c, func(revisions []approval.Revision) (manifestdiff.Manifests, error) {
		return render(ctx, r, m, c.Application, revisions)
	})
}

func compareWith(c approval.Comparison, render func([]approval.Revision) (manifestdiff.Manifests, error)) (approval.RenderedDiff, error) {
	from, err := render(c.From)
	if err != nil {
		return approval.RenderedDiff{}, beforeError{fmt.Errorf("render what it is compared with: %w", err)}
	}
	to, err := render(c.To)
	if err != nil {
		return approval.RenderedDiff{}, fmt.Errorf("render what it would be: %w", err)
	}
	return manifestdiff.Diff(from, to), nil
}

func render(ctx context.Context, r Renderer, m *manifestdiff.Masker, app approval.Application, revisions []approval.Revision) (manifestdiff.Manifests, error) {
	manifests, err := r.Render(ctx, app, revisions)
	if err != nil {
		return manifestdiff.Manifests{}, err
	}
	return m.Parse(manifests)
}

// beforeError says that it is what something is compared with that cannot be rendered.
type beforeError struct{ error }

func (e beforeError) Unwrap() error { return e.error }

// Explain says in words that everybody may read why there is no preview, and whether
// the next try may do better. What is not known to be harmless is not repeated.
func Explain(err error) (reason string, unavailable bool) {
	reason, unavailable = explain(err)
	if _, before := errors.AsType[beforeError](err); before && !unavailable {
		reason = "what it is compared with: " + reason
	}
	return reason, unavailable
}

func explain(err error) (reason string, unavailable bool) {
	var failure interface {
		error
		Unavailable() bool
	}
	var unfit Unfit
	switch {
	case errors.As(err, &unfit):
		return string(unfit), false
	case errors.As(err, &failure):
		return failure.Error(), failure.Unavailable()
	case errors.Is(err, manifestdiff.ErrTooLarge):
		return "its manifests are too large to be compared", false
	case errors.Is(err, approval.ErrStale):
		return "its spec changed meanwhile", false // the next one to ask has the new one
	case errors.Is(err, approval.ErrNotFound):
		return "there is no such Application", false
	case errors.Is(err, context.DeadlineExceeded):
		return "Argo CD did not answer in time", true
	default:
		return "it could not be rendered", true
	}
}
