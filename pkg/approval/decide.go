package approval

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Decide answers for one Application which candidate the gate lets through. It
// is total: every input yields a decision, and only complete, consistent facts
// yield an allowed one. Its findings have codes and verdicts, those of landings
// no texts and no children; see Explain. Safe for concurrent use.
func Decide(p Policy, f Facts) Decision {
	d, _ := decide(&p, &f, false)
	d.onCommand(&p, &f)
	return d
}

// Explain is Decide with the whole tree of findings: for each landing in words
// which requirement is met by whom, and who can clear what is missing. It is the
// form to show and to record, and takes about ten times as long. The verdicts
// and codes are those of Decide. Safe for concurrent use.
func Explain(p Policy, f Facts) Decision {
	d, _ := decide(&p, &f, true)
	d.onCommand(&p, &f)
	return d
}

// Prospect is the candidate that Decide would allow if nothing that it is
// rendered from is outside the gate's scope: the one whose Closure has to be in
// the facts. False when there is none.
func Prospect(p Policy, f Facts) (Candidate, bool) {
	_, c := decide(&p, &f, false)
	return c, len(c.Revisions) > 0
}

// decide returns the decision, and the candidate before its closure was judged.
func decide(p *Policy, f *Facts, explain bool) (Decision, Candidate) {
	d := Decision{Gate: p.Gate, Application: f.Application.Key(), Verdict: Blocked}

	for _, m := range f.Missing {
		d.Findings = append(d.Findings, Finding{
			Code: CodeFactsMissing, Verdict: Unknown,
			Text:   oneLine(m.What + " could not be read: " + m.Why),
			Remedy: "nothing to do if this passes; Gatekeeper tries again by itself",
		})
	}
	missing := len(d.Findings)
	d.Findings = append(d.Findings, judgePolicy(p)...)
	d.Findings = append(d.Findings, judgeApplication(p, &f.Application)...)
	own := worst(d.Findings[missing:])
	hindered := worst(d.Findings)
	spec, sources, stops := judgeSpec(p, f), judgeSources(p, f), judgeStops(p, f)
	d.Findings = slices.Concat(d.Findings, spec, sources, stops)
	hindered = worse(hindered, worst(sources))
	whole := len(d.Findings)

	j := newJudge(p, &f.Directory, f.Images, explain)
	j.rollback = f.Rollback
	lines := make([]judgedLine, 0, len(f.Lines))
	d.expect(f.Lines)
	for i := range f.Lines {
		l := &f.Lines[i]
		protected := p.protected(l.Repository)
		twice := slices.ContainsFunc(f.Lines[:i], func(o Line) bool { return o.Repository.Equal(l.Repository) })
		if protected == nil || protected.Branch != l.Branch || twice {
			text := ", which the gate does not protect"
			if protected != nil && protected.Branch == l.Branch {
				text = ", but there is another of this repository"
			}
			d.Findings = append(d.Findings, Finding{
				Code: CodeLineMissing, Verdict: Unknown,
				Text: "the facts hold a line of " + string(l.Repository) + " " + l.Branch + text,
			})
			hindered = Unknown
			continue
		}
		line := j.line(protected, l, d.Findings)
		d.Lines = append(d.Lines, line.decision)
		d.Findings = line.findings
		if line.decision.Target == "" {
			hindered = worse(hindered, line.waiting)
		}
		lines = append(lines, line)
	}

	d.trustBaseline(p, f)
	broken := judgeBrokenGlass(f, d.Lines)
	d.Findings = slices.Insert(d.Findings, whole, append(slices.Clip(broken), judgeUngated(f)...)...)
	stopped := worse(worst(spec), worse(worst(stops), worst(broken)))
	if c, ok := d.override(p, f, hindered, explain); ok {
		return d.judged(p, f, c)
	}
	if c, ok := d.rollBack(f, own); ok {
		d.Verdict, d.Candidate = Allowed, c
		return d, c
	}
	if hindered != Allowed || stopped != Allowed {
		d.Verdict = worse(hindered, stopped)
		return d, Candidate{}
	}
	waiting := Allowed
	for i := range lines {
		if line := &lines[i]; pins(&f.Application, line.decision.Repository) {
			d.Advances = d.Advances || line.advances
			waiting = worse(waiting, line.waiting)
		}
	}
	if !d.Advances && waiting != Allowed {
		d.Verdict = waiting
		return d, Candidate{}
	}
	c := candidate(&f.Application, lines)
	if len(c.Revisions) == 0 {
		d.Advances = false
		return d, c
	}
	return d.judged(p, f, c)
}

// expect makes room for a finding on each landing and each line, and for one on
// what is rendered.
func (d *Decision) expect(lines []Line) {
	n := len(lines) + 1
	for i := range lines {
		n += len(lines[i].Landings)
	}
	d.Findings = slices.Grow(d.Findings, n)
}

// pins says whether a source of the Application is in the repository.
func pins(a *Application, name RepositoryName) bool {
	return slices.ContainsFunc(a.Sources, func(s Source) bool { return s.Repository.Equal(name) })
}

// worse returns the verdict that weighs more: Unknown before Blocked before
// Allowed. A verdict outside the three weighs as Unknown.
func worse(a, b Verdict) Verdict {
	if b.weight() > a.weight() {
		a = b
	}
	if a.weight() > 2 {
		return Unknown
	}
	return a
}

func (v Verdict) weight() int {
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

func worst(findings []Finding) Verdict {
	v := Allowed
	for i := range findings {
		v = worse(v, findings[i].Verdict)
	}
	return v
}

// judgePolicy repeats at decision time what loading a configuration refuses:
// a policy that asks for nothing would let everything through.
func judgePolicy(p *Policy) []Finding {
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
	case p.Sync.OnCommand && p.Sync.Automated:
		return empty("syncs on command, and lets its Applications sync themselves")
	}
	if p.Image != nil {
		if what := judgeImagePolicy(p.Image); what != "" {
			return empty(what)
		}
	}
	for _, r := range p.requirements() {
		switch {
		case r.Approvals < 1:
			return empty("has a requirement of " + strconv.Itoa(r.Approvals) + " approvals")
		case r.asksNothing():
			return empty("has a requirement that names nobody")
		case slices.ContainsFunc(r.Paths, func(p string) bool { return !ValidPattern(p) }):
			return empty("has a requirement with a path that is no pattern")
		case slices.ContainsFunc(r.Methods, func(m Method) bool { return m != MethodReview && m != MethodComment }):
			return empty("has a requirement with an unknown method")
		}
	}
	for i, r := range p.Repositories {
		if r.Name == "" || r.Branch == "" || slices.ContainsFunc(r.Paths, func(p string) bool { return !ValidPattern(p) }) ||
			slices.ContainsFunc(p.Repositories[:i], func(o ProtectedRepository) bool { return o.Name.Equal(r.Name) }) {
			return empty("has a repository without a name, a branch or valid paths, or has it twice")
		}
	}
	return nil
}

func judgeApplication(p *Policy, a *Application) []Finding {
	var out []Finding
	block := func(code Code, text, remedy string) {
		out = append(out, Finding{Code: code, Verdict: Blocked, Text: text, Remedy: remedy})
	}
	if a.UID == "" || a.SpecDigest == "" || a.ResourceVersion == "" || (len(a.Sources) > 1 && !a.MultiSource) {
		out = append(out, Finding{Code: CodeFactsMissing, Verdict: Unknown, Text: "the facts about the Application are incomplete"})
	}
	if !p.Protects(*a) {
		block(CodeApplicationForeign, "gate "+p.Gate+" does not protect this Application", "")
	}
	if a.Deleting {
		block(CodeApplicationDeleting, "the Application is being deleted", "")
	}
	if a.Automated && !p.Sync.Automated {
		block(CodeApplicationAuto, "the Application syncs itself, so Gatekeeper cannot decide what it deploys",
			"remove spec.syncPolicy.automated from the Application")
	}
	for _, u := range a.Unsupported {
		block(CodeApplicationSpec, "the Application's spec cannot be judged: "+oneLine(u), "change the spec of the Application")
	}
	return out
}

// judgeSources checks that every source is one whose line the gate judges, and
// that everything it is rendered from is in the gate's scope.
func judgeSources(p *Policy, f *Facts) []Finding {
	var out []Finding
	block := func(code Code, text, remedy string) {
		out = append(out, Finding{Code: code, Verdict: Blocked, Text: text, Remedy: remedy})
	}
	if len(f.Application.Sources) == 0 {
		block(CodeSourceNone, "the Application has no source", "give it a source in a protected repository")
	}
	for i := range f.Application.Sources {
		s := &f.Application.Sources[i]
		name := func() string { return "source " + strconv.Itoa(i+1) }
		if s.Kind != SourceGit {
			block(CodeSourceKind, name()+" ("+oneLine(s.RepoURL)+") is not a git repository, and only git content can be approved by pull requests",
				"vendor the chart into a protected repository")
			continue
		}
		protected := p.protected(s.Repository)
		if s.Repository == "" || protected == nil {
			block(CodeSourceRepository, name()+" ("+oneLine(s.RepoURL)+") is in a repository that gate "+p.Gate+" does not protect",
				"add the repository to the gate, or use a protected one")
			continue
		}
		line := lineOf(f.Lines, protected)
		if line == nil {
			if len(f.Missing) == 0 {
				out = append(out, Finding{Code: CodeLineMissing, Verdict: Unknown,
					Text: "the history of " + string(protected.Name) + " " + protected.Branch + " is not in the facts"})
			}
			continue
		}
		if !tracks(s.TargetRevision, line) {
			block(CodeSourceRevision, name()+" tracks "+quoted(s.TargetRevision)+" of "+string(protected.Name)+", but gate "+p.Gate+" protects "+protected.Branch,
				"set targetRevision to "+protected.Branch)
		}
	}
	for i, s := range f.Application.Sources {
		if s.Kind != SourceGit {
			continue
		}
		if !readsKnown(s) {
			out = append(out, Finding{Code: CodeFactsMissing, Verdict: Unknown,
				Text: "it is not known what source " + strconv.Itoa(i+1) + " is rendered from"})
			continue
		}
		out = append(out, judgeReads(p, &f.Application, s.Reads)...)
	}
	return out
}

// readsKnown is false when something that a source is rendered from was
// forgotten. A source that others only refer to is read through their reads.
func readsKnown(s Source) bool {
	return (len(s.Reads) > 0 || s.Ref != "") && !slices.ContainsFunc(s.Reads, func(r Read) bool { return r.Path == "" || r.Repository == "" })
}

func quoted(s string) string {
	if s == "" {
		return "HEAD"
	}
	return strconv.Quote(s)
}

func lineOf(lines []Line, r *ProtectedRepository) *Line {
	for i := range lines {
		if l := &lines[i]; l.Repository.Equal(r.Name) && l.Branch == r.Branch {
			return l
		}
	}
	return nil
}

func tracks(targetRevision string, l *Line) bool {
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
func candidate(a *Application, lines []judgedLine) Candidate {
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

// oneLine makes text that comes from outside fit to stand in a finding: control
// and invisible characters and line ends, with which it could pass for another
// line or another word, are replaced.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
