package approval

import (
	"slices"
	"time"
)

// SyncOrder is a person's word that exactly one approved candidate is to be synced, for a
// gate that syncs on command. It is in the facts while it holds: until it was carried
// out, expired, or something else was decided since.
type SyncOrder struct {
	ID        string    `json:"id"`
	Candidate Candidate `json:"candidate"`
	Person    string    `json:"person"`
	Reason    string    `json:"reason"`
	Expires   time.Time `json:"expires"`
}

// Awaited is how an Application of a gate that syncs on command stands, for whoever says
// that it is to be synced.
type Awaited struct {
	// Application is "namespace/name".
	Application string
	UID         string
	// Waits is true when Candidate is approved, and is synced once somebody says so.
	Waits     bool
	Candidate Candidate
	// State says in one line how it stands, if it does not wait why.
	State string
}

// onCommand says of an allowed candidate whether somebody has said that it is to be
// synced, if the gate waits for that. A rollback and a use of break-glass are such words
// themselves.
func (d *Decision) onCommand(p *Policy, f *Facts) {
	if !p.Sync.OnCommand || !d.Allowed() || d.Override+d.Rollback != "" {
		return
	}
	if o := f.SyncOrder; o != nil && o.ID != "" && o.Person != "" && !o.Expires.IsZero() && o.Candidate.Equal(d.Candidate) {
		d.Asked = o.ID
		d.Findings = slices.Insert(d.Findings, 0, Finding{
			Code: CodeSyncAsked, Verdict: Allowed,
			Text: oneLine(o.Person) + " said that " + shortRevisions(o.Candidate) + " is to be synced (" + oneLine(o.Reason) + ")",
		})
		return
	}
	d.Waits = true
	if d.Advances {
		d.Findings = slices.Insert(d.Findings, 0, Finding{
			Code: CodeSyncWaits, Verdict: Allowed, Text: "approved; waits for somebody to say sync",
			Remedy: "write /gk sync in a comment on the pull request, or: gatekeeper sync " + f.Application.Key() + " --by NAME --reason TEXT",
		})
	}
}
