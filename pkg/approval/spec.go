package approval

import (
	"slices"
	"strings"
)

// judgeSpec checks that somebody approved the Application's spec as it is. It could
// otherwise bring content of its own past every review: a parameter, another branch,
// another destination.
func judgeSpec(p *Policy, f *Facts) []Finding {
	if !p.ApprovedSpec {
		return nil
	}
	s := f.Spec
	if s == nil || !s.consistent() {
		return []Finding{{
			Code: CodeSpecUnknown, Verdict: Unknown, Text: "it is not known whether the Application's spec was approved",
			Remedy: "nothing to do if this passes; Gatekeeper tries again by itself",
		}}
	}
	adopt := "approve it as it is: gatekeeper adopt " + f.Application.Key() + " --by NAME --reason TEXT --config FILE"
	switch {
	case s.Approved == SpecAdopted:
		return []Finding{{Code: CodeSpecApproved, Verdict: Allowed, Text: "the Application's spec was adopted by " + oneLine(s.By)}}
	case s.Approved == SpecCommitted:
		return []Finding{{Code: CodeSpecApproved, Verdict: Allowed, Text: "the Application's spec is what an approved commit says: " + oneLine(s.By)}}
	case len(s.Changed) == 0:
		text := "the Application's spec was never adopted"
		if s.Origin != "" {
			text += "; " + oneLine(s.Origin)
		}
		if s.Parent != "" {
			adopt += ", or commit it to what " + oneLine(s.Parent) + " is rendered from, and have that approved and synced"
		}
		return []Finding{{Code: CodeSpecNotAdopted, Verdict: Blocked, Text: text, Remedy: adopt}}
	default:
		return []Finding{changedSpec(s, adopt)}
	}
}

// shownChanges bounds how many changed fields stand in one line.
const shownChanges = 3

func changedSpec(s *SpecEvidence, adopt string) Finding {
	f := Finding{Code: CodeSpecChanged, Verdict: Blocked}
	shown := s.Changed
	if len(shown) > shownChanges {
		shown = shown[:shownChanges]
	}
	f.Text = "the Application's spec is not the one that was approved"
	if s.By != "" {
		f.Text += " by " + oneLine(s.By)
	}
	if shown[0] != SpecUnnamed {
		f.Text += ": " + oneLine(strings.Join(shown, ", "))
	}
	if len(s.Changed) > len(shown) {
		f.Text += " and more"
		for _, field := range s.Changed {
			f.Children = append(f.Children, Finding{Code: CodeSpecChanged, Verdict: Blocked, Text: oneLine(field), Remedy: "change it back, or adopt the spec"})
		}
	}
	if s.Origin != "" {
		f.Text += "; " + oneLine(s.Origin)
	}
	if s.Parent != "" {
		f.Remedy = "change it back, commit it to what " + oneLine(s.Parent) + " is rendered from and have that approved and synced, or " + adopt
	} else {
		f.Remedy = "change it back, or " + adopt
	}
	return f
}

// consistent is false when the evidence contradicts itself.
func (s *SpecEvidence) consistent() bool {
	switch s.Approved {
	case SpecAdopted, SpecCommitted:
		return s.By != "" && len(s.Changed) == 0
	case "":
		return !slices.Contains(s.Changed, "")
	default:
		return false
	}
}
