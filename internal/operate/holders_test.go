package operate_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// TestNobodyHolds: where a gate names nobody, nobody holds by a comment, and that is said.
func TestNobodyHolds(t *testing.T) {
	w := newWorld(t)
	o := operate.New(operate.Options{
		Policies: func() []approval.Policy {
			return []approval.Policy{{Gate: "prod", Config: approval.Quorum{Requirements: []approval.Requirement{{Approvals: 1, CodeOwners: true}}}}}
		},
		Applications: w, People: w, Desk: orders.NewDesk(orders.Options{Record: w.store}), Logger: slog.New(slog.DiscardHandler),
	})
	_, err := o.Hold(t.Context(), history.Person{Name: "alice", ID: 1, Via: history.ViaComment}, operate.HoldRequest{Target: operate.Target{Gate: "prod"}, Reason: "x"})
	w.refused(err, console.CodeRefused, "alice may not hold gate prod")
	var refused *console.Error
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Remedy, "nobody is named who may")
}
