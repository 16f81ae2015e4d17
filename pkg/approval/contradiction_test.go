package approval_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// onlyPush leaves the baseline with one direct push. Its tree is another one than
// that of its parent, whatever changes are given.
func onlyPush(changes ...approval.Change) func(s *setting) {
	return func(s *setting) {
		s.Lines = []approval.Line{deployLine()}
		landing := push(s.line(), 1, changes...)
		landing.Tree = sha("73ee1")
	}
}

// Facts that cannot all be true allow nothing, and the finding says what does
// not fit.
func TestContradictionsBlock(t *testing.T) {
	tests := []struct {
		name    string
		change  func(s *setting)
		verdict approval.Verdict
		code    approval.Code
	}{
		{"no baseline", func(s *setting) { s.line().Baseline = "" }, approval.Unknown, approval.CodeLineBroken},
		{"no head", func(s *setting) { s.line().Head = "" }, approval.Unknown, approval.CodeLineBroken},
		{"baseline not on the line", func(s *setting) { s.line().BaselineOnLine = false }, approval.Blocked, approval.CodeLineBaseline},
		{"first landing not on the baseline", func(s *setting) { s.landing().Parent = sha("abc") }, approval.Unknown, approval.CodeLineBroken},
		{"landing without a commit", func(s *setting) {
			s.landing().Commit, s.line().Head = "", ""
		}, approval.Unknown, approval.CodeLineBroken},
		{"landing that is its own parent", func(s *setting) {
			s.landing().Commit, s.line().Head = baseline, baseline
		}, approval.Unknown, approval.CodeLineBroken},
		{"head behind the landings", func(s *setting) { s.line().Head = baseline }, approval.Unknown, approval.CodeLineBroken},
		{"head beyond the landings", func(s *setting) { s.line().Head = sha("fff") }, approval.Unknown, approval.CodeLineBroken},
		{"landings in the wrong order", func(s *setting) {
			pr := pull(8, "dave")
			approve(pr, "alice", "bob")
			land(s.line(), pr, change("apps/prod/web.yaml", "v2", "v3"))
			l := s.line().Landings
			l[0], l[1] = l[1], l[0]
		}, approval.Unknown, approval.CodeLineBroken},
		{"content that nobody left there", func(s *setting) {
			pr := pull(8, "dave")
			approve(pr, "alice", "bob")
			land(s.line(), pr, change("apps/prod/web.yaml", "v1", "v3"))
		}, approval.Unknown, approval.CodeLineBroken},
		{"mode that nobody set", func(s *setting) {
			pr := pull(8, "dave")
			approve(pr, "alice", "bob")
			c := change("apps/prod/web.yaml", "v2", "v3")
			c.Before.Mode = "100755"
			land(s.line(), pr, c)
		}, approval.Unknown, approval.CodeLineBroken},
		{"commit that is not a full SHA", func(s *setting) {
			s.landing().Commit, s.line().Head = "main", "main"
		}, approval.Unknown, approval.CodeLineBroken},
		{"abbreviated baseline", func(s *setting) {
			s.Lines = []approval.Line{deployLine()}
			s.line().Baseline, s.line().Head = "ba5e000", "ba5e000"
		}, approval.Unknown, approval.CodeLineBroken},
		{"history that comes back to a commit", func(s *setting) {
			push(s.line(), 1, change("README.md", "v1", "v2"))
			push(s.line(), 2, change("README.md", "v2", "v1")).Commit = commitOf(7)
			s.line().Head = commitOf(7)
		}, approval.Unknown, approval.CodeLineBroken},
		{"pull request that landed twice", func(s *setting) {
			land(s.line(), s.pull(), change("apps/prod/web.yaml", "v2", "v3")).Commit = sha("c0ffee")
			s.line().Head = sha("c0ffee")
		}, approval.Unknown, approval.CodeLineBroken},
		{"push without its changes", onlyPush(), approval.Unknown, approval.CodeLineBroken},
		{"push with changes, but one tree", func(s *setting) {
			onlyPush(change("apps/prod/web.yaml", "v1", "v2"))(s)
			s.landing().Tree = s.landing().ParentTree
		}, approval.Unknown, approval.CodeLineBroken},
		{"push without trees", func(s *setting) {
			onlyPush()(s)
			s.landing().Tree, s.landing().ParentTree = "", ""
		}, approval.Unknown, approval.CodeLineBroken},
		{"push without its entries", onlyPush(approval.Change{Path: "apps/prod/web.yaml"}), approval.Unknown, approval.CodeLineBroken},
		{"push with one entry before and after", onlyPush(change("apps/prod/web.yaml", "v1", "v1")), approval.Unknown, approval.CodeLineBroken},
		{"push of entries without modes", onlyPush(approval.Change{
			Path: "apps/prod/web.yaml", Before: approval.Entry{SHA: blob("v1").SHA}, After: approval.Entry{SHA: blob("v2").SHA},
		}), approval.Unknown, approval.CodeLineBroken},
		{"push of entries without objects", onlyPush(approval.Change{
			Path: "apps/prod/web.yaml", Before: approval.Entry{Mode: "100644"}, After: approval.Entry{Mode: "100755"},
		}), approval.Unknown, approval.CodeLineBroken},
		{"push of a folder's entry", onlyPush(approval.Change{
			Path: "README", After: approval.Entry{Mode: "040000", SHA: blob("v1").SHA},
		}), approval.Unknown, approval.CodeLineBroken},
		{"push with a path twice", onlyPush(
			change("apps/prod/web.yaml", "v1", "evil"), change("apps/prod/web.yaml", "evil", "v1"),
		), approval.Unknown, approval.CodeLineBroken},
		{"push without a path", onlyPush(change("", "v1", "v2")), approval.Unknown, approval.CodeLineBroken},
		{"push with a path that is not clean", onlyPush(change("./apps/prod/web.yaml", "v1", "v2")), approval.Unknown, approval.CodeLineBroken},
		{"push with an absolute path", onlyPush(change("/apps/prod/web.yaml", "v1", "v2")), approval.Unknown, approval.CodeLineBroken},
		{"no line", func(s *setting) { s.Lines = nil }, approval.Unknown, approval.CodeLineMissing},
		{"line of another branch", func(s *setting) { s.line().Branch = "dev" }, approval.Unknown, approval.CodeLineMissing},
		{"line of another repository", func(s *setting) { s.line().Repository = "acme/other" }, approval.Unknown, approval.CodeLineMissing},
		{"one line too many", func(s *setting) {
			extra := deployLine()
			extra.Repository = "mallory/deploy"
			s.Lines = append(s.Lines, extra)
		}, approval.Unknown, approval.CodeLineMissing},
		{"two lines of one branch", func(s *setting) {
			l := deployLine()
			push(&l, 1, change("apps/prod/web.yaml", "v1", "evil"))
			s.Lines = append(s.Lines, l)
		}, approval.Unknown, approval.CodeLineMissing},
		{"one line broken, the other ships", func(s *setting) {
			s.addRepository("acme/charts")
			l := deployLine()
			l.Repository, l.Head = "acme/charts", sha("fff")
			s.Lines = append(s.Lines, l)
		}, approval.Unknown, approval.CodeLineBroken},
		{"merge without a pull request", func(s *setting) { s.landing().Pull = nil }, approval.Unknown, approval.CodeLandingPull},
		{"pull request of another repository", func(s *setting) { s.pull().Repository = "acme/other" }, approval.Blocked, approval.CodeLandingPull},
		{"repository without an ID", func(s *setting) {
			s.line().RepositoryID, s.pull().BaseRepositoryID = 0, 0
		}, approval.Blocked, approval.CodeLandingPull},
		{"pull request without a number", func(s *setting) { s.pull().Number = 0 }, approval.Unknown, approval.CodeLandingPull},
		{"pull request without an author", func(s *setting) { s.pull().Author = approval.User{} }, approval.Unknown, approval.CodeAuthorUnknown},
		{"pull request without contributors", func(s *setting) { s.pull().Contributors = nil }, approval.Unknown, approval.CodeAuthorUnknown},
		{"landing without a kind", func(s *setting) { s.landing().Kind = "" }, approval.Unknown, approval.CodeLandingKind},
		{"landing kind in upper case", func(s *setting) { s.landing().Kind = "MERGE" }, approval.Unknown, approval.CodeLandingKind},
		{"review state in lower case", func(s *setting) { s.pull().Reviews[0].State = "approved" }, approval.Unknown, approval.CodeReviewUnknown},
		{"request for changes in lower case", func(s *setting) {
			s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), "carol", "changes_requested"))
		}, approval.Unknown, approval.CodeReviewUnknown},
		{"comment in lower case after a request for changes", func(s *setting) {
			s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), "carol", approval.ReviewChangesRequested))
			s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), "carol", "commented"))
		}, approval.Unknown, approval.CodeReviewUnknown},
		{"one review with two states", func(s *setting) {
			again := s.pull().Reviews[0]
			again.State = approval.ReviewChangesRequested
			s.pull().Reviews = append(s.pull().Reviews, again)
		}, approval.Unknown, approval.CodeReviewUnknown},
		{"one review of two heads", func(s *setting) {
			again := s.pull().Reviews[0]
			again.Commit = oldHeadOf(7)
			s.pull().Reviews = append(s.pull().Reviews, again)
		}, approval.Unknown, approval.CodeReviewUnknown},
		{"one review, witnessed and not", func(s *setting) {
			again := s.pull().Reviews[0]
			again.Witnessed = true
			s.pull().Reviews = append(s.pull().Reviews, again)
		}, approval.Unknown, approval.CodeReviewUnknown},
		{"one review of two people", func(s *setting) {
			again := s.pull().Reviews[0]
			again.User = new(person("carol"))
			s.pull().Reviews = append(s.pull().Reviews, again)
		}, approval.Unknown, approval.CodeReviewUnknown},
		{"one review, once by a deleted account", func(s *setting) {
			again := s.pull().Reviews[0]
			again.User = nil
			s.pull().Reviews = append(s.pull().Reviews, again)
		}, approval.Unknown, approval.CodeReviewUnknown},
		{"request for changes without a time", func(s *setting) {
			veto := review(s.pull(), "alice", approval.ReviewChangesRequested)
			veto.SubmittedAt = time.Time{}
			s.pull().Reviews = append(s.pull().Reviews, veto)
		}, approval.Unknown, approval.CodeReviewUnknown},
		{"two roles of one person", func(s *setting) {
			s.Directory.Roles[0].Role = "read"
			s.grant("write", "alice")
		}, approval.Unknown, approval.CodeApprovalRole},
		{"one team twice, with other people", func(s *setting) {
			s.Directory.Teams = append(s.Directory.Teams, approval.Team{Name: "acme/SRE", Members: []approval.User{person("zoe")}})
		}, approval.Unknown, approval.CodeQuorumPeople},
		{"one login, two accounts", func(s *setting) {
			s.pull().Reviews = nil
			approve(s.pull(), "alice", "zoe")
			s.grant("write", "zoe")
			s.Directory.Users = append(s.Directory.Users, approval.User{ID: 666, Login: "ZOE", Type: approval.UserTypePerson})
		}, approval.Unknown, approval.CodeQuorumPeople},
		{"member without an ID", func(s *setting) { s.Directory.Teams[0].Members[2].ID = 0 }, approval.Unknown, approval.CodeQuorumPeople},
		{"role in upper case", func(s *setting) { s.Directory.Roles[0].Role = "WRITE" }, approval.Blocked, approval.CodeApprovalRole},
		{"stale approval by somebody without a known role", func(s *setting) {
			s.pull().Reviews[0].Commit, s.Directory.Roles = oldHeadOf(7), s.Directory.Roles[1:]
		}, approval.Blocked, approval.CodeApprovalStale},
		{"review without a time", func(s *setting) { s.pull().Reviews[0].SubmittedAt = time.Time{} }, approval.Unknown, approval.CodeReviewUnknown},
		{"witnessed review without a commit", func(s *setting) {
			s.pull().Reviews[0].Witnessed, s.pull().Reviews[0].Commit = true, ""
		}, approval.Blocked, approval.CodeApprovalStale},
		{"head without a time", func(s *setting) { s.pull().HeadPushedAt = time.Time{} }, approval.Unknown, approval.CodeApprovalUnwitnessed},
		{"pusher without an ID", func(s *setting) { s.pull().Pusher.ID = 0 }, approval.Unknown, approval.CodePusherUnknown},
		{"contributor without an ID", func(s *setting) { s.pull().Contributors[0].User.ID = 0 }, approval.Blocked, approval.CodeContributorUnknown},
		{"application without a UID", func(s *setting) { s.Application.UID = "" }, approval.Unknown, approval.CodeFactsMissing},
		{"application without a spec digest", func(s *setting) { s.Application.SpecDigest = "" }, approval.Unknown, approval.CodeFactsMissing},
		{"application without a resource version", func(s *setting) { s.Application.ResourceVersion = "" }, approval.Unknown, approval.CodeFactsMissing},
		{"two sources, but not multi-source", func(s *setting) {
			s.Application.Sources = append(s.Application.Sources, s.Application.Sources[0])
		}, approval.Unknown, approval.CodeFactsMissing},
		{"source without reads", func(s *setting) { s.Application.Sources[0].Reads = nil }, approval.Unknown, approval.CodeFactsMissing},
		{"read without a path", func(s *setting) {
			s.Repositories[0].Paths = []string{"*", "apps/prod/**"}
			s.Application.Sources[0].Reads = append(s.Application.Sources[0].Reads, approval.Read{Repository: "acme/deploy"})
		}, approval.Unknown, approval.CodeFactsMissing},
		{"read without a repository", func(s *setting) { s.Application.Sources[0].Reads[0].Repository = "" }, approval.Unknown, approval.CodeFactsMissing},
		{"read from a repository that no source pins", func(s *setting) {
			s.Repositories = append(s.Repositories, approval.ProtectedRepository{Name: "acme/bases", Branch: "main"})
			s.Application.Sources[0].Reads = append(s.Application.Sources[0].Reads, approval.Read{Repository: "acme/bases", Path: "web/"})
		}, approval.Blocked, approval.CodeSourceScope},
		{"application without sources", func(s *setting) { s.Application.Sources = nil }, approval.Blocked, approval.CodeSourceNone},
		{"source without a kind", func(s *setting) { s.Application.Sources[0].Kind = "" }, approval.Blocked, approval.CodeSourceKind},
		{"source without a repository", func(s *setting) { s.Application.Sources[0].Repository = "" }, approval.Blocked, approval.CodeSourceRepository},
		{"source of an OCI registry", func(s *setting) { s.Application.Sources[0].Kind = approval.SourceOCI }, approval.Blocked, approval.CodeSourceKind},
		{"source at a commit", func(s *setting) { s.Application.Sources[0].TargetRevision = string(commitOf(7)) }, approval.Blocked, approval.CodeSourceRevision},
		{"source at a tag of the branch's name", func(s *setting) { s.Application.Sources[0].TargetRevision = "refs/tags/main" }, approval.Blocked, approval.CodeSourceRevision},
		{"read from an unprotected repository", func(s *setting) { s.Application.Sources[0].Reads[0].Repository = "mallory/base" }, approval.Blocked, approval.CodeSourceScope},
		{"gate without a name", func(s *setting) { s.Gate = "" }, approval.Blocked, approval.CodePolicyEmpty},
		{"gate of no application", func(s *setting) { s.Applications = nil }, approval.Blocked, approval.CodePolicyEmpty},
		{"requirement of nobody", func(s *setting) {
			s.Config.Requirements[0].Teams, s.Config.Requirements[0].Users = nil, nil
		}, approval.Blocked, approval.CodePolicyEmpty},
		{"requirement of a nameless account", func(s *setting) {
			s.Config.Requirements = []approval.Requirement{{Approvals: 1, Users: []string{""}}}
			s.Directory.Users = []approval.User{{ID: person("alice").ID, Type: approval.UserTypePerson}}
		}, approval.Blocked, approval.CodePolicyEmpty},
		{"requirement of a nameless team", func(s *setting) {
			s.Config.Requirements[0].Teams = append(s.Config.Requirements[0].Teams, "")
		}, approval.Blocked, approval.CodePolicyEmpty},
		{"paths that cannot match", func(s *setting) {
			// CoversAll would say that everything is covered, Covers that nothing is.
			s.Repositories[0].Paths = []string{"apps/prod**"}
			onlyPush(change("apps/prod/web.yaml", "v1", "v2"))(s)
		}, approval.Blocked, approval.CodePolicyEmpty},
		{"a repository twice", func(s *setting) {
			s.Repositories = append(s.Repositories, s.Repositories[0])
		}, approval.Blocked, approval.CodePolicyEmpty},
		{"a repository without a branch", func(s *setting) {
			s.Repositories = append(s.Repositories, approval.ProtectedRepository{Name: "acme/charts"})
		}, approval.Blocked, approval.CodePolicyEmpty},
		{"gate of no repository", func(s *setting) { s.Repositories = nil }, approval.Unknown, approval.CodeSourceRepository},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := approved()
			test.change(s)
			d := s.decide()
			require.Equal(t, test.verdict, d.Verdict, render(d))
			require.False(t, d.Allowed())
			require.False(t, d.Advances)
			require.Zero(t, d.Candidate)
			require.Contains(t, codes(d.Findings), test.code, render(d))
		})
	}
}

// Unknown weighs more than Blocked: as long as facts are missing, a "no" may
// rest on them too.
func TestUnknownWeighsMoreThanBlocked(t *testing.T) {
	s := approved()
	s.Application.Automated = true
	require.Equal(t, approval.Blocked, s.decide().Verdict)
	s.Missing = []approval.Missing{{What: "teams", Why: "HTTP 500"}}
	require.Equal(t, approval.Unknown, s.decide().Verdict)

	s = approved()
	s.pull().Reviews[0].State = approval.ReviewChangesRequested
	require.Equal(t, approval.Blocked, s.decide().Verdict)
	s.pull().Pusher = nil
	require.Equal(t, approval.Unknown, s.decide().Verdict)
}

// Every finding can be read by people and by scripts, and one that can be
// cleared by somebody says by whom.
func TestFindingsAreComplete(t *testing.T) {
	withoutRemedy := map[approval.Code]bool{
		// The decision's reader can do nothing, or the parent tells what to do.
		approval.CodeApplicationForeign: true, approval.CodeApplicationDeleting: true, approval.CodeLineMissing: true,
		approval.CodeLineBroken: true, approval.CodeLandingKind: true, approval.CodeLandingPull: true, approval.CodeLandingProof: true,
		approval.CodeLandingWaiting: true, approval.CodeQuorumPeople: true, approval.CodePusherUnknown: true, approval.CodePolicyEmpty: true,
		approval.CodeApprovalGhost: true, approval.CodeApprovalBot: true, approval.CodeApprovalAuthor: true, approval.CodeApprovalContributor: true,
		approval.CodeApprovalPusher: true, approval.CodeApprovalOutsider: true, approval.CodeApprovalRole: true, approval.CodeApprovalStale: true,
		approval.CodeApprovalBeforePush: true, approval.CodeApprovalUnwitnessed: true, approval.CodeApprovalDismissed: true,
		approval.CodeLandingUntrusted: true,
	}
	var check func(t *testing.T, findings []approval.Finding)
	check = func(t *testing.T, findings []approval.Finding) {
		t.Helper()
		for _, f := range findings {
			require.NotEmpty(t, f.Text, f.Code)
			require.NotContains(t, f.Text, "\n")
			require.Contains(t, []approval.Verdict{approval.Allowed, approval.Blocked, approval.Unknown}, f.Verdict, f.Text)
			require.Regexp(t, `\A[a-z]+\.[a-z_]+\z`, string(f.Code), f.Text)
			if f.Verdict == approval.Allowed {
				require.Empty(t, f.Remedy, f.Text)
			} else {
				require.True(t, f.Remedy != "" || withoutRemedy[f.Code], "%s: no remedy: %s", f.Code, f.Text)
			}
			check(t, f.Children)
		}
	}
	for _, c := range goldenCases(t) {
		t.Run(c.name, func(t *testing.T) {
			d := c.setting.decide()
			require.NotEmpty(t, d.Findings)
			check(t, d.Findings)
		})
	}
}
