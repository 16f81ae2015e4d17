package argolink

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Link is what is shown.
type Link struct{ Title, URL string }

// text is the value of the annotation. A bar would end the title.
func (l Link) text() string {
	title := strings.Map(func(r rune) rune {
		if r == '|' || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, l.Title)
	return title + "|" + l.URL
}

// Of is the link of a decision: to the oldest pull request that keeps something from being
// synced, else to the newest that is synced. False means that the decision names none, and
// then the link stays what it is. gitHub is the address of GitHub's pages.
func Of(d approval.Decision, gitHub string) (Link, bool) {
	var newest Link
	for _, l := range d.Lines {
		for _, landing := range l.Landings {
			if landing.Pull == 0 || landing.Class == approval.ClassNone || landing.Undone {
				continue
			}
			at := Link{
				Title: "Gatekeeper: #" + strconv.Itoa(landing.Pull),
				URL:   pullURL(gitHub, l.Repository, landing.Pull),
			}
			if landing.Verdict != approval.Allowed {
				at.Title += " waits"
				return at, true
			}
			newest = at
		}
	}
	return newest, newest.URL != ""
}

func pullURL(gitHub string, r approval.RepositoryName, pull int) string {
	return strings.TrimRight(gitHub, "/") + "/" + string(r) + "/pull/" + strconv.Itoa(pull)
}
