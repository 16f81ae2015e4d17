package approval

import (
	"slices"
	"strconv"
	"strings"
)

// override decides whether a use of break-glass allows its candidate, and says what
// it overrides. It never overrides what hinders: facts that are missing, an
// Application that cannot be judged, is being deleted or syncs itself, and content
// that is not on a protected line. A use that does not fit changes nothing else.
func (d *Decision) override(p *Policy, f *Facts, hindered Verdict, explain bool) (Candidate, bool) {
	o := f.Override
	if o == nil || hindered != Allowed {
		return Candidate{}, false
	}
	void := func(text string) (Candidate, bool) {
		d.Findings = slices.Insert(d.Findings, 0, Finding{
			Code: CodeBreakGlassVoid, Verdict: Blocked, Text: "break-glass " + oneLine(o.ID) + " of " + oneLine(o.Person) + " is void: " + text,
			Remedy: "order it again: gatekeeper break-glass " + f.Application.Key() + " --revision SHA --by NAME --reason TEXT",
		})
		return Candidate{}, false
	}
	switch {
	case p.BreakGlass == nil || p.BreakGlass.Empty():
		return void("gate " + p.Gate + " has no break-glass")
	case o.ID == "" || o.Person == "" || o.Expires.IsZero() || o.ReviewBy.IsZero():
		return void("it is incomplete in the facts")
	case !p.BreakGlass.Includes(&f.Directory, o.Person):
		return void(oneLine(o.Person) + " is not one of " + oneLine(namesOf(p.BreakGlass.Teams, p.BreakGlass.Users)))
	case o.Candidate.UID != f.Application.UID:
		return void("it is for another Application of that name")
	case o.Candidate.SpecDigest != f.Application.SpecDigest:
		return void("the Application's spec has changed since")
	case len(o.Candidate.Revisions) != len(f.Application.Sources):
		return void("it has not one revision for each source")
	}
	for i, r := range o.Candidate.Revisions {
		line := d.lineOf(r.Repository)
		switch {
		case !r.Repository.Equal(f.Application.Sources[i].Repository) || line == nil:
			return void("source " + strconv.Itoa(i+1) + " is not in " + oneLine(string(r.Repository)))
		case line.place(r.SHA) < 0:
			return void(r.SHA.Short() + " is not on the first-parent line of " + string(line.Repository) + " " + line.Branch + " since the baseline " + line.Baseline.Short())
		case slices.ContainsFunc(o.Candidate.Revisions[:i], func(b Revision) bool { return b.Repository.Equal(r.Repository) && b.SHA != r.SHA }):
			return void("two sources of " + oneLine(string(r.Repository)) + " have different revisions")
		}
	}
	used := Finding{
		Code: CodeBreakGlassUsed, Verdict: Allowed,
		Text: oneLine(o.Person) + " broke the glass for " + shortRevisions(o.Candidate) + " until " + minuteDown(o.Expires) + " (" + oneLine(o.Reason) +
			"); somebody else has to review it by " + minuteDown(o.ReviewBy) + ": gatekeeper review " + oneLine(o.ID) + " --by NAME --reason TEXT",
	}
	if explain {
		used.Children = d.overridden(o.Candidate)
	}
	d.Findings = slices.Insert(d.Findings, 0, used)
	d.Advances, d.Override = true, o.ID
	c := o.Candidate
	c.Revisions = slices.Clone(c.Revisions)
	return c, true
}

// overridden are the findings that would have kept the candidate from being synced.
func (d *Decision) overridden(c Candidate) []Finding {
	var out []Finding
	for i := range d.Findings {
		f := &d.Findings[i]
		if f.Verdict == Allowed || f.Code == CodeLandingWaiting {
			continue
		}
		shipped := f.Commit == ""
		for _, r := range c.Revisions {
			if l := d.lineOf(r.Repository); l != nil && f.Commit != "" {
				at := l.place(f.Commit)
				shipped = shipped || at > 0 && at <= l.place(r.SHA)
			}
		}
		if shipped {
			over := *f
			over.Children = nil
			out = append(out, over)
		}
	}
	return out
}

// lineOf is the judgement of a repository's line, nil when there is none.
func (d *Decision) lineOf(name RepositoryName) *LineDecision {
	return lineIn(d.Lines, name)
}

func lineIn(lines []LineDecision, name RepositoryName) *LineDecision {
	for i := range lines {
		if lines[i].Repository.Equal(name) {
			return &lines[i]
		}
	}
	return nil
}

// place counts the landings up to a commit, 0 for the baseline; -1 for a commit
// that is not on the line, or on one that could not be judged.
func (l *LineDecision) place(commit SHA) int {
	if l.Target == "" {
		return -1
	}
	if commit == l.Baseline {
		return 0
	}
	i := slices.IndexFunc(l.Landings, func(d LandingDecision) bool { return d.Commit == commit })
	if i < 0 {
		return -1
	}
	return i + 1
}

// judgeBrokenGlass: what was shipped by break-glass has to be reviewed. While what
// is approved does not reach as far as that, nothing is synced: it would take back
// what a person decided to ship.
func judgeBrokenGlass(f *Facts, lines []LineDecision) []Finding {
	var out []Finding
	for i := range f.BrokenGlass {
		b := &f.BrokenGlass[i]
		if b.ID == "" || b.Person == "" || b.ReviewBy.IsZero() || len(b.Candidate.Revisions) == 0 {
			out = append(out, Finding{Code: CodeBreakGlassUnreviewed, Verdict: Unknown, Text: "a use of break-glass is incomplete in the facts"})
			continue
		}
		review, due := "gatekeeper review "+oneLine(b.ID)+" --by NAME --reason TEXT", "is"
		finding := Finding{Code: CodeBreakGlassUnreviewed, Verdict: Allowed}
		if b.Overdue {
			finding.Code, due = CodeBreakGlassOverdue, "was"
		}
		finding.Text = oneLine(b.Person) + " shipped " + shortRevisions(b.Candidate) + " by break-glass (" + oneLine(b.Reason) +
			"), and nobody has reviewed it; the review " + due + " due by " + minuteDown(b.ReviewBy)
		if !b.Passed && !reaches(lines, b.Candidate) {
			finding.Verdict = Blocked
			finding.Text += "; until then nothing is synced that does not include it"
			finding.Remedy = "somebody other than " + oneLine(b.Person) + " reviews it (" + review + "), or what it shipped reaches its quorum"
		} else {
			finding.Text += ": " + review
		}
		out = append(out, finding)
	}
	return out
}

// reaches says whether what is approved includes a candidate.
func reaches(lines []LineDecision, c Candidate) bool {
	for _, r := range c.Revisions {
		l := lineIn(lines, r.Repository)
		if l == nil || l.place(r.SHA) < 0 || l.place(r.SHA) > l.place(l.Target) {
			return false
		}
	}
	return len(c.Revisions) > 0
}

// AlsoNamed adds people to those that a query asks for, each once.
func AlsoNamed(teams []TeamName, users []string, more Named) ([]TeamName, []string) {
	teams, users = slices.Clip(teams), slices.Clip(users)
	for _, t := range more.Teams {
		if !slices.ContainsFunc(teams, func(o TeamName) bool { return strings.EqualFold(string(o), string(t)) }) {
			teams = append(teams, t)
		}
	}
	for _, u := range more.Users {
		if !slices.ContainsFunc(users, func(o string) bool { return strings.EqualFold(o, u) }) {
			users = append(users, u)
		}
	}
	return teams, users
}

// Includes says whether a login is that of one of the people, by the directory.
func (n Named) Includes(d *Directory, login string) bool {
	e := newElectorate(d, n.Teams, n.Users)
	return login != "" && slices.ContainsFunc(e.members(), func(u *User) bool {
		return u.Type == UserTypePerson && strings.EqualFold(u.Login, login)
	})
}

// IncludesID is Includes by the number of an account.
func (n Named) IncludesID(d *Directory, id UserID) bool {
	e := newElectorate(d, n.Teams, n.Users)
	return id > 0 && slices.ContainsFunc(e.members(), func(u *User) bool { return u.Type == UserTypePerson && u.ID == id })
}

// shortRevisions names the commits of a candidate.
func shortRevisions(c Candidate) string {
	var short []string
	for _, r := range c.Revisions {
		if !slices.Contains(short, r.SHA.Short()) {
			short = append(short, r.SHA.Short())
		}
	}
	return strings.Join(short, ", ")
}
