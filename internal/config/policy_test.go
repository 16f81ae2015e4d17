package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// full has one gate that uses everything a policy can say; tests replace one
// line of it.
const full = `github:
  appID: 12345
  privateKeyFile: private-key.pem
  webhookSecretFiles: [webhook-secret]
argocd:
  server: argocd-server.argocd.svc:443
  tokenFile: argocd-token
dataDirectory: /var/lib/gatekeeper
groups:
  - name: data
    teams: [acme/dba]
    users: [zoe]
gates:
  - name: prod
    applications: [{project: payments-prod}]
    repositories:
      - repository: acme/env-overrides
        branch: main
        enrolledAt: 8f14e45fceea167a5a36dedd4bea2543b1b2c3d4
    config:
      requirements:
        - approvals: 2
          teams: [acme/sre]
          methods: [review]
        - approvals: 1
          groups: [data]
          users: [Zoe, yan]
          minimumRole: maintain
          paths: ["prod/payments/**"]
        - approvals: 1
          codeOwners: true
          teams: [acme/leads]
    distinctApprovers: true
    checks:
      - {name: scan, appID: 15368}
    exclude:
      teams: [acme/contractors]
      users: [intern]
      pushers: true
      rerequested: true
      unwitnessed: true
    lateReviews: ignore
    veto:
      who: writers
      dismissedBy: {groups: [data], teams: [acme/leads]}
    sync:
      rollback: refuse
      force: allow
      options: [ApplyOutOfSyncOnly=true]
`

func TestLoadPolicy(t *testing.T) {
	cfg, err := Load(write(t, full))
	require.NoError(t, err)
	require.Equal(t, approval.Policy{
		Gate:         "prod",
		Applications: []approval.Selector{{Project: "payments-prod"}},
		Repositories: []approval.ProtectedRepository{{
			Name: "acme/env-overrides", Branch: "main", EnrolledAt: "8f14e45fceea167a5a36dedd4bea2543b1b2c3d4",
		}},
		Config: approval.Quorum{Requirements: []approval.Requirement{
			{Approvals: 2, Teams: []approval.TeamName{"acme/sre"}, Methods: []approval.Method{approval.MethodReview}},
			{
				Approvals: 1, Teams: []approval.TeamName{"acme/dba"}, Users: []string{"zoe", "yan"},
				MinimumRole: "maintain", Paths: []string{"prod/payments/**"},
			},
			{Approvals: 1, Teams: []approval.TeamName{"acme/leads"}, CodeOwners: true},
		}},
		DistinctApprovers: true,
		Checks:            []approval.RequiredCheck{{Name: "scan", AppID: 15368}},
		Exclude: approval.Exclusions{
			Teams: []approval.TeamName{"acme/contractors"}, Users: []string{"intern"},
			Pushers: true, Rerequested: true, Late: true, Unwitnessed: true,
		},
		Veto:         approval.Veto{Writers: true, DismissTeams: []approval.TeamName{"acme/dba", "acme/leads"}, DismissUsers: []string{"zoe"}},
		Sync:         approval.SyncRules{Partial: true, Prune: true, Force: true, Options: []string{"ApplyOutOfSyncOnly=true"}},
		ApprovedSpec: true,
	}, cfg.Policies[0])
}

func TestLoadRefusesPolicy(t *testing.T) {
	tests := []struct {
		name, old, new string
		line           int
		want           string
	}{
		{"group that is not there", "groups: [data]\n          users", "groups: [dat]\n          users", 26, `there is no group "dat"`},
		{"group without anybody", "    teams: [acme/dba]\n    users: [zoe]\n", "", 10, `group "data" is empty`},
		{"group with a bad team", "[acme/dba]", "[dba]", 11, "must be org/slug"},
		{"group name", "name: data", "name: Data Base", 10, "lower-case letters, digits and dashes"},
		{"group twice", "  - name: data\n", "  - name: data\n    users: [x]\n  - name: data\n", 12, `group "data" exists twice`},
		{"role that anybody has", "minimumRole: maintain", "minimumRole: read", 28, "would let people approve who may not change the repository"},
		{"role that is none", "minimumRole: maintain", "minimumRole: owner", 28, "is none of write, maintain, admin"},
		{"method that is none", "[review]", "[review, email]", 24, `the method "email" is none of`},
		{"requirement path", `["prod/payments/**"]`, `["/prod/**"]`, 29, "is not a pattern such as"},
		{"more than the group has", "approvals: 1\n          groups: [data]\n          users: [Zoe, yan]", "approvals: 2\n          users: [Zoe]", 25, "2 approvals of 1 people can never be reached"},
		{"check without an App", "{name: scan, appID: 15368}", "{name: scan}", 35, "anybody who may push could write it"},
		{"check without a name", "{name: scan, appID: 15368}", "{appID: 15368}", 35, "has no name"},
		{"check twice", "      - {name: scan, appID: 15368}\n", "      - {name: scan, appID: 15368}\n      - {name: scan, appID: 15368}\n", 36, "is listed twice"},
		{"late reviews", "lateReviews: ignore", "lateReviews: refuse", 42, "is none of count, ignore"},
		{"veto", "who: writers", "who: everybody", 44, "is none of approvers, writers"},
		{"dismissed by nobody known", "{groups: [data], teams: [acme/leads]}", "{groups: [leads]}", 45, `there is no group "leads"`},
		{"sync rule", "rollback: refuse", "rollback: sometimes", 47, "is none of allow, refuse"},
		{"sync option", "[ApplyOutOfSyncOnly=true]", "[ApplyOutOfSyncOnly]", 49, "must be Name=value"},
		{"sync option twice", "[ApplyOutOfSyncOnly=true]", "[ApplyOutOfSyncOnly=true, ApplyOutOfSyncOnly=true]", 49, "is listed twice"},
		{"spec", "    lateReviews: ignore\n", "    lateReviews: ignore\n    spec: none\n", 43, "is none of adopted, any"},
		{"everybody excluded", "teams: [acme/contractors]", "teams: [acme/SRE]", 22, "those who are left after exclude cannot give 2 approvals"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Contains(t, full, tt.old, "the test replaces nothing")
			path := write(t, strings.Replace(full, tt.old, tt.new, 1))
			_, err := Load(path)
			var refused *Error
			require.ErrorAs(t, err, &refused)
			require.Contains(t, err.Error(), tt.want)
			require.Contains(t, err.Error(), fmt.Sprintf("%s:%d: ", path, tt.line))
		})
	}
}

func TestLoadSpec(t *testing.T) {
	for text, want := range map[string]bool{"": true, "    spec: adopted\n": true, "    spec: any\n": false} {
		cfg, err := Load(write(t, full+text))
		require.NoError(t, err)
		require.Equal(t, want, cfg.Policies[0].ApprovedSpec, text)
	}
}

// quorum replaces the requirements of the simple configuration.
func quorum(requirements, rest string) string {
	return valid[:strings.Index(valid, "        - name: sre")] + requirements + rest
}

func TestLoadRefusesUnreachableQuorum(t *testing.T) {
	for name, tt := range map[string]struct{ requirements, rest, want string }{
		"paths alone": {
			"        - {approvals: 1, teams: [acme/sre], paths: [\"prod/**\"]}\n", "",
			"every requirement of gate \"prod\" is limited to paths",
		},
		"too few different people": {
			"        - {approvals: 1, users: [alice]}\n        - {approvals: 1, users: [Alice]}\n", "    distinctApprovers: true\n",
			"2 approvals by different people are needed, but gate \"prod\" names no more than 1",
		},
		"users excluded": {
			"        - {approvals: 1, users: [alice]}\n", "    exclude: {users: [ALICE]}\n",
			"those who are left after exclude",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, quorum(tt.requirements, tt.rest)))
			require.ErrorContains(t, err, tt.want)
		})
	}
	_, err := Load(write(t, quorum("        - {approvals: 1, minimumRole: admin}\n", "")))
	require.NoError(t, err, "a role alone says who is meant")
}
