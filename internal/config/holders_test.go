package config

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestNobodyHolds: a gate that nobody can hold by a comment is warned about.
func TestNobodyHolds(t *testing.T) {
	owners := approval.Requirement{Approvals: 1, CodeOwners: true}
	named := approval.Requirement{Approvals: 1, Users: []string{"alice"}}
	for name, tc := range map[string]struct {
		policy approval.Policy
		warned bool
	}{
		"owners of code": {approval.Policy{Config: approval.Quorum{Requirements: []approval.Requirement{owners}}}, true},
		"a role":         {approval.Policy{Config: approval.Quorum{Requirements: []approval.Requirement{{Approvals: 1}}}}, true},
		"holds":          {approval.Policy{Holders: approval.Named{Users: []string{"bob"}}, Config: approval.Quorum{Requirements: []approval.Requirement{owners}}}, false},
		"people":         {approval.Policy{Config: approval.Quorum{Requirements: []approval.Requirement{owners, named}}}, false},
	} {
		got := slices.ContainsFunc(warnings([]approval.Policy{tc.policy}, 0), func(w Warning) bool { return w.Code == "nobody-holds" })
		require.Equal(t, tc.warned, got, name)
	}
}
