package approval

import (
	"slices"
	"strconv"
)

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
	baseline Entry
	trusted  Entry
	current  Entry
	dirty    bool
	// by is the landing that made the path dirty.
	by SHA
	// at is the index of the landing that changed it last.
	at int
}

// judgeLine finds the newest point of the line up to which everything in scope
// is approved. It never passes a landing in scope on which the verdict is
// Unknown: if that one turns out to be approved, what seems to undo it is a
// change of approved content.
func judgeLine(r ProtectedRepository, l Line, people roll) judgedLine {
	j := judgedLine{waiting: Allowed, decision: LineDecision{
		Repository: l.Repository, Branch: l.Branch, Baseline: l.Baseline, Target: l.Baseline, Head: l.Head,
	}}
	if f, ok := checkLine(l); !ok {
		return j.broken(f)
	}

	scope, paths := r.scope(), map[string]*pathTrust{}
	dirty, moved, target := 0, 0, -1
	unknown := false
	for i, landing := range l.Landings {
		changes := scope.within(landing.Changes)
		judged := judgeLanding(l, landing, classify(changes), people)
		approved := judged.decision.Verdict == Allowed
		spoils, spoilt := false, SHA("")
		for _, c := range changes {
			t := paths[c.Path]
			if t == nil {
				t = &pathTrust{baseline: c.Before, trusted: c.Before, current: c.Before, at: -1}
				paths[c.Path] = t
			}
			if t.current != c.Before || t.at == i {
				return j.broken(Finding{Code: CodeLineBroken, Verdict: Unknown, Commit: landing.Commit,
					Text: "the history of " + oneLine(c.Path) + " does not fit together at " + landing.Commit.Short()})
			}
			was, wasMoved := t.dirty, t.current != t.baseline
			t.current, t.at = c.After, i
			switch {
			case approved && !was:
				t.trusted = c.After
			case approved && c.After != t.trusted:
				judged.finding.Children = append(judged.finding.Children, Finding{
					Code: CodeLandingUntrusted, Verdict: Blocked, Commit: t.by,
					Text: "it changes " + oneLine(c.Path) + " on top of " + t.by.Short() + ", which is not approved",
				})
			default:
				if t.dirty = c.After != t.trusted; t.dirty && !was {
					t.by, spoils = landing.Commit, true
				}
			}
			if was {
				spoilt = t.by
			}
			dirty += count(t.dirty) - count(was)
			moved += count(t.current != t.baseline) - count(wasMoved)
		}
		if f := &judged.finding; spoilt != "" && !spoils && (f.Code == CodeLandingDirect || f.Code == CodeLandingMismatch) {
			// To take this one back would bring back what an earlier one did.
			f.Remedy = "clear " + spoilt.Short() + " first"
		}
		unknown = unknown || judged.decision.Verdict == Unknown
		if dirty == 0 && !unknown {
			target = i
			j.decision.Target = landing.Commit
			j.advances = moved > 0
		}
		j.decision.Landings = append(j.decision.Landings, judged.decision)
		j.findings = append(j.findings, judged.finding)
	}

	for i := range j.decision.Landings {
		d := &j.decision.Landings[i]
		switch {
		case i > target:
			j.waiting = worse(j.waiting, d.Verdict)
			j.findings[i] = untrusted(j.findings[i])
		case d.Verdict != Allowed:
			d.Undone = true
			j.findings[i] = undone(j.findings[i], j.decision.Target)
		}
	}
	j.findings = append(j.findings, summary(j.decision, target, j.waiting))
	return j
}

// broken makes the judgement of a line that cannot be judged.
func (j judgedLine) broken(f Finding) judgedLine {
	j.findings, j.waiting, j.advances, j.decision.Target = []Finding{f}, f.Verdict, false, ""
	return j
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checkLine makes sure that the landings lead from the baseline to the head
// without a gap, and that no landing is incomplete.
func checkLine(l Line) (Finding, bool) {
	name := string(l.Repository) + " " + l.Branch
	unfit := func(at SHA, text string) (Finding, bool) {
		return Finding{Code: CodeLineBroken, Verdict: Unknown, Commit: at, Text: text}, false
	}
	if !isSHA(l.Baseline) || !isSHA(l.Head) {
		return unfit("", "the baseline or the head of "+name+" is not known")
	}
	if !l.BaselineOnLine {
		return Finding{
			Code: CodeLineBaseline, Verdict: Blocked, Commit: l.Baseline,
			Text:   "the baseline " + l.Baseline.Short() + " is not on the first-parent line of " + name + ": the branch was rewritten, or the baseline is wrong",
			Remedy: "restore the branch, or enrol the gate at a reviewed commit of the branch as it is now",
		}, false
	}
	at := l.Baseline
	commits, proven := map[SHA]bool{at: true}, map[int]bool{}
	for _, landing := range l.Landings {
		switch {
		case landing.Parent != at || !isSHA(landing.Commit):
			return unfit(landing.Commit, "the landings of "+name+" leave a gap before "+landing.Commit.Short())
		case commits[landing.Commit]:
			return unfit(landing.Commit, "the landings of "+name+" come back to "+landing.Commit.Short())
		case landing.isProven() && proven[landing.Pull.Number]:
			return unfit(landing.Commit, "#"+strconv.Itoa(landing.Pull.Number)+" landed twice on "+name+", the second time as "+landing.Commit.Short())
		case !complete(landing):
			return unfit(landing.Commit, "the changes of "+landing.Commit.Short()+" are incomplete in the facts")
		}
		at = landing.Commit
		commits[at] = true
		if landing.isProven() {
			proven[landing.Pull.Number] = true
		}
	}
	if at != l.Head {
		return unfit(at, "the landings of "+name+" end at "+at.Short()+", not at the head "+l.Head.Short())
	}
	return Finding{}, true
}

// isProven is true for what a pull request brought to the branch, which happens
// once. Several pushes may claim one that was only marked as merged.
func (l Landing) isProven() bool { return l.Pull != nil && l.Proof.Result == Proven }

// complete says whether the changes of a landing can be all there are: a landing
// has none exactly when its tree is that of its parent.
func complete(l Landing) bool {
	if !isSHA(l.Tree) || !isSHA(l.ParentTree) || (len(l.Changes) == 0) != (l.Tree == l.ParentTree) {
		return false
	}
	for _, c := range l.Changes {
		if !cleanPath(c.Path) || c.Before == c.After || !c.Before.complete() || !c.After.complete() {
			return false
		}
	}
	return true
}

// complete is true for an absent path, and for one with a mode and an object.
func (e Entry) complete() bool {
	if e == (Entry{}) {
		return true
	}
	switch e.Mode {
	case "100644", "100755", "120000", "160000":
		return isSHA(e.SHA)
	default:
		return false
	}
}

func isSHA(s SHA) bool {
	_, err := ParseSHA(string(s))
	return err == nil
}

// untrusted says of a landing that waits although it is approved, why.
func untrusted(f Finding) Finding {
	i := slices.IndexFunc(f.Children, func(c Finding) bool { return c.Code == CodeLandingUntrusted })
	if i >= 0 {
		f.Verdict, f.Code = Blocked, CodeLandingUntrusted
		f.Text += ", but " + f.Children[i].Text
		f.Remedy = "clear " + f.Children[i].Commit.Short() + " first"
	}
	return f
}

// undone marks the finding of a landing that was not approved and of which
// nothing is left at the target. It keeps the reason as a child, so that the
// record still tells what it was.
func undone(f Finding, target SHA) Finding {
	return Finding{
		Code: CodeLandingUndone, Verdict: Allowed, Pull: f.Pull, Commit: f.Commit,
		Text:     f.Commit.Short() + " was not approved, but everything in scope that it touched holds trusted content at " + target.Short(),
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
