package approval

import (
	"slices"
	"strconv"
)

// Decide answers for one Application which candidate the gate lets through. It
// is total: every input yields a decision, and only complete, consistent facts
// yield an allowed one. Safe for concurrent use.
func Decide(p Policy, f Facts) Decision {
	d := Decision{Gate: p.Gate, Application: f.Application.Key(), Verdict: Blocked}

	for _, m := range f.Missing {
		d.Findings = append(d.Findings, Finding{
			Code: CodeFactsMissing, Verdict: Unknown,
			Text:   m.What + " could not be read: " + m.Why,
			Remedy: "nothing to do if this passes; Gatekeeper tries again by itself",
		})
	}
	d.Findings = append(d.Findings, judgePolicy(p)...)
	d.Findings = append(d.Findings, judgeApplication(p, f.Application)...)
	d.Findings = append(d.Findings, judgeSources(p, f)...)
	hindered := worst(d.Findings)

	people := newRoll(p.Config, f.Directory)
	var lines []judgedLine
	for _, l := range f.Lines {
		protected, ok := p.Repository(l.Repository)
		if !ok || protected.Branch != l.Branch {
			d.Findings = append(d.Findings, Finding{
				Code: CodeLineMissing, Verdict: Unknown,
				Text: "the facts hold a line of " + string(l.Repository) + " " + l.Branch + ", which the gate does not protect",
			})
			hindered = Unknown
			continue
		}
		j := judgeLine(protected, l, people)
		d.Lines = append(d.Lines, j.decision)
		d.Findings = append(d.Findings, j.findings...)
		lines = append(lines, j)
	}

	if hindered != Allowed {
		d.Verdict = hindered
		return d
	}
	waiting := Allowed
	for _, j := range lines {
		d.Advances = d.Advances || j.advances
		waiting = worse(waiting, j.waiting)
	}
	if !d.Advances && waiting != Allowed {
		d.Verdict = waiting
		return d
	}
	d.Candidate = candidate(f.Application, lines)
	if len(d.Candidate.Revisions) == 0 {
		d.Advances = false
		return d
	}
	d.Verdict = Allowed
	return d
}

// worse returns the verdict that weighs more: Unknown before Blocked before
// Allowed. A verdict outside the three weighs as Unknown.
func worse(a, b Verdict) Verdict {
	weight := func(v Verdict) int {
		switch v {
		case Allowed:
			return 0
		case Blocked:
			return 1
		case Unknown:
			return 2
		default:
			return 3
		}
	}
	if weight(b) > weight(a) {
		a = b
	}
	if weight(a) > 2 {
		return Unknown
	}
	return a
}

func worst(findings []Finding) Verdict {
	v := Allowed
	for _, f := range findings {
		v = worse(v, f.Verdict)
	}
	return v
}

// judgePolicy repeats at decision time what loading a configuration refuses:
// a policy that asks for nothing would let everything through.
func judgePolicy(p Policy) []Finding {
	empty := func(what string) []Finding {
		return []Finding{{
			Code: CodePolicyEmpty, Verdict: Blocked,
			Text:   "gate " + p.Gate + " " + what,
			Remedy: "mend the gate's configuration",
		}}
	}
	switch {
	case p.Gate == "":
		return empty("has no name")
	case len(p.Applications) == 0:
		return empty("protects no Application")
	case len(p.Config.Requirements) == 0:
		return empty("requires no approval")
	}
	for _, r := range p.Config.Requirements {
		if r.Approvals < 1 {
			return empty("has a requirement of " + strconv.Itoa(r.Approvals) + " approvals")
		}
		if len(r.Teams)+len(r.Users) == 0 {
			return empty("has a requirement that names nobody")
		}
	}
	return nil
}

func judgeApplication(p Policy, a Application) []Finding {
	var out []Finding
	block := func(code Code, text, remedy string) {
		out = append(out, Finding{Code: code, Verdict: Blocked, Text: text, Remedy: remedy})
	}
	if a.UID == "" || a.SpecDigest == "" {
		out = append(out, Finding{Code: CodeFactsMissing, Verdict: Unknown, Text: "the Application's identity is not known"})
	}
	if !p.Protects(a) {
		block(CodeApplicationForeign, "gate "+p.Gate+" does not protect this Application", "")
	}
	if a.Deleting {
		block(CodeApplicationDeleting, "the Application is being deleted", "")
	}
	if a.Automated {
		block(CodeApplicationAuto, "the Application syncs itself, so Gatekeeper cannot decide what it deploys",
			"remove spec.syncPolicy.automated from the Application")
	}
	for _, u := range a.Unsupported {
		block(CodeApplicationSpec, "the Application's spec cannot be judged: "+u, "change the spec of the Application")
	}
	return out
}

// judgeSources checks that every source is one whose line the gate judges, and
// that everything it is rendered from is in the gate's scope.
func judgeSources(p Policy, f Facts) []Finding {
	var out []Finding
	block := func(code Code, text, remedy string) {
		out = append(out, Finding{Code: code, Verdict: Blocked, Text: text, Remedy: remedy})
	}
	if len(f.Application.Sources) == 0 {
		block(CodeSourceNone, "the Application has no source", "give it a source in a protected repository")
	}
	for i, s := range f.Application.Sources {
		name := "source " + strconv.Itoa(i+1)
		if s.Kind != SourceGit {
			block(CodeSourceKind, name+" ("+s.RepoURL+") is not a git repository, and only git content can be approved by pull requests",
				"vendor the chart into a protected repository")
			continue
		}
		protected, ok := p.Repository(s.Repository)
		if s.Repository == "" || !ok {
			block(CodeSourceRepository, name+" ("+s.RepoURL+") is in a repository that gate "+p.Gate+" does not protect",
				"add the repository to the gate, or use a protected one")
			continue
		}
		line, ok := lineOf(f.Lines, protected)
		if !ok {
			if len(f.Missing) == 0 {
				out = append(out, Finding{Code: CodeLineMissing, Verdict: Unknown,
					Text: "the history of " + string(protected.Name) + " " + protected.Branch + " is not in the facts"})
			}
			continue
		}
		if !tracks(s.TargetRevision, line) {
			block(CodeSourceRevision, name+" tracks "+quoted(s.TargetRevision)+" of "+string(protected.Name)+", but gate "+p.Gate+" protects "+protected.Branch,
				"set targetRevision to "+protected.Branch)
		}
	}
	for _, s := range f.Application.Sources {
		for _, r := range s.Reads {
			if protected, ok := p.Repository(r.Repository); !ok || !protected.CoversAll(r.Path) {
				block(CodeSourceScope, "the Application is rendered from "+r.Path+" of "+string(r.Repository)+", which is outside the paths of gate "+p.Gate,
					"add it to the paths of the gate")
			}
		}
	}
	return out
}

func quoted(s string) string {
	if s == "" {
		return "HEAD"
	}
	return strconv.Quote(s)
}

func lineOf(lines []Line, r ProtectedRepository) (Line, bool) {
	i := slices.IndexFunc(lines, func(l Line) bool { return l.Repository.Equal(r.Name) && l.Branch == r.Branch })
	if i < 0 {
		return Line{}, false
	}
	return lines[i], true
}

func tracks(targetRevision string, l Line) bool {
	switch targetRevision {
	case l.Branch, "refs/heads/" + l.Branch:
		return true
	case "", "HEAD":
		return l.DefaultBranch
	default:
		return false
	}
}

// candidate pins every source to the target of its line. Two sources of one
// repository get the same commit: Argo CD may otherwise combine values and
// charts of different times.
func candidate(a Application, lines []judgedLine) Candidate {
	c := Candidate{UID: a.UID, SpecDigest: a.SpecDigest}
	for _, s := range a.Sources {
		i := slices.IndexFunc(lines, func(j judgedLine) bool { return j.decision.Repository.Equal(s.Repository) })
		if i < 0 || lines[i].decision.Target == "" {
			return Candidate{}
		}
		c.Revisions = append(c.Revisions, Revision{Repository: lines[i].decision.Repository, SHA: lines[i].decision.Target})
	}
	return c
}
