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

// line finds the newest point of a line up to which everything in scope is
// approved. It never passes a landing in scope on which the verdict is Unknown:
// if that one turns out to be approved, what seems to undo it is a change of
// approved content.
func (j *judge) line(r ProtectedRepository, l *Line) judgedLine {
	out := judgedLine{waiting: Allowed, decision: LineDecision{
		Repository: l.Repository, Branch: l.Branch, Baseline: l.Baseline, Target: l.Baseline, Head: l.Head,
	}}
	if f, ok := checkLine(l); !ok {
		return out.broken(f)
	}
	out.grow(len(l.Landings))
	j.expect(l)
	scope, t := newScope(r.Paths), newTrust(len(l.Landings))
	var changes []*Change
	target, unknown := -1, false
	for i := range l.Landings {
		landing := &l.Landings[i]
		changes = scope.within(landing.Changes, changes[:0])
		judged := j.landing(l, landing, changes)
		if f, ok := j.follow(t, i, landing, changes, &judged); !ok {
			return out.broken(f)
		}
		unknown = unknown || judged.decision.Verdict == Unknown
		if t.dirty == 0 && t.doubtful == 0 && !unknown {
			target = i
			out.decision.Target = landing.Commit
			out.advances = t.moved > 0
		}
		out.decision.Landings = append(out.decision.Landings, judged.decision)
		out.findings = append(out.findings, judged.finding)
	}
	j.raise(t, &out)
	for i := range out.decision.Landings {
		d := &out.decision.Landings[i]
		switch {
		case i > target:
			out.waiting = worse(out.waiting, d.Verdict)
			if t.on[i] != "" {
				out.findings[i] = j.untrusted(out.findings[i], t.on[i])
			}
		case d.Verdict != Allowed:
			d.Undone = true
			out.findings[i] = j.undone(out.findings[i], out.decision.Target)
		}
	}
	out.findings = append(out.findings, summary(&out.decision, target, out.waiting))
	return out
}

// expect makes room for the approvers of a line.
func (j *judge) expect(l *Line) {
	n := 0
	for i := range l.Landings {
		if pr := l.Landings[i].Pull; pr != nil {
			n += min(len(pr.Reviews), 4)
		}
	}
	j.approvers = make([]User, 0, n)
}

// grow makes room for the landings of a line.
func (j *judgedLine) grow(landings int) {
	if landings > 0 {
		j.decision.Landings = make([]LandingDecision, 0, landings)
	}
	j.findings = make([]Finding, 0, landings+1)
}

// broken makes the judgement of a line that cannot be judged.
func (j judgedLine) broken(f Finding) judgedLine {
	j.findings, j.waiting, j.advances, j.decision.Target = []Finding{f}, f.Verdict, false, ""
	return j
}

// checkLine makes sure that the landings lead from the baseline to the head
// without a gap, and that no landing is incomplete.
func checkLine(l *Line) (Finding, bool) {
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
	commits, proven := make(map[SHA]bool, len(l.Landings)+1), make(map[int]bool, len(l.Landings))
	commits[at] = true
	for i := range l.Landings {
		landing := &l.Landings[i]
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
func (l *Landing) isProven() bool { return l.Pull != nil && l.Proof.Result == Proven }

// complete says whether the changes of a landing can be all there are: a landing
// has none exactly when its tree is that of its parent.
func complete(l *Landing) bool {
	if !isSHA(l.Tree) || !isSHA(l.ParentTree) || (len(l.Changes) == 0) != (l.Tree == l.ParentTree) {
		return false
	}
	for i := range l.Changes {
		c := &l.Changes[i]
		if !cleanPath(c.Path) || c.Before == c.After || !c.Before.complete() || !c.After.complete() {
			return false
		}
	}
	return true
}

// complete is true for an absent path, and for one with a mode and an object.
func (e *Entry) complete() bool {
	if *e == (Entry{}) {
		return true
	}
	switch e.Mode {
	case "100644", "100755", "120000", "160000":
		return isSHA(e.SHA)
	default:
		return false
	}
}

// untrusted says of a landing that waits although it is approved, why.
func (j *judge) untrusted(f Finding, on SHA) Finding {
	f.Verdict, f.Code = Blocked, CodeLandingUntrusted
	if j.explain {
		i := slices.IndexFunc(f.Children, func(c Finding) bool { return c.Code == CodeLandingUntrusted })
		f.Text += ", but " + f.Children[i].Text
		f.Remedy = "clear " + on.Short() + " first"
	}
	return f
}

// undone marks the finding of a landing that was not approved and of which
// nothing is left at the target. It keeps the reason as a child, so that the
// record still tells what it was.
func (j *judge) undone(f Finding, target SHA) Finding {
	out := Finding{Code: CodeLandingUndone, Verdict: Allowed, Pull: f.Pull, Commit: f.Commit}
	if j.explain {
		out.Text = f.Commit.Short() + " was not approved, but everything in scope that it touched holds trusted content at " + target.Short()
		out.Children = []Finding{f}
	}
	return out
}

func summary(d *LineDecision, target int, waiting Verdict) Finding {
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
