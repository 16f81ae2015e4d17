package approval

import "strconv"

// judgedLine is the judgement of one branch.
type judgedLine struct {
	decision LineDecision
	findings []Finding
	// advances: the target holds approved changes in scope after the baseline.
	advances bool
	// waiting is Allowed when nothing in scope is left after the target, else
	// the verdict on what is.
	waiting Verdict
}

// pathTrust follows one path along a line.
type pathTrust struct {
	trusted Entry
	current Entry
	dirty   bool
}

// judgeLine finds the newest point of the line up to which everything in scope
// is approved.
func judgeLine(r ProtectedRepository, l Line, people roll) judgedLine {
	j := judgedLine{waiting: Allowed, decision: LineDecision{
		Repository: l.Repository, Branch: l.Branch, Baseline: l.Baseline, Target: l.Baseline, Head: l.Head,
	}}
	if f, ok := checkLine(l); !ok {
		j.findings = []Finding{f}
		j.waiting = f.Verdict
		j.decision.Target = ""
		return j
	}

	paths := map[string]*pathTrust{}
	dirty := 0
	target := -1
	approvedInScope := false
	for i, landing := range l.Landings {
		judged := judgeLanding(r, l, landing, people)
		j.decision.Landings = append(j.decision.Landings, judged.decision)
		j.findings = append(j.findings, judged.finding)
		for _, c := range landing.Changes {
			if !r.Covers(c.Path) {
				continue
			}
			t := paths[c.Path]
			if t == nil {
				t = &pathTrust{trusted: c.Before, current: c.Before}
				paths[c.Path] = t
			}
			if t.current != c.Before {
				return brokenLine(j, landing, "the history of "+c.Path+" does not fit together at "+landing.Commit.Short())
			}
			t.current = c.After
			was := t.dirty
			switch {
			case judged.decision.Verdict == Allowed && !t.dirty:
				t.trusted = c.After
			default:
				t.dirty = c.After != t.trusted
			}
			dirty += count(t.dirty) - count(was)
		}
		if judged.decision.Class != ClassNone && judged.decision.Verdict == Allowed {
			approvedInScope = true
		}
		if dirty == 0 {
			target = i
			j.decision.Target = landing.Commit
			j.advances = approvedInScope
		}
	}

	for i := range j.decision.Landings {
		d := &j.decision.Landings[i]
		switch {
		case i > target:
			j.waiting = worse(j.waiting, d.Verdict)
		case d.Verdict != Allowed:
			d.Undone = true
			j.findings[i] = undone(j.findings[i])
		}
	}
	j.findings = append(j.findings, summary(j.decision, target, j.waiting))
	return j
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func brokenLine(j judgedLine, l Landing, text string) judgedLine {
	f := Finding{Code: CodeLineBroken, Verdict: Unknown, Text: text, Commit: l.Commit}
	j.findings = []Finding{f}
	j.waiting = Unknown
	j.advances = false
	j.decision.Target = ""
	return j
}

// checkLine makes sure that the landings lead from the baseline to the head
// without a gap.
func checkLine(l Line) (Finding, bool) {
	name := string(l.Repository) + " " + l.Branch
	if l.Baseline == "" || l.Head == "" {
		return Finding{Code: CodeLineBroken, Verdict: Unknown, Text: "the baseline or the head of " + name + " is not known"}, false
	}
	if !l.BaselineOnLine {
		return Finding{
			Code: CodeLineBaseline, Verdict: Blocked, Commit: l.Baseline,
			Text:   "the baseline " + l.Baseline.Short() + " is not on the first-parent line of " + name + ": the branch was rewritten, or the baseline is wrong",
			Remedy: "restore the branch, or enrol the gate at a reviewed commit of the branch as it is now",
		}, false
	}
	at := l.Baseline
	for _, landing := range l.Landings {
		if landing.Parent != at || landing.Commit == "" || landing.Commit == at {
			return Finding{Code: CodeLineBroken, Verdict: Unknown, Commit: landing.Commit,
				Text: "the landings of " + name + " leave a gap before " + landing.Commit.Short()}, false
		}
		at = landing.Commit
	}
	if at != l.Head {
		return Finding{Code: CodeLineBroken, Verdict: Unknown, Commit: at,
			Text: "the landings of " + name + " end at " + at.Short() + ", not at the head " + l.Head.Short()}, false
	}
	return Finding{}, true
}

// undone marks the finding of a landing whose changes are all gone again. It
// keeps the reason as a child, so that the record still tells what it was.
func undone(f Finding) Finding {
	return Finding{
		Code: CodeLandingUndone, Verdict: Allowed, Pull: f.Pull, Commit: f.Commit,
		Text:     f.Commit.Short() + " was not approved, but everything it changed in scope was restored later",
		Children: []Finding{f},
	}
}

func summary(d LineDecision, target int, waiting Verdict) Finding {
	name := string(d.Repository) + " " + d.Branch
	switch left := len(d.Landings) - target - 1; {
	case len(d.Landings) == 0:
		return Finding{Code: CodeLineUpToDate, Verdict: Allowed, Commit: d.Target, Text: name + " has nothing after the baseline " + d.Baseline.Short()}
	case left == 0:
		return Finding{Code: CodeLineUpToDate, Verdict: Allowed, Commit: d.Target, Text: name + " is approved up to its head " + d.Target.Short()}
	default:
		return Finding{
			Code: CodeLandingWaiting, Verdict: waiting, Commit: d.Target,
			Text: name + " is approved up to " + d.Target.Short() + "; " + plural(left, "newer landing") + " must wait",
		}
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
