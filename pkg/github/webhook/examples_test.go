package webhook

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestRecordedPayloads reads payloads that GitHub sent to others: the smallest of each event in the package
// @octokit/webhooks-examples 7.6.1 (testdata/octokit, MIT). They are years old and of other people's
// repositories, which is their use: nobody made them to fit this parser.
func TestRecordedPayloads(t *testing.T) {
	wants := map[string]func(h approval.Hint) bool{
		"pull_request.synchronize": func(h approval.Hint) bool {
			return h.Pull > 0 && h.Head != nil && h.Head.Pusher.ID > 0 && h.Head.Pusher.Login != "" && !h.Head.PushedAt.IsZero() && h.Review == nil
		},
		"pull_request_review.submitted": func(h approval.Hint) bool {
			return h.Pull > 0 && h.Review != nil && h.Review.ReviewID > 0 && h.Review.RepositoryID == h.RepositoryID && h.Head == nil
		},
		"push":                       func(h approval.Hint) bool { return h.RepositoryID > 0 },
		"issue_comment.created":      func(h approval.Hint) bool { return h.RepositoryID > 0 },
		"check_run.requested_action": func(h approval.Hint) bool { return h.RepositoryID > 0 },
		"check_run.rerequested":      func(h approval.Hint) bool { return h.RepositoryID > 0 },
		"check_suite.completed":      func(h approval.Hint) bool { return h.RepositoryID > 0 && h.Pull == 0 },
		"membership.added":           func(h approval.Hint) bool { return h.People },
		"membership.removed":         func(h approval.Hint) bool { return h.People },
		"team.edited":                func(h approval.Hint) bool { return h.People },
		"team_add":                   func(h approval.Hint) bool { return h.People && h.RepositoryID > 0 },
		"organization.member_added":  func(h approval.Hint) bool { return h.People },
		"member.added":               func(h approval.Hint) bool { return h.People && h.RepositoryID > 0 },
		"installation.created":       func(h approval.Hint) bool { return h == approval.Hint{Access: true} },
		"ping":                       func(h approval.Hint) bool { return h == approval.Hint{} },
	}
	files, err := filepath.Glob("testdata/octokit/*.json")
	require.NoError(t, err)
	require.Len(t, files, len(wants))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(file)
			require.NoError(t, err)
			event, _, _ := strings.Cut(name, ".")
			h, err := Parse(event, body)
			require.NoError(t, err)
			require.Contains(t, wants, name)
			require.True(t, wants[name](h), "%+v", h)
			// Cut off anywhere, it must be an error or, for events that are nothing to us, still nothing.
			for n := range 50 {
				cut, err := Parse(event, body[:n*len(body)/50])
				if _, ours := reader(event); ours {
					require.ErrorIs(t, err, ErrPayload)
				}
				require.Equal(t, approval.Hint{}, cut)
			}
		})
	}
}
