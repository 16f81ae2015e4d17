package approval_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// operate reads what people and calendars say.
//
//	hold ID PERSON "reason" [gate] [until]   since noon of 2 March, until 6 pm
//	window NAME open|closed                  changes at 8 am of 3 March
//	opens "text"                             at 8 am of 3 March
//	glass PERSON COMMIT [other-uid] [other-spec]
//	shipped PERSON COMMIT [overdue] [passed]
func (p *factsParser) operate(w []string) error {
	noon := pushed.Add(3 * time.Hour)
	f := &p.facts
	flags := w[min(3, len(w)):]
	if w[0] == "hold" {
		flags = w[4:]
	}
	has := func(flag string) bool { return slices.Contains(flags, flag) }
	candidate := func(commit string) approval.Candidate {
		c := approval.Candidate{UID: f.Application.UID, SpecDigest: f.Application.SpecDigest}
		for _, s := range f.Application.Sources {
			c.Revisions = append(c.Revisions, approval.Revision{Repository: s.Repository, SHA: sha(commit)})
		}
		return c
	}
	switch w[0] {
	case "hold":
		h := approval.Hold{ID: w[1], Person: w[2], Reason: w[3], Since: noon, WholeGate: has("gate")}
		if has("until") {
			h.Expires = noon.Add(6 * time.Hour)
		}
		f.Holds = append(f.Holds, h)
	case "window":
		f.Calendar = append(f.Calendar, approval.WindowState{Name: w[1], Open: w[2] == "open", Next: pushed.Add(23 * time.Hour)})
	case "opens":
		f.Opens = &approval.Opening{At: pushed.Add(23 * time.Hour), Text: w[1]}
	case "glass":
		f.Override = &approval.Override{
			ID: "glass1", Candidate: candidate(w[2]), Person: w[1], Reason: "customers cannot pay", Expires: noon.Add(time.Hour), ReviewBy: noon.Add(24 * time.Hour),
		}
		if has("other-uid") {
			f.Override.Candidate.UID = "another"
		}
		if has("other-spec") {
			f.Override.Candidate.SpecDigest = "another"
		}
	case "ungated":
		f.Ungated = &approval.Ungated{Revisions: []string{string(sha(w[2]))}, InitiatedBy: w[1], StartedAt: noon, Approved: has("approved")}
	case "shipped":
		f.BrokenGlass = append(f.BrokenGlass, approval.BrokenGlass{
			ID: "glass0", Candidate: candidate(w[2]), Person: w[1], Reason: "customers cannot pay", ReviewBy: noon.Add(24 * time.Hour), Overdue: has("overdue"), Passed: has("passed"),
		})
	}
	return nil
}

// glassy is a gate with break-glass for erin, one landing that is not approved, and
// her use of it.
func glassy() *setting {
	s := approved()
	s.BreakGlass = &approval.BreakGlass{Named: approval.Named{Teams: []approval.TeamName{"acme/oncall"}}, ReviewBy: 24 * time.Hour, ValidFor: time.Hour}
	s.Directory.Teams = append(s.Directory.Teams, approval.Team{Name: "acme/oncall", Members: []approval.User{person("erin")}})
	land(&s.Lines[0], pull(77, "dave"), change("apps/prod/web.yaml", "v2", "v77"))
	c := approval.Candidate{UID: s.Application.UID, SpecDigest: s.Application.SpecDigest}
	for _, source := range s.Application.Sources {
		c.Revisions = append(c.Revisions, approval.Revision{Repository: source.Repository, SHA: commitOf(77)})
	}
	s.Override = &approval.Override{ID: "glass1", Candidate: c, Person: "Erin", Reason: "customers cannot pay", Expires: pushed.Add(time.Hour), ReviewBy: pushed.Add(24 * time.Hour)}
	return s
}

// TestBreakGlassAllows: exactly the candidate, whatever people and calendars say, and
// the decision names what it overrides.
func TestBreakGlassAllows(t *testing.T) {
	t.Parallel()
	s := glassy()
	s.Windows = []approval.Window{{Name: "freeze", Kind: approval.WindowDeny, Schedule: "x"}}
	s.Calendar = []approval.WindowState{{Name: "freeze", Open: true}}
	s.Holds = []approval.Hold{{ID: "h", Person: "bob", Reason: "wait", Since: pushed}}
	d := s.decide()
	require.True(t, d.Allowed(), "%+v", d.Findings)
	require.Equal(t, s.Override.Candidate, d.Candidate)
	require.True(t, d.Advances)
	require.Equal(t, "glass1", d.Override)
	require.Equal(t, approval.CodeBreakGlassUsed, d.Findings[0].Code)
	require.Contains(t, codes(d.Findings[0].Children), approval.CodeHoldActive)
	require.Contains(t, codes(d.Findings[0].Children), approval.CodeWindowClosed)
	require.Contains(t, codes(d.Findings[0].Children), approval.CodeQuorumMissing)
	requireSound(t, s, d)

	// The baseline is on the line, too.
	s = glassy()
	s.Override.Candidate.Revisions[0].SHA = baseline
	d = s.decide()
	require.True(t, d.Allowed(), "%+v", d.Findings)
	require.Equal(t, baseline, d.Candidate.Revisions[0].SHA)
	require.NotContains(t, codes(d.Findings[0].Children), approval.CodeQuorumMissing, "#77 is not shipped")
}

// TestMinutesOfStops: nobody reads that a stop begins after what it stopped, or ends before it
// does, nor that a permission or the time for a review is longer than it is.
func TestMinutesOfStops(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[int]struct{ down, up string }{
		0:  {"09:00 UTC", "09:00 UTC"},
		1:  {"09:00 UTC", "09:01 UTC"},
		59: {"09:00 UTC", "09:01 UTC"},
	} {
		at := pushed.Truncate(time.Hour).Add(time.Duration(seconds) * time.Second).In(time.FixedZone("Nepal", 5*3600+45*60))
		day := at.UTC().Format("2006-01-02 ")
		s := glassy()
		s.Holds = []approval.Hold{{ID: "h", Person: "bob", Reason: "wait", Since: at, Expires: at.Add(24 * time.Hour)}}
		s.Override.Expires, s.Override.ReviewBy = at, at
		s.BrokenGlass = []approval.BrokenGlass{{ID: "g", Candidate: s.Override.Candidate, Person: "erin", Reason: "customers cannot pay", ReviewBy: at}}
		d := s.decide()
		said := map[approval.Code]string{}
		for _, f := range d.Findings {
			said[f.Code] = f.Text
		}
		require.Contains(t, said[approval.CodeHoldActive], " since "+day+want.down+" until "+at.UTC().AddDate(0, 0, 1).Format("2006-01-02 ")+want.up+":")
		require.Contains(t, said[approval.CodeBreakGlassUsed], " until "+day+want.down+" (")
		require.Contains(t, said[approval.CodeBreakGlassUsed], " review it by "+day+want.down+":")
		require.Contains(t, said[approval.CodeBreakGlassUnreviewed], " due by "+day+want.down)
	}
}

// TestBreakGlassNever: what break-glass never overrides, and what makes a use void.
// Neither is the override in the decision, nor is anything but what was approved let
// through.
func TestBreakGlassNever(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *setting){
		"no break-glass":      func(s *setting) { s.BreakGlass = nil },
		"break-glass of none": func(s *setting) { s.BreakGlass.Named = approval.Named{} },
		"not one of them":     func(s *setting) { s.Override.Person = "alice" },
		"nobody":              func(s *setting) { s.Override.Person = "" },
		"a bot":               func(s *setting) { s.Directory.Teams[len(s.Directory.Teams)-1].Members[0].Type = "Bot" },
		"team unknown":        func(s *setting) { s.Directory.Teams = s.Directory.Teams[:len(s.Directory.Teams)-1] },
		"no ID":               func(s *setting) { s.Override.ID = "" },
		"no end":              func(s *setting) { s.Override.Expires = time.Time{} },
		"no review":           func(s *setting) { s.Override.ReviewBy = time.Time{} },
		"other Application":   func(s *setting) { s.Override.Candidate.UID = "x" },
		"other spec":          func(s *setting) { s.Override.Candidate.SpecDigest = "x" },
		"off the line":        func(s *setting) { s.Override.Candidate.Revisions[0].SHA = sha("0ff") },
		"no revision":         func(s *setting) { s.Override.Candidate.Revisions = nil },
		"too many revisions": func(s *setting) {
			s.Override.Candidate.Revisions = append(s.Override.Candidate.Revisions, s.Override.Candidate.Revisions[0])
		},
		"other repository":     func(s *setting) { s.Override.Candidate.Revisions[0].Repository = "acme/other" },
		"automated":            func(s *setting) { s.Application.Automated = true },
		"being deleted":        func(s *setting) { s.Application.Deleting = true },
		"unsupported spec":     func(s *setting) { s.Application.Unsupported = []string{"a plugin"} },
		"not protected":        func(s *setting) { s.Application.Project = "another" },
		"facts missing":        func(s *setting) { s.Missing = []approval.Missing{{What: "the line", Why: "no answer"}} },
		"line rewritten":       func(s *setting) { s.Lines[0].BaselineOnLine = false },
		"line with a gap":      func(s *setting) { s.Lines[0].Landings[len(s.Lines[0].Landings)-1].Parent = sha("0ff") },
		"line missing":         func(s *setting) { s.Lines = nil },
		"source not protected": func(s *setting) { s.Application.Sources[0].Repository = "acme/other" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := glassy()
			require.True(t, s.decide().Allowed())
			change(s)
			d := s.decide()
			require.Empty(t, d.Override)
			require.NotContains(t, codes(d.Findings), approval.CodeBreakGlassUsed)
			for _, r := range d.Candidate.Revisions {
				require.NotEqual(t, commitOf(77), r.SHA)
			}
			requireSound(t, s, d)
		})
	}
	// What the candidate is rendered from has to be known and protected.
	s := glassy()
	s.Closure = nil
	d := approval.Explain(s.Policy, s.Facts)
	require.Equal(t, approval.Unknown, d.Verdict)
	require.Empty(t, d.Override)
}

// TestBrokenGlassWaits: what was shipped unapproved neither is a baseline nor is it
// taken back. What is approved goes on once it reaches as far.
func TestBrokenGlassWaits(t *testing.T) {
	t.Parallel()
	shipped := func() *setting {
		s := glassy()
		s.BrokenGlass = []approval.BrokenGlass{{
			ID: "glass1", Candidate: s.Override.Candidate, Person: "erin", Reason: "customers cannot pay", ReviewBy: pushed,
		}}
		s.Override = nil
		return s
	}
	s := shipped()
	d := s.decide()
	require.Equal(t, approval.Blocked, d.Verdict, "the approved candidate is older than what was shipped")
	require.Contains(t, codes(d.Findings), approval.CodeBreakGlassUnreviewed)
	requireSound(t, s, d)

	s = shipped()
	s.BrokenGlass[0].Overdue = true
	require.Contains(t, codes(s.decide().Findings), approval.CodeBreakGlassOverdue)

	s = shipped()
	approve(s.Lines[0].Landings[len(s.Lines[0].Landings)-1].Pull, "alice", "bob")
	d = s.decide()
	require.True(t, d.Allowed(), "#77 was approved afterwards: %+v", d.Findings)
	require.Equal(t, commitOf(77), d.Candidate.Revisions[0].SHA)
	require.Contains(t, codes(d.Findings), approval.CodeBreakGlassUnreviewed, "and still has to be reviewed")

	s = shipped()
	s.BrokenGlass[0].Passed = true
	require.True(t, s.decide().Allowed())

	for name, change := range map[string]func(b *approval.BrokenGlass){
		"no person": func(b *approval.BrokenGlass) { b.Person = "" }, "no ID": func(b *approval.BrokenGlass) { b.ID = "" },
		"no deadline": func(b *approval.BrokenGlass) { b.ReviewBy = time.Time{} }, "no revisions": func(b *approval.BrokenGlass) { b.Candidate.Revisions = nil },
	} {
		s = shipped()
		change(&s.BrokenGlass[0])
		require.Equal(t, approval.Unknown, s.decide().Verdict, name)
	}
}

// TestStops compares random holds and windows with the rule in words: nothing is let
// through while a hold is in force, a deny window is open, an allow window is
// configured and none is open, or the facts do not fit to the policy.
func TestStops(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	seen := map[approval.Verdict]int{}
	for range 3000 {
		s := approved()
		stop, unknown, limited, allowed := false, false, false, false
		for i := range random.IntN(4) {
			w := approval.Window{Name: fmt.Sprint("w", i), Kind: approval.WindowAllow, Schedule: "x"}
			state := approval.WindowState{Name: w.Name, Open: random.IntN(2) == 0}
			switch random.IntN(12) {
			case 0:
				w.Kind, unknown = "", true
			case 1:
				state.Name, unknown = "another", true
			case 2, 3, 4, 5:
				w.Kind = approval.WindowDeny
				stop = stop || state.Open
			default:
				limited, allowed = true, allowed || state.Open
			}
			s.Windows, s.Calendar = append(s.Windows, w), append(s.Calendar, state)
		}
		stop = stop || limited && !allowed
		if random.IntN(10) == 0 {
			s.Calendar, unknown = append(s.Calendar, approval.WindowState{Name: "more", Open: true}), true
		}
		if random.IntN(4) == 0 {
			stop = true
			s.Holds = append(s.Holds, approval.Hold{ID: "h", Person: "bob", Reason: "wait", Since: pushed})
		}
		d := s.decide()
		want := approval.Allowed
		switch {
		case unknown:
			want = approval.Unknown
		case stop:
			want = approval.Blocked
		}
		require.Equal(t, want, d.Verdict, "%+v %+v %+v", s.Windows, s.Calendar, s.Holds)
		require.Equal(t, approved().decide().Lines, d.Lines, "what is approved stays visible")
		requireSound(t, s, d)
		seen[want]++
	}
	require.Len(t, seen, 3)
}
