package approval

import (
	"slices"
	"strings"
	"time"
)

// Ungated is a sync that Argo CD carried out although nobody asked the gate, and of which
// the result is live.
type Ungated struct {
	// Revisions are what was synced, in the order of the sources.
	Revisions []string `json:"revisions"`
	// InitiatedBy is display text: whoever can write the Application can forge it.
	InitiatedBy string    `json:"initiatedBy,omitempty"`
	StartedAt   time.Time `json:"startedAt"`
	// Approved is true when the revisions were approved all the same.
	Approved bool `json:"approved,omitempty"`
}

// judgeUngated says that something else is live than was let through, and who can change
// that how.
//
// It is no reason to stop anything: what may be synced follows from what is trusted and
// what was approved since, and neither includes what was synced past the gate. The next
// approved candidate is judged from the trusted baseline on, with every landing in between,
// so to sync it takes back what nobody let through. To block it would keep that live.
func judgeUngated(f *Facts) []Finding {
	u := f.Ungated
	if u == nil {
		return nil
	}
	by := "somebody whom Argo CD does not name"
	if u.InitiatedBy != "" {
		by = cut(oneLine(u.InitiatedBy), ungatedBy)
	}
	finding := Finding{Code: CodeSyncUngated, Verdict: Allowed}
	finding.Text = shortSHAs(u.Revisions) + " is live and was NOT let through by the gate: synced by " + by + " on " + u.StartedAt.UTC().Format("2006-01-02 15:04 UTC")
	if u.Approved {
		finding.Text += "; it was approved before"
		return []Finding{finding}
	}
	finding.Text += "; whoever may hold goes back (gatekeeper rollback " + f.Application.Key() +
		" --by NAME --reason TEXT), or what it brought reaches its quorum on its pull request, and is synced; what is approved is not stopped by it"
	return []Finding{finding}
}

// ungatedBy is how much of the name of who synced is shown.
const ungatedBy = 60

// cut shortens a text to so many characters.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

func shortSHAs(revisions []string) string {
	var short []string
	for _, r := range revisions {
		if s := oneLine(SHA(r).Short()); !slices.Contains(short, s) {
			short = append(short, s)
		}
	}
	if len(short) == 0 {
		return "something that Argo CD does not name"
	}
	return strings.Join(short, ", ")
}
