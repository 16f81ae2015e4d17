package approval

import "slices"

// AtBaseline is the Application at the baseline of each of its sources, with its spec of
// now: what stays trusted whatever lands after it. False when something other than
// landings that wait keeps it from being synced. It becomes part of the decision when
// Facts.BaselineClosure says what it is rendered from.
func AtBaseline(p Policy, f Facts) (Candidate, bool) {
	f.Override, f.Rollback, f.BaselineClosure = nil, nil, nil
	f.Lines = slices.Clone(f.Lines)
	for i := range f.Lines {
		f.Lines[i].Landings, f.Lines[i].Head = nil, f.Lines[i].Baseline
	}
	return Prospect(p, f)
}

// hindered says whether a finding that is not about one landing stands against every
// sync: on the facts, the policy, the Application, its spec, its sources, a hold, a
// window, or a line that cannot be judged.
func (d *Decision) hindered(f *Facts) bool {
	return len(f.Missing) > 0 || slices.ContainsFunc(d.Findings, func(f Finding) bool {
		return f.Verdict != Allowed && (f.Commit == "" || f.Code == CodeLineBaseline || f.Code == CodeLineBroken)
	})
}

// atBaseline pins every source to the baseline of its line.
func (d *Decision) atBaseline(a *Application) (Candidate, bool) {
	c := Candidate{UID: a.UID, SpecDigest: a.SpecDigest}
	for _, s := range a.Sources {
		i := slices.IndexFunc(d.Lines, func(l LineDecision) bool { return l.Repository.Equal(s.Repository) })
		if i < 0 || d.Lines[i].Target == "" {
			return Candidate{}, false
		}
		c.Revisions = append(c.Revisions, Revision{Repository: d.Lines[i].Repository, SHA: d.Lines[i].Baseline})
	}
	return c, len(c.Revisions) > 0
}

// trustBaseline adds the candidate at the baselines, if all that it is rendered from is
// in the gate's scope.
func (d *Decision) trustBaseline(p *Policy, f *Facts) {
	if f.BaselineClosure == nil || d.hindered(f) {
		return
	}
	c, ok := d.atBaseline(&f.Application)
	if !ok {
		return
	}
	at := *f
	at.Closure = f.BaselineClosure
	if worst(judgeClosure(p, &at, c)) == Allowed {
		d.Baseline = c
	}
}
