package approval_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// eachValue visits every field, element and pointer below v that is not zero,
// outermost first. Its path does not tell the elements of a list apart.
func eachValue(v reflect.Value, path string, visit func(path string, v reflect.Value)) {
	if path != "" && !v.IsZero() {
		visit(path, v)
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if path != "" {
				name = path + "." + name
			}
			eachValue(v.Field(i), name, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachValue(v.Index(i), path+"[]", visit)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			eachValue(v.Elem(), path, visit)
		}
	default:
	}
}

// eachBlank runs f once for each value of the setting, with that value blanked.
func eachBlank(s *setting, f func(path string)) {
	eachValue(reflect.ValueOf(s).Elem(), "", func(path string, v reflect.Value) {
		if path == "Policy" || path == "Facts" {
			return
		}
		kept := reflect.ValueOf(v.Interface())
		v.SetZero()
		f(path)
		v.Set(kept)
	})
}

func TestZeroValuesBlock(t *testing.T) {
	t.Run("decision", func(t *testing.T) {
		require.False(t, approval.Decision{}.Allowed())
		require.False(t, approval.Decision{Verdict: approval.Allowed}.Allowed(), "a verdict without a candidate")
	})
	t.Run("policy and facts", func(t *testing.T) {
		require.True(t, approved().decide().Allowed())
		for name, s := range map[string]*setting{
			"both": {}, "policy": {Facts: approved().Facts}, "facts": {Policy: approved().Policy},
		} {
			d := s.decide()
			require.False(t, d.Allowed(), name)
			require.Equal(t, approval.Unknown, d.Verdict, name)
			require.NotEmpty(t, d.Findings, name)
			require.Zero(t, d.Candidate, name)
		}
	})
	t.Run("release", func(t *testing.T) {
		require.False(t, approval.Release{}.Valid())
	})
}

// A value that is forgotten must not be worth more than one that is there. Two
// lists say where Decide cannot tell: mayBeBlank holds what can be taken out of
// facts that allow, opens what can be taken out of facts that block and then
// allow. Both are complete, so a new field has to be judged here, and a new
// check in Decide shortens them.

func TestBlankValuesOfAnAllowedDecision(t *testing.T) {
	found := map[string]bool{}
	s := adopted()
	s.Closure = s.closure()
	eachBlank(s, func(path string) { found[path] = found[path] || approval.Explain(s.Policy, s.Facts).Allowed() })
	requireListed(t, mayBeBlank, found)
}

func TestBlankValuesOfABlockedDecision(t *testing.T) {
	found := map[string]bool{}
	for _, c := range goldenCases(t) {
		if !c.setting.decide().Allowed() && !slices.Contains(takenBack, c.name) {
			eachBlank(c.setting, func(path string) { found[path] = found[path] || c.setting.decide().Allowed() })
		}
	}
	requireListed(t, opens, found)
}

func requireListed(t *testing.T, listed map[string]string, found map[string]bool) {
	t.Helper()
	for path, allowed := range found {
		if _, ok := listed[path]; ok != allowed {
			t.Errorf("%s: allowed without it: %t, listed: %t", path, allowed, ok)
		}
	}
	for path := range listed {
		if _, ok := found[path]; !ok {
			t.Errorf("%s is listed, but never has a value", path)
		}
	}
}

// takenBack are cases that show how an approval may take something away: what it
// approves takes an approved change back, or is taken back by a push. Without
// that approval, more is allowed.
var takenBack = []string{"approved-then-reverted-newer-waits", "late-approval-of-an-undone-landing", "rolled-back-by-direct-push"}

// A blank value in facts that allow an older part of a line must not allow more.
func TestBlankValuesMoveNoTargetForward(t *testing.T) {
	for _, c := range goldenCases(t) {
		before := c.setting.decide()
		if !before.Allowed() || slices.Contains(takenBack, c.name) {
			continue
		}
		eachBlank(c.setting, func(path string) {
			after := c.setting.decide()
			if _, listed := opens[path]; listed || !after.Allowed() || len(after.Lines) != len(before.Lines) {
				return
			}
			for i, l := range after.Lines {
				require.LessOrEqual(t, position(l), position(before.Lines[i]), "%s: without %s", c.name, path)
			}
		})
	}
}

// position counts the landings up to the target of a line.
func position(l approval.LineDecision) int {
	return 1 + slices.IndexFunc(l.Landings, func(d approval.LandingDecision) bool { return d.Commit == l.Target })
}

// mayBeBlank says of each value that an allowed decision does not need, why.
var mayBeBlank = map[string]string{
	"Facts.CollectedAt": "for the reader of the record",

	"Facts.Application.Namespace": "names the decision for people; the UID is the identity",
	"Facts.Application.Name":      "names the decision for people; the UID is the identity",

	"Facts.Application.Health":                            "for people",
	"Facts.Lines[].Landings[].Title":                      "for people",
	"Facts.Lines[].Landings[].Pull.Title":                 "for people",
	"Facts.Lines[].Landings[].Pull.URL":                   "for people",
	"Facts.Lines[].Landings[].Pull.Reviews[].ID":          "for the record",
	"Facts.Lines[].Landings[].Pull.MergedAt":              "only a gate that takes no late reviews asks for it; without it that gate says unknown",
	"Policy.Config.Requirements[].Name":                   "for people",
	"Facts.Lines[].Landings[].Pull.Contributors[].Role":   "for people",
	"Facts.Lines[].Landings[].Pull.Contributors[].Commit": "for people",

	"Facts.Application.Sources[].RepoURL": "for people; Repository is what counts",

	"Facts.Lines[].Landings[].Pull.Contributors[].Email": "for people; the account is what counts",

	"Facts.Application.Operation":             "an operation does not change what is approved",
	"Facts.Application.Operation.Phase":       "an operation does not change what is approved",
	"Facts.Application.Operation.Revisions":   "an operation does not change what is approved",
	"Facts.Application.Operation.Revisions[]": "an operation does not change what is approved",
	"Facts.Application.Operation.StartedAt":   "an operation does not change what is approved",
	"Facts.Application.Operation.FinishedAt":  "an operation does not change what is approved",

	"Facts.Application.Deployed":               "Argo CD's own history is no source of trust",
	"Facts.Application.Deployed[]":             "Argo CD's own history is no source of trust",
	"Facts.Application.Deployed[].ID":          "Argo CD's own history is no source of trust",
	"Facts.Application.Deployed[].Revisions":   "Argo CD's own history is no source of trust",
	"Facts.Application.Deployed[].Revisions[]": "Argo CD's own history is no source of trust",
	"Facts.Application.Deployed[].DeployedAt":  "Argo CD's own history is no source of trust",

	"Facts.Lines[].Landings[].Pull.Author.Login":              "the ID is the identity",
	"Facts.Lines[].Landings[].Pull.Pusher.Login":              "the ID is the identity",
	"Facts.Lines[].Landings[].Pull.Contributors[].User.Login": "the ID is the identity",
	"Facts.Lines[].Landings[].Pull.Reviews[].User.Login":      "the ID is the identity",
	"Facts.Directory.Teams[].Members[].Login":                 "the ID is the identity",

	"Facts.Lines[].Landings[].Pull.Author.Type":              "who had a part may not approve, whatever the account is",
	"Facts.Lines[].Landings[].Pull.Pusher.Type":              "who had a part may not approve, whatever the account is",
	"Facts.Lines[].Landings[].Pull.Contributors[].User.Type": "who had a part may not approve, whatever the account is",

	"Facts.Directory.Teams[].Members[].Type": "the account type of the review is what counts",
	"Facts.Directory.Users[].Type":           "the account type of the review is what counts",

	"Facts.Directory.Users":         "an account less; the team suffices here",
	"Facts.Directory.Users[]":       "an account less; the team suffices here",
	"Facts.Directory.Users[].ID":    "an account less; the team suffices here",
	"Facts.Directory.Users[].Login": "an account less; the team suffices here",

	"Facts.Application.DestinationNamespace": "its manifests may name their own namespaces, so every one matches",
	"Facts.Application.Server":               "the Application may name its cluster instead, so every cluster matches",

	"Facts.Application.Sources[].TargetRevision": "HEAD, and the line is that of the default branch",

	"Facts.Lines[].DefaultBranch": "the source names its branch",

	"Facts.Lines[].Landings[].Changes[].Before": "cannot be told from an added or removed file; both are approved here",
	"Facts.Lines[].Landings[].Changes[].After":  "cannot be told from an added or removed file; both are approved here",

	"Policy.Repositories[].EnrolledAt": "makes the first baseline, which the line holds",

	"Policy.Applications[]":           "empty matches everything: the gate protects more",
	"Policy.Applications[].Project":   "empty matches everything: the gate protects more",
	"Policy.Applications[].Server":    "empty matches everything: the gate protects more",
	"Policy.Applications[].Namespace": "empty matches everything: the gate protects more",

	"Policy.Repositories[].Paths": "empty is the whole repository: more needs approval",

	"Policy.Config.Requirements[].Users": "fewer may approve; the team suffices here",

	"Policy.ApprovedSpec": "a gate may leave specs unjudged",
}

// opens says of each value that a blocked decision rests on, why it can be missed
// without being noticed.
var opens = map[string]string{
	"Facts.Missing":                      "what it said is what blocked",
	"Facts.Lines[].Landings[].Unsettled": "what it said is what blocked",
	"Facts.Application.Automated":        "what it said is what blocked",
	"Facts.Application.Deleting":         "what it said is what blocked",
	"Facts.Application.Unsupported":      "what it said is what blocked",
	"Facts.Holds":                        "what it said is what blocked",
	"Facts.BrokenGlass":                  "what it said is what blocked",
	"Facts.Calendar[].Open":              "an open deny window is what blocked",

	"Facts.Lines[].Landings[].Pull.Reviews[].User":    "without the review, or its person, the request for changes is gone",
	"Facts.Lines[].Landings[].Pull.Reviews[].User.ID": "without the review, or its person, the request for changes is gone",

	"Policy.ApprovedSpec": "a gate may leave specs unjudged",

	"Policy.Applications[]":         "empty matches everything: the gate protects more",
	"Policy.Applications[].Project": "empty matches everything: the gate protects more",

	"Policy.Repositories[].Paths": "empty is the whole repository: more needs approval",
}
