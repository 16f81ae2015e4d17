package report

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func groupReport(g approval.GroupGate) approval.GroupReport {
	return approval.GroupReport{
		Repository: "acme/deploy", Pull: 42, Gates: []approval.GroupGate{g},
		Group: approval.MergeGroup{Branch: "main", Ref: "gh-readonly-queue/main/pr-42-" + string(head), Base: head, Head: "1" + head[1:]},
	}
}

func TestCheckGroup(t *testing.T) {
	ready := approval.GroupPull{Number: 42, Title: "Raise @acme/sre limits", Report: gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Allowed, met))}
	ready.Report.Affected = []string{"argocd/shop"}
	waits := approval.GroupPull{Number: 41, Title: "Lower", Report: gate("prod", approval.ClassConfig, 1, 2, quorum(approval.Blocked, missing))}
	other := approval.GroupPull{Number: 40, Title: "Docs", Report: gate("prod", approval.ClassNone, 0, 0, approval.Finding{})}
	lostOne := approval.GroupPull{Number: 39, Report: gate("prod", approval.ClassConfig, 1, 1, quorum(approval.Unknown, met, lost))}
	for name, tt := range map[string]struct {
		in                        approval.GroupGate
		status, conclusion, title string
	}{
		"approved":     {approval.GroupGate{Pulls: []approval.GroupPull{ready}}, "completed", "success", "#42 config approved · shop"},
		"unconcerned":  {approval.GroupGate{Pulls: []approval.GroupPull{other}}, "completed", "success", "#40 not concerned"},
		"both":         {approval.GroupGate{Pulls: []approval.GroupPull{other, ready}}, "completed", "success", "#42 config approved · shop; #40 not concerned"},
		"one waits":    {approval.GroupGate{Pulls: []approval.GroupPull{ready, waits}}, "completed", "failure", "#41 config 1 of 2 · waiting for 1 more of acme/sre; #42 config approved · shop"},
		"not known":    {approval.GroupGate{Pulls: []approval.GroupPull{lostOne}}, "in_progress", "", "#39 config 1 of 1 · it is not known who pushed the head 4f2b9c7, so nobody can be told apart from its author"},
		"behind":       {approval.GroupGate{Ahead: []approval.GroupPull{waits}, Pulls: []approval.GroupPull{ready}}, "in_progress", "", "#42 config approved · shop; behind #41, which is not approved"},
		"behind both":  {approval.GroupGate{Ahead: []approval.GroupPull{ready}, Pulls: []approval.GroupPull{waits}}, "completed", "failure", "#41 config 1 of 2 · waiting for 1 more of acme/sre"},
		"ahead untold": {approval.GroupGate{UntoldAhead: "a riddle", Pulls: []approval.GroupPull{ready}}, "in_progress", "", "#42 config approved · shop; it cannot be told what is ahead of it: a riddle"},
		"untold":       {approval.GroupGate{Untold: "a riddle", Pulls: []approval.GroupPull{ready}}, "completed", "failure", "it cannot be told what is in this group: a riddle"},
		"empty":        {approval.GroupGate{}, "completed", "failure", "it cannot be told what is in this group: it is empty"},
		"zero":         {approval.GroupGate{Pulls: []approval.GroupPull{{Number: 1}}}, "in_progress", "", "#1 0 of 0 · not known yet"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.in.Gate = "prod"
			c := CheckGroup(groupReport(tt.in), tt.in)
			require.Equal(t, "gatekeeper/prod", c.Name)
			require.Equal(t, tt.status, c.Status)
			require.Equal(t, tt.conclusion, c.Conclusion)
			require.Equal(t, tt.title, c.Title)
			require.Empty(t, c.Actions)
			require.NotContains(t, c.Summary, "@acme")
		})
	}
	in := approval.GroupGate{Gate: "prod", Ahead: []approval.GroupPull{other}, Pulls: []approval.GroupPull{ready, waits}}
	c := CheckGroup(groupReport(in), in)
	golden(t, "group.check.md", fmt.Sprintf("<!-- %s · %s · %s -->\n<!-- %s -->\n%s", c.Name, c.Status, c.Conclusion, c.Title, c.Summary))
}
