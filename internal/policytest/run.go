package policytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Result is what became of a case.
type Result struct {
	Case     Case              `json:"case"`
	Decision approval.Decision `json:"decision"`
	// Failures say what is not as wanted; none when the case passed.
	Failures []string `json:"failures"`
}

// Passed says whether everything is as wanted.
func (r Result) Passed() bool { return len(r.Failures) == 0 }

// Run decides on a case and compares. A case that wants nothing fails.
func Run(c Case) Result {
	r := Result{Case: c, Decision: approval.Explain(c.Policy, c.Facts), Failures: []string{}}
	fail := func(format string, args ...any) { r.Failures = append(r.Failures, fmt.Sprintf(format, args...)) }
	d := r.Decision
	switch {
	case d.Verdict != c.Want.Verdict:
		fail("wanted %s, but it is %s", orNothing(string(c.Want.Verdict)), d.Verdict)
	case d.Verdict == approval.Allowed && !d.Allowed():
		fail("wanted allowed, but there is no candidate")
	case d.Verdict == approval.Allowed:
		r.Failures = append(r.Failures, reach(c, d)...)
	}
	for _, code := range c.Want.Because {
		if !anywhere(d.Findings, func(f approval.Finding) bool { return f.Code == code }) {
			fail("wanted because of %s, but no finding has this code", code)
		}
	}
	for _, text := range c.Want.Text {
		if !anywhere(d.Findings, func(f approval.Finding) bool {
			return strings.Contains(f.Text, text) || strings.Contains(f.Remedy, text)
		}) {
			fail("wanted the text %q, but no finding has it", text)
		}
	}
	return r
}

// reach compares how far the candidate reaches.
func reach(c Case, d approval.Decision) (failures []string) {
	want := map[approval.RepositoryName]approval.Revision{}
	names := map[approval.SHA]string{}
	for _, l := range c.Facts.Lines {
		names[l.Baseline] = "the baseline"
		for _, landing := range l.Landings {
			names[landing.Commit] = fmt.Sprintf("%q", landing.Title)
		}
		if c.Want.Target == nil {
			want[l.Repository] = approval.Revision{Repository: l.Repository, SHA: l.Head}
		}
	}
	if t := c.Want.Target; t != nil {
		want[t.Revision.Repository] = t.Revision
	}
	for _, l := range c.Facts.Lines { // in their order
		w, ok := want[l.Repository]
		if !ok {
			continue
		}
		if i := slices.IndexFunc(d.Candidate.Revisions, func(r approval.Revision) bool { return r.Repository.Equal(l.Repository) && r.SHA != w.SHA }); i >= 0 {
			failures = append(failures, fmt.Sprintf("wanted the candidate to reach %s of %s, but it reaches %s",
				names[w.SHA], l.Repository, names[d.Candidate.Revisions[i].SHA]))
		}
	}
	return failures
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// anywhere says whether a tree of findings has one like this.
func anywhere(findings []approval.Finding, is func(approval.Finding) bool) bool {
	return slices.ContainsFunc(findings, func(f approval.Finding) bool { return is(f) || anywhere(f.Children, is) })
}
