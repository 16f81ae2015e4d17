package approval

import "slices"

// judgeClosure checks that everything that the candidate is rendered from is in
// the gate's scope. Otherwise changes could reach it that nobody judged.
func judgeClosure(p *Policy, f *Facts, c Candidate) []Finding {
	closure := f.Closure
	if closure == nil || len(closure.Reads) == 0 || !slices.Equal(closure.Revisions, c.Revisions) ||
		slices.ContainsFunc(closure.Reads, func(r Read) bool { return r.Path == "" || r.Repository == "" }) {
		return []Finding{{
			Code: CodeSourceClosure, Verdict: Unknown,
			Text: "it is not known what " + c.Revisions[0].SHA.Short() + " is rendered from",
		}}
	}
	out := judgeReads(p, &f.Application, closure.Reads)
	for _, what := range closure.Foreign {
		out = append(out, Finding{
			Code: CodeSourceForeign, Verdict: Blocked, Text: "the Application is rendered from what no review covers: " + oneLine(what),
			Remedy: "commit what is fetched to a protected repository",
		})
	}
	if len(out) > 0 {
		for _, u := range closure.Unresolved {
			out[0].Children = append(out[0].Children, Finding{Code: CodeSourceClosure, Verdict: Blocked, Text: oneLine(u)})
		}
	}
	return out
}

// judgeReads checks that what an Application is rendered from is in the gate's
// scope, and of a revision that is pinned.
func judgeReads(p *Policy, a *Application, reads []Read) []Finding {
	var out []Finding
	for _, r := range reads {
		protected := p.protected(r.Repository)
		f := Finding{Code: CodeSourceScope, Verdict: Blocked}
		switch {
		case protected == nil || !protected.CoversAll(r.Path):
			f.Text, f.Remedy = renderedFrom(r)+", which is outside the paths of gate "+p.Gate, "add it to the paths of the gate"
		case !pins(a, r.Repository):
			f.Text, f.Remedy = renderedFrom(r)+", of which no source of it says the revision", "make that repository a source of the Application"
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}

func renderedFrom(r Read) string {
	if r.Path == "/" {
		return "the Application may be rendered from anything in " + oneLine(string(r.Repository))
	}
	return "the Application is rendered from " + oneLine(r.Path) + " of " + oneLine(string(r.Repository))
}
