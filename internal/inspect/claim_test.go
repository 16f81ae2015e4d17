package inspect

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseClaim(t *testing.T) {
	for message, want := range map[string]Claim{
		"Merge pull request #12 from acme/x\n\nThe title\n":  {Number: 12, Title: "The title"},
		"Merge pull request #12 from acme/x":                 {Number: 12},
		"Merge pull request #7 in OPS/config from x to main": {Number: 7},
		"Merge pull request 'Title' (#9) from x into main":   {Number: 9},
		"Add x (#3)":                 {Number: 3},
		"Add x (#3)\r\n\r\nbody":     {Number: 3},
		"Revert \"Add x (#3)\" (#4)": {Number: 4},
		"Revert \"Add x (#3)\"":      {},
		"Add x (#3) again":           {},
		"Fix #3":                     {},
		"Add x\n\n(#3)":              {},
		"Merged in feature/x (pull request #21)\n\nTitle":                                 {Number: 21},
		"Merged PR 5: Title":                                                              {Number: 5},
		"Merge branch 'x' into 'main'\n\nX\n\nSee merge request acme/a.b-c!33":            {Number: 33},
		"Merge branch 'x' into 'main'\n\nSee merge request !34\n":                         {Number: 34},
		"See merge request a!1":                                                           {},
		"Merge #8\n\n8: Title":                                                            {Number: 8, Queue: true},
		"Auto merge of #81 - x:y, r=z":                                                    {Number: 81, Queue: true},
		"Title\n\nfrom gh-readonly-queue/main/pr-77-0123456789abcdef":                     {Number: 77, Queue: true},
		"Merge pull request #5 from acme/gh-readonly-queue/release/1.x/pr-6-0123456789ab": {Number: 5, Queue: true},
		"Merge pull request #0 from x":                                                    {},
		"Merge pull request #007 from x":                                                  {},
		"Merge pull request #99999999999999999999 from x":                                 {},
		"Merge pull request #1000000001 from x":                                           {},
		"Merge branch 'main' of github.com:acme/x":                                        {},
		"": {},
	} {
		require.Equal(t, want, ParseClaim(message), "%q", message)
	}
}

func FuzzParseClaim(f *testing.F) {
	f.Add("Merge pull request #12 from acme/x\n\nTitle")
	f.Add("X (#3)")
	f.Add("Merge branch 'x'\n\nSee merge request a/b!4")
	f.Add("gh-readonly-queue/main/pr-77-0123456789abcdef")
	f.Fuzz(func(t *testing.T, message string) {
		c := ParseClaim(message)
		require.GreaterOrEqual(t, c.Number, 0)
		require.LessOrEqual(t, c.Number, maxNumber)
		require.NotContains(t, c.Title, "\n")
	})
}
