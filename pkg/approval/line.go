package approval

import (
	"slices"
	"strconv"
)

// judgedLine is the judgement of one branch.
type judgedLine struct {
	decision LineDecision
	// findings are those of the whole decision so far, those of the line from
	// first on.
	findings []Finding
	first    int
	// advances: the target holds approved changes in scope after the baseline.
	advances bool
	// waiting is Allowed when nothing in scope is left after the target, else
	// the verdict on what is.
	waiting Verdict
}

// line finds the newest point of a line up to which everything in scope is
// approved. It never passes a landing in scope on which the verdict is Unknown:
// if that one turns out to be approved, what seems to undo it is a change of
// approved content. What it finds is appended to the findings so far.
func (j *judge) line(r *ProtectedRepository, l *Line, findings []Finding) judgedLine {
	out := judgedLine{waiting: Allowed, findings: findings, first: len(findings), decision: LineDecision{
		Repository: l.Repository, Branch: l.Branch, Baseline: l.Baseline, Target: l.Baseline, Head: l.Head,
	}}
	if f, ok := checkLine(l); !ok {
		return out.broken(f)
	}
	out.decision.Landings = slices.Grow(out.decision.Landings, len(l.Landings))
	scope, t := newScope(r.Paths), newTrust(len(l.Landings))
	changes := make([]*Change, 0, 16)
	target, unknown := -1, false
	restored := j.rollback.readsOf(l)
	for i := range l.Landings {
		landing := &l.Landings[i]
		changes = scope.within(landing.Changes, changes[:0])
		judged := j.landing(l, landing, changes, out.next(landing))
		if f, ok := j.follow(t, i, landing, changes, judged); !ok {
			out.decision.Landings = out.decision.Landings[:i] // what does not fit is not judged
			return out.broken(f)
		}
		unknown = unknown || judged.decision.Verdict == Unknown
		t.restore(restored, l.Repository, i)
		if t.dirty == 0 && t.doubtful == 0 && !unknown {
			target = i
			out.decision.Target = landing.Commit
			out.advances = t.moved > 0
		}
	}
	j.raise(t, &out)
	for i := range out.decision.Landings {
		d, f := &out.decision.Landings[i], &out.findings[out.first+i]
		switch {
		case i > target:
			out.waiting = worse(out.waiting, d.Verdict)
			if t.on[i] != nil {
				j.untrusted(f, t.on[i])
			}
		case d.Verdict != Allowed:
			d.Undone = true
			if t.restores[i] {
				*f = j.restored(*f, l.Baseline)
			} else {
				*f = j.undone(*f, out.decision.Target)
			}
		}
	}
	out.findings = append(out.findings, summary(&out.decision, target, out.waiting))
	return out
}

// next adds a landing. Its decision and its finding are written in place: they
// are large, and there may be many.
func (j *judgedLine) next(l *Landing) judgedLanding {
	j.decision.Landings = append(j.decision.Landings, LandingDecision{Commit: l.Commit, Kind: l.Kind})
	j.findings = append(j.findings, Finding{Commit: l.Commit})
	return judgedLanding{&j.decision.Landings[len(j.decision.Landings)-1], &j.findings[len(j.findings)-1]}
}

// broken makes the judgement of a line that cannot be judged.
func (j judgedLine) broken(f Finding) judgedLine {
	j.findings, j.waiting, j.advances, j.decision.Target = append(j.findings[:j.first], f), f.Verdict, false, ""
	return j
}

// checkLine makes sure that the landings lead from the baseline to the head
// without a gap, and that no landing is incomplete.
func checkLine(l *Line) (Finding, bool) {
	unfit := func(at SHA, text string) (Finding, bool) {
		return Finding{Code: CodeLineBroken, Verdict: Unknown, Commit: at, Text: text}, false
	}
	if !isSHA(l.Baseline) || !isSHA(l.Head) {
		return unfit("", "the baseline or the head of "+l.name()+" is not known")
	}
	if !l.BaselineOnLine {
		return Finding{
			Code: CodeLineBaseline, Verdict: Blocked, Commit: l.Baseline,
			Text:   "the baseline " + l.Baseline.Short() + " is not on the first-parent line of " + l.name() + ": the branch was rewritten, or the baseline is wrong",
			Remedy: "restore the branch, or enrol the gate at a reviewed commit of the branch as it is now",
		}, false
	}
	at := l.Baseline
	var commits, pulls sieve
	commits.sees(at.hash())
	for i := range l.Landings {
		landing := &l.Landings[i]
		before := l.Landings[:i]
		back := commits.sees(landing.Commit.hash()) && (landing.Commit == l.Baseline ||
			slices.ContainsFunc(before, func(o Landing) bool { return o.Commit == landing.Commit }))
		again := landing.isProven() && pulls.sees(uint64(landing.Pull.Number)) && //nolint:gosec // any number will do as a hash
			slices.ContainsFunc(before, func(o Landing) bool { return o.isProven() && o.Pull.Number == landing.Pull.Number })
		switch {
		case landing.Parent != at || !isSHA(landing.Commit):
			return unfit(landing.Commit, "the landings of "+l.name()+" leave a gap before "+landing.Commit.Short())
		case back:
			return unfit(landing.Commit, "the landings of "+l.name()+" come back to "+landing.Commit.Short())
		case again:
			return unfit(landing.Commit, "#"+strconv.Itoa(landing.Pull.Number)+" landed twice on "+l.name()+", the second time as "+landing.Commit.Short())
		case !complete(landing):
			return unfit(landing.Commit, "the changes of "+landing.Commit.Short()+" are incomplete in the facts")
		}
		at = landing.Commit
	}
	if at != l.Head {
		return unfit(at, "the landings of "+l.name()+" end at "+at.Short()+", not at the head "+l.Head.Short())
	}
	return Finding{}, true
}

// name names a line for people.
func (l *Line) name() string { return string(l.Repository) + " " + l.Branch }

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
		if !cleanPath(c.Path) || c.Before.same(&c.After) || !c.Before.complete() || !c.After.complete() {
			return false
		}
	}
	return true
}

// same says whether both are the same. It looks at the objects first: these differ,
// and the modes hardly ever.
func (e *Entry) same(o *Entry) bool { return e.SHA == o.SHA && e.Mode == o.Mode }

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
func (j *judge) untrusted(f *Finding, on *Landing) {
	f.Verdict, f.Code = Blocked, CodeLandingUntrusted
	if j.explain {
		i := slices.IndexFunc(f.Children, func(c Finding) bool { return c.Code == CodeLandingUntrusted })
		f.Text += ", but " + f.Children[i].Text
		f.Remedy = "clear " + on.Commit.Short() + " first"
	}
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

// restored is undone for a landing that gives back what an ordered rollback deployed.
func (j *judge) restored(f Finding, baseline SHA) Finding {
	out := Finding{Code: CodeLandingRestored, Verdict: Allowed, Pull: f.Pull, Commit: f.Commit}
	if j.explain {
		out.Text = f.Commit.Short() + " leaves what was approved at " + baseline.Short() + " and deployed again by the rollback of " + oneLine(j.rollback.Person)
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
