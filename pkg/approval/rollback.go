package approval

import (
	"slices"
	"strconv"
	"strings"
)

// Rollback is a person's order to go back to what was deployed before.
type Rollback struct {
	ID     string `json:"id"`
	Person string `json:"person"`
	Reason string `json:"reason"`
	// Candidate is what the record says was approved and deployed, by the intent with
	// the ID in Intent.
	Candidate Candidate `json:"candidate"`
	Intent    string    `json:"intent"`
	// Hold is the ID of the hold that was ordered along with it, and that does not
	// stop it.
	Hold string `json:"hold"`
	// Done is true once it was carried out, as long as nothing else was deployed.
	Done bool `json:"done,omitempty"`
	// Reads are what the candidate is rendered from; read once it is done.
	Reads []Read `json:"reads,omitempty"`
}

// rollBack decides whether an ordered rollback allows its candidate. What is known of
// GitHub now does not matter: the candidate was judged when it was deployed. Other
// holds do stop it, and whatever makes that the Application cannot be judged.
func (d *Decision) rollBack(f *Facts, own Verdict) (Candidate, bool) {
	o := f.Rollback
	if o == nil || o.Done || own != Allowed {
		return Candidate{}, false
	}
	stop := func(code Code, text, remedy string) (Candidate, bool) {
		d.Findings = slices.Insert(d.Findings, 0, Finding{
			Code: code, Verdict: Blocked, Text: "the rollback " + oneLine(o.ID) + " of " + oneLine(o.Person) + " " + text, Remedy: remedy,
		})
		return Candidate{}, false
	}
	if why := o.misfit(&f.Application); why != "" {
		return stop(CodeRollbackVoid, "cannot be carried out: "+why, "release its hold: gatekeeper release "+oneLine(o.Hold)+" --by NAME --reason TEXT")
	}
	if i := slices.IndexFunc(f.Holds, func(h Hold) bool { return h.ID != o.Hold }); i >= 0 {
		return stop(CodeRollbackHeld, "waits: "+oneLine(f.Holds[i].Person)+" holds the Application: "+oneLine(f.Holds[i].Reason),
			"release that hold: gatekeeper release "+oneLine(f.Holds[i].ID)+" --by NAME --reason TEXT")
	}
	d.Findings = slices.Insert(d.Findings, 0, Finding{
		Code: CodeRollbackOrdered, Verdict: Allowed,
		Text:   oneLine(o.Person) + " rolls back to " + shortRevisions(o.Candidate) + ", which was deployed before: " + oneLine(o.Reason),
		Remedy: "nothing newer is synced until its hold is released: gatekeeper release " + oneLine(o.Hold) + " --by NAME --reason TEXT",
	})
	d.Advances, d.Rollback = true, o.ID
	c := o.Candidate
	c.Revisions = slices.Clone(c.Revisions)
	return c, true
}

// misfit says why an order does not fit the Application; empty when it does.
func (o *Rollback) misfit(a *Application) string {
	switch {
	case o.ID == "" || o.Person == "" || o.Intent == "" || o.Hold == "":
		return "it is incomplete in the facts"
	case o.Candidate.UID == "" || o.Candidate.UID != a.UID:
		return "it is for another Application of that name"
	case o.Candidate.SpecDigest == "" || o.Candidate.SpecDigest != a.SpecDigest:
		return "the Application's spec is not the one that was deployed then"
	case len(o.Candidate.Revisions) == 0 || len(o.Candidate.Revisions) != len(a.Sources):
		return "it has not one revision for each source"
	}
	for i, r := range o.Candidate.Revisions {
		switch {
		case !isSHA(r.SHA) || r.Repository == "" || !r.Repository.Equal(a.Sources[i].Repository):
			return "source " + strconv.Itoa(i+1) + " is not in " + oneLine(string(r.Repository))
		case slices.ContainsFunc(o.Candidate.Revisions[:i], func(b Revision) bool { return b.Repository.Equal(r.Repository) && b.SHA != r.SHA }):
			return "two sources of " + oneLine(string(r.Repository)) + " have different revisions"
		}
	}
	return ""
}

// readsOf is what a line has of the content that was rolled back to; nothing unless the
// line begins there.
func (o *Rollback) readsOf(l *Line) []Read {
	if o == nil || !o.Done || o.ID == "" || o.Person == "" || o.Intent == "" {
		return nil
	}
	if !slices.ContainsFunc(o.Candidate.Revisions, func(r Revision) bool { return r.Repository.Equal(l.Repository) && r.SHA == l.Baseline }) {
		return nil
	}
	return o.Reads
}

// Covers says whether one of the reads is a path of that repository, or a folder above it.
func Covers(reads []Read, repository RepositoryName, path string) bool {
	return slices.ContainsFunc(reads, func(r Read) bool {
		return r.Repository.Equal(repository) &&
			(r.Path == "/" || r.Path == path || strings.HasSuffix(r.Path, "/") && strings.HasPrefix(path, r.Path))
	})
}
