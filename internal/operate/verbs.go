package operate

import (
	"context"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// The verbs on the console.
const (
	VerbHold       = "hold"
	VerbRelease    = "release"
	VerbHolds      = "holds"
	VerbBreakGlass = "break-glass"
	VerbReview     = "review"
	VerbPermit     = "permit"
	VerbRollback   = "rollback"
	VerbSync       = "sync"
	VerbMark       = "mark"
)

// Nothing is the input of a verb that takes none.
type Nothing struct{}

// Verbs are the operator's orders. The names that come with them are as given.
func (o *Operator) Verbs() console.Verbs {
	given := func(name string) history.Person { return history.Person{Name: name, Via: history.ViaConsole} }
	return console.Verbs{
		VerbHold: console.Handle(func(ctx context.Context, r HoldRequest) (Held, error) { return o.Hold(ctx, given(r.By), r) }),
		VerbRelease: console.Handle(func(ctx context.Context, r ReleaseRequest) (Released, error) {
			return o.Release(ctx, given(r.By), r)
		}),
		VerbHolds: console.Handle(func(ctx context.Context, _ Nothing) (Overview, error) { return o.Overview(ctx) }),
		VerbBreakGlass: console.Handle(func(ctx context.Context, r BreakGlassRequest) (Broken, error) {
			return o.BreakGlass(ctx, given(r.By), r)
		}),
		VerbReview: console.Handle(func(ctx context.Context, r ReviewRequest) (Glass, error) { return o.Review(ctx, given(r.By), r) }),
		VerbRollback: console.Handle(func(ctx context.Context, r RollbackRequest) (RolledBack, error) {
			return o.Rollback(ctx, given(r.By), r)
		}),
		VerbMark:   console.Handle(func(ctx context.Context, r MarkRequest) (Marked, error) { return o.Mark(ctx, given(r.By), r) }),
		VerbSync:   console.Handle(func(ctx context.Context, r SyncRequest) (SyncAsked, error) { return o.Sync(ctx, given(r.By), r) }),
		VerbPermit: console.Handle(func(ctx context.Context, r PermitRequest) (Permitted, error) { return o.Permit(ctx, given(r.By), r) }),
	}
}
