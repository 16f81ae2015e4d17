package inspect

import (
	"regexp"
	"strconv"
	"strings"
)

// Claim is the pull request that a commit message names. It proves nothing: the
// message is whatever its author wrote.
type Claim struct {
	// Number is 0 when none is named.
	Number int
	// Queue says that the message is one of a merge queue.
	Queue bool
	// Title is what the pull request is called, where the message has that in the
	// line below its own title, as GitHub writes it.
	Title string
}

const (
	// maxClaimText bounds how much of a message is looked at.
	maxClaimText = 64 << 10
	maxNumber    = 1_000_000_000
)

// The messages in which hosting services name a pull request. The first group
// that matched is the number.
var claims = []*regexp.Regexp{
	// GitHub; Bitbucket Server writes "Merge pull request #7 in PROJECT/repo from …".
	regexp.MustCompile(`^Merge pull request #(\d+)(?: |$)`),
	// Gitea.
	regexp.MustCompile(`^Merge pull request '.*' \(#(\d+)\) from `),
	// Squashes: the last one of a title, since titles that are quoted end with one as
	// well ("Revert "Add x (#12)" (#13)").
	regexp.MustCompile(`\(#(\d+)\)$`),
	// Bitbucket Cloud.
	regexp.MustCompile(`^Merged in .*\(pull request #(\d+)\)$`),
	// Azure DevOps.
	regexp.MustCompile(`^Merged PR (\d+): `),
	// bors.
	regexp.MustCompile(`^(?:Merge|Auto merge of) #(\d+)(?: |:|$)`),
}

var (
	// gitLab writes it below the title "Merge branch 'x' into 'main'".
	gitLab = regexp.MustCompile(`(?m)^See merge request (?:[\w.\-/]+)?!(\d+)\r?$`)
	// queueBranch is the branch on which GitHub's merge queue builds.
	queueBranch = regexp.MustCompile(`gh-readonly-queue/\S*?/?pr-(\d+)-[0-9a-f]{7,64}`)
	// bors is a merge queue outside of GitHub.
	bors = regexp.MustCompile(`^(?:Merge|Auto merge of) #\d+(?:[ :]|$)`)
)

// ParseClaim looks for a pull request in a commit message.
func ParseClaim(message string) Claim {
	if len(message) > maxClaimText {
		message = message[:maxClaimText]
	}
	title, body, _ := strings.Cut(strings.TrimLeft(message, "\r\n \t"), "\n")
	title = strings.TrimRight(title, "\r \t")
	c := Claim{Queue: bors.MatchString(title)}
	if match := queueBranch.FindStringSubmatch(message); match != nil {
		c.Queue = true
		c.Number = number(match[1])
	}
	for _, pattern := range claims {
		if match := pattern.FindStringSubmatch(title); match != nil {
			if n := number(match[1]); n > 0 {
				c.Number = n
				if strings.HasPrefix(title, "Merge pull request ") {
					c.Title, _, _ = strings.Cut(strings.TrimLeft(body, "\r\n \t"), "\n")
				}
				return c
			}
		}
	}
	if all := gitLab.FindAllStringSubmatch(body, -1); len(all) > 0 && c.Number == 0 {
		c.Number = number(all[len(all)-1][1])
	}
	return c
}

// number is 0 for what no pull request can have.
func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil || n <= 0 || n > maxNumber || digits[0] == '0' {
		return 0
	}
	return n
}
