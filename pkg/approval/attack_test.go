package approval_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// attack changes facts that allow #7, approved by alice and bob.
type attack struct {
	name   string
	change func(s *setting)
	// verdict and code are what becomes of it; the zero code is not looked for.
	verdict approval.Verdict
	code    approval.Code
}

// TestAttack plays the known attacks on approval engines that the facts alone
// decide. The numbers are those of the catalogue the engine was designed
// against; the attacks that are missing here are on webhooks, comments,
// signatures and the collection of facts.
func TestAttack(t *testing.T) {
	for _, a := range append(freshnessAttacks(), append(identityAttacks(), append(stateAttacks(), scopeAttacks()...)...)...) {
		t.Run(a.name, func(t *testing.T) {
			s := approved()
			require.True(t, s.decide().Allowed(), "nothing is wrong before the attack")
			a.change(s)
			d := s.decide()
			requireSound(t, s, d)
			require.Equal(t, a.verdict, d.Verdict, render(d))
			require.Equal(t, a.verdict == approval.Allowed, d.Allowed())
			if a.code != "" {
				require.Contains(t, codes(d.Findings), a.code, render(d))
			}
		})
	}
	carryOver(t)
}

func freshnessAttacks() []attack {
	return []attack{
		{"01-push-after-approval", func(s *setting) {
			s.pull().Head, s.pull().HeadPushedAt = sha("e71"), pushed.Add(time.Hour)
		}, approval.Blocked, approval.CodeApprovalStale},
		{"02-review-of-an-old-head-sent-after-the-push", func(s *setting) {
			s.pull().Reviews[1].Commit = oldHeadOf(7)
			s.pull().Reviews[1].SubmittedAt = pushed.Add(time.Hour)
		}, approval.Blocked, approval.CodeApprovalStale},
		{"03-force-push-back-to-the-bad-head", func(s *setting) {
			// Both approved this very commit once; then it was replaced, and now it is back.
			s.pull().HeadPushedAt = pushed.Add(time.Hour)
		}, approval.Blocked, approval.CodeApprovalBeforePush},
		{"04-commit-known-from-another-branch", func(s *setting) {
			s.pull().HeadPushedAt = pushed.Add(90 * time.Second) // between the two approvals
		}, approval.Blocked, approval.CodeApprovalBeforePush},
		{"03-force-push-back-with-witnessed-reviews", func(s *setting) {
			s.pull().Reviews[0].Witnessed, s.pull().Reviews[1].Witnessed = true, true
			s.pull().HeadPushedAt = pushed.Add(90 * time.Second) // between the two approvals
		}, approval.Blocked, approval.CodeApprovalBeforePush},
		{"06-review-moved-to-the-new-head", func(s *setting) {
			r := &s.pull().Reviews[0]
			r.Witnessed, r.SubmittedAt = false, pushed.Add(-time.Minute)
		}, approval.Blocked, approval.CodeApprovalBeforePush},
		{"06-review-moved-within-the-second", func(s *setting) {
			s.pull().Reviews[0].SubmittedAt = pushed
		}, approval.Blocked, approval.CodeApprovalBeforePush},
		{"07-same-patch-other-content", func(s *setting) {
			s.landing().Changes[0].Before = blob("what main holds by now")
			s.landing().Proof = approval.Proof{Result: approval.Mismatch, Detail: "apps/prod/web.yaml differs"}
		}, approval.Blocked, approval.CodeLandingMismatch},
		{"10-update-merge-hides-edits", func(s *setting) {
			s.pull().Head = sha("e7d0") // nobody proved that the merge is clean, so it is a new head
		}, approval.Blocked, approval.CodeApprovalStale},
		{"10-approval-moved-along-by-an-update-merge", func(s *setting) {
			// GitHub says it is of the head before; nobody saw of which head it was.
			s.keep("dave")
			s.pull().Reviews[0].Commit = oldHeadOf(7)
		}, approval.Blocked, approval.CodeApprovalUnwitnessed},
		{"10-update-by-another-makes-the-pusher-a-reviewer", func(s *setting) {
			s.keep("bob")
		}, approval.Blocked, approval.CodeApprovalPusher},
		{"03-force-push-back-to-the-bad-head-then-updated", func(s *setting) {
			s.keep("dave")
			s.pull().Reviews[0].Commit, s.pull().Reviews[0].Witnessed = oldHeadOf(7), true
			s.pull().Reviews[0].SubmittedAt = s.pull().Kept[0].PushedAt.Add(-time.Minute) // it arrived once more
		}, approval.Blocked, approval.CodeApprovalBeforePush},
		{"11-hand-made-merge", func(s *setting) {
			s.landing().Proof.Result = approval.Mismatch
		}, approval.Blocked, approval.CodeLandingMismatch},
		{"12-approval-of-the-same-commit-in-another-pull-request", func(s *setting) {
			twin := pull(8, "dave")
			twin.Head = s.pull().Head
			land(s.line(), twin, change("apps/prod/web.yaml", "v2", "v3"))
			s.line().Landings = append(s.line().Landings[:0:0], s.line().Landings[1])
			s.landing().Parent = baseline
			s.landing().Changes[0].Before = blob("v1")
		}, approval.Blocked, approval.CodeQuorumMissing},
		{"16-commits-not-visible-yet", func(s *setting) {
			s.pull().Head = ""
			s.pull().Reviews[0].Commit, s.pull().Reviews[1].Commit = "", ""
		}, approval.Blocked, approval.CodeApprovalStale},
	}
}

func identityAttacks() []attack {
	return []attack{
		{"19-author-approves", func(s *setting) {
			s.pull().Author = person("alice")
		}, approval.Blocked, approval.CodeApprovalAuthor},
		{"20-reviewer-pushes-then-approves", func(s *setting) {
			s.pull().Pusher = new(person("bob"))
		}, approval.Blocked, approval.CodeApprovalPusher},
		{"20-reviewer-commits-then-approves", func(s *setting) {
			s.pull().Contributors[1].User = new(person("bob"))
		}, approval.Blocked, approval.CodeApprovalContributor},
		{"21-commit-behind-a-second-parent", func(s *setting) {
			s.pull().Contributors = append(s.pull().Contributors, approval.Contributor{
				User: new(person("alice")), Email: "alice@example.com", Role: "author", Commit: sha("5ec0"),
			})
		}, approval.Blocked, approval.CodeApprovalContributor},
		{"22-unmapped-e-mail", func(s *setting) {
			s.pull().Contributors = append(s.pull().Contributors, approval.Contributor{Email: "a@example.com", Role: "author", Commit: sha("5ec0")})
		}, approval.Blocked, approval.CodeContributorUnknown},
		{"23-forged-e-mail-of-a-reviewer", func(s *setting) {
			// The reviewer cannot be told from the author, so the vote is lost.
			s.pull().Contributors[0].User = new(person("bob"))
		}, approval.Blocked, approval.CodeApprovalContributor},
		{"24-co-author-approves", func(s *setting) {
			s.pull().Contributors = append(s.pull().Contributors, approval.Contributor{
				User: new(person("bob")), Email: "bob@example.com", Role: "co-author", Commit: s.pull().Head,
			})
		}, approval.Blocked, approval.CodeApprovalContributor},
		{"27-app-approves", func(s *setting) {
			s.pull().Reviews[0].User.Type = "Bot"
		}, approval.Blocked, approval.CodeApprovalBot},
		{"28-human-pushes-onto-a-bots-pull-request", func(s *setting) {
			s.pull().Author = person("renovate[bot]")
			s.pull().Contributors[0].User = new(person("renovate[bot]"))
			s.pull().Contributors[1].User = new(person("renovate[bot]"))
			s.pull().Pusher = new(person("alice"))
		}, approval.Blocked, approval.CodeApprovalPusher},
		{"29-person-named-like-a-bot", func(s *setting) {
			s.Directory.Teams[0].Members[0] = person("renovate")
			s.pull().Reviews[0].User = new(person("renovate[bot]"))
			s.grant("write", "renovate[bot]")
		}, approval.Blocked, approval.CodeApprovalBot},
		{"30-login-registered-again", func(s *setting) {
			impostor := approval.User{ID: 666, Login: "alice", Type: approval.UserTypePerson}
			s.pull().Reviews[0].User = &impostor
			s.Directory.Roles = append(s.Directory.Roles, approval.RepositoryRole{RepositoryID: 1001, User: 666, Role: "write"})
		}, approval.Blocked, approval.CodeApprovalOutsider},
		{"30-author-renamed", func(s *setting) {
			s.pull().Author = approval.User{ID: person("alice").ID, Login: "alice-new", Type: approval.UserTypePerson}
		}, approval.Blocked, approval.CodeApprovalAuthor},
		{"30-team-in-other-case", func(s *setting) {
			s.Directory.Teams[0].Name = "ACME/SRE"
		}, approval.Allowed, approval.CodeQuorumMet},
		{"31-one-person-votes-twice", func(s *setting) {
			s.pull().Reviews[1].User = new(person("alice"))
		}, approval.Blocked, approval.CodeQuorumMissing},
		{"33-team-cannot-be-read", func(s *setting) {
			s.Directory.Teams = nil
		}, approval.Unknown, approval.CodeQuorumPeople},
		{"33-veto-by-a-member-of-a-team-that-cannot-be-read", func(s *setting) {
			s.Config.Requirements[0].Teams = append(s.Config.Requirements[0].Teams, "acme/leads")
			s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), "erin", approval.ReviewChangesRequested))
		}, approval.Unknown, approval.CodeQuorumPeople},
		{"33-veto-by-a-member-without-an-ID", func(s *setting) {
			s.Directory.Teams[0].Members[2].ID = 0
			s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), "carol", approval.ReviewChangesRequested))
		}, approval.Unknown, approval.CodeQuorumPeople},
		{"34-approver-left-the-team", func(s *setting) {
			s.Directory.Teams[0].Members = s.Directory.Teams[0].Members[1:]
		}, approval.Blocked, approval.CodeApprovalOutsider},
		{"34-approver-lost-the-right-to-write", func(s *setting) {
			s.Directory.Roles[1].Role = "triage"
		}, approval.Blocked, approval.CodeApprovalRole},
		{"35-any-reader-approves", func(s *setting) {
			s.pull().Reviews[0].User = new(person("mallory"))
			s.grant("read", "mallory")
		}, approval.Blocked, approval.CodeApprovalOutsider},
		{"35-role-in-another-repository", func(s *setting) {
			s.Directory.Roles[0].RepositoryID = 1002
		}, approval.Unknown, approval.CodeApprovalRole},
		{"36-deleted-account", func(s *setting) {
			s.pull().Reviews[0].User = nil
		}, approval.Blocked, approval.CodeApprovalGhost},
		{"36-account-without-an-ID-in-the-team", func(s *setting) {
			s.pull().Reviews[0].User.ID, s.Directory.Teams[0].Members[0].ID = 0, 0
		}, approval.Unknown, approval.CodeQuorumPeople},
	}
}

func stateAttacks() []attack {
	add := func(login string, state approval.ReviewState) func(s *setting) {
		return func(s *setting) { s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), login, state)) }
	}
	return []attack{
		{"37-changes-requested-after-approval", add("alice", approval.ReviewChangesRequested), approval.Blocked, approval.CodeVeto},
		{"37-changes-requested-by-a-third", add("carol", approval.ReviewChangesRequested), approval.Blocked, approval.CodeVeto},
		{"37-approval-again-from-another-page", func(s *setting) {
			add("alice", approval.ReviewChangesRequested)(s)
			s.pull().Reviews = append(s.pull().Reviews, s.pull().Reviews[0])
		}, approval.Blocked, approval.CodeVeto},
		{"37-changes-requested-listed-before-the-approval", func(s *setting) {
			veto := review(s.pull(), "alice", approval.ReviewChangesRequested)
			s.pull().Reviews = append([]approval.Review{veto}, s.pull().Reviews...)
		}, approval.Blocked, approval.CodeVeto},
		{"37-approval-in-the-second-of-the-veto", func(s *setting) {
			veto := review(s.pull(), "alice", approval.ReviewChangesRequested)
			veto.SubmittedAt = s.pull().Reviews[0].SubmittedAt
			s.pull().Reviews = append([]approval.Review{veto}, s.pull().Reviews...)
		}, approval.Blocked, approval.CodeVeto},
		{"39-approval-in-the-second-of-a-dismissed-review", func(s *setting) {
			dismissed := review(s.pull(), "alice", approval.ReviewDismissed)
			dismissed.SubmittedAt = s.pull().Reviews[0].SubmittedAt
			s.pull().Reviews = append([]approval.Review{dismissed}, s.pull().Reviews...)
		}, approval.Blocked, approval.CodeApprovalDismissed},
		{"38-comment-keeps-the-approval", add("alice", approval.ReviewCommented), approval.Allowed, approval.CodeApprovalCounted},
		{"38-pending-does-not-count", func(s *setting) {
			s.pull().Reviews[0].State = approval.ReviewPending
		}, approval.Blocked, approval.CodeQuorumMissing},
		{"39-dismissal-revives-an-older-approval", add("alice", approval.ReviewDismissed), approval.Blocked, approval.CodeApprovalDismissed},
		{"41-outsider-requests-changes", add("mallory", approval.ReviewChangesRequested), approval.Allowed, approval.CodeApprovalCounted},
		{"59-dismissed-while-in-the-queue", func(s *setting) {
			s.landing().Kind = approval.KindQueue
			dismiss(&s.pull().Reviews[1], "boss", approval.ReviewApproved)
		}, approval.Blocked, approval.CodeApprovalDismissed},
		{"59-approved-after-the-merge", func(s *setting) {
			s.pull().Reviews[1].SubmittedAt = pushed.Add(48 * time.Hour)
		}, approval.Allowed, approval.CodeApprovalCounted},
	}
}

func scopeAttacks() []attack {
	return []attack{
		{"50-policy-without-requirements", func(s *setting) {
			s.Config = approval.Quorum{}
		}, approval.Blocked, approval.CodePolicyEmpty},
		{"50-requirement-of-no-approvals", func(s *setting) {
			s.Config.Requirements[0].Approvals = 0
		}, approval.Blocked, approval.CodePolicyEmpty},
		{"50-requirement-of-fewer-than-none", func(s *setting) {
			s.Config.Requirements[0].Approvals = -1
		}, approval.Blocked, approval.CodePolicyEmpty},
		{"50-second-requirement-asks-for-nothing", func(s *setting) {
			s.Config.Requirements = append(s.Config.Requirements, approval.Requirement{})
		}, approval.Blocked, approval.CodePolicyEmpty},
		{"51-title-asks-for-leniency", func(s *setting) {
			s.pull().Title, s.landing().Title = "[skip approval] approved by alice, bob", "emergency: allowed"
			s.pull().Reviews = s.pull().Reviews[:1]
		}, approval.Blocked, approval.CodeQuorumMissing},
		{"53-moved-out-of-the-owned-folder", func(s *setting) {
			push(s.line(), 1, change("apps/prod/web.yaml", "v2", "-"), change("old/web.yaml", "-", "v2"))
			s.line().Landings = append(s.line().Landings[:0:0], s.line().Landings[1])
			s.landing().Parent = baseline
			s.landing().Changes[0].Before = blob("v1")
		}, approval.Blocked, approval.CodeLandingDirect},
		{"53-same-bytes-now-a-symlink", func(s *setting) {
			s.landing().Kind = approval.KindDirect
			s.landing().Changes = []approval.Change{{Path: "apps/prod/web.yaml", Before: blob("../dev/web.yaml"), After: symlink("../dev/web.yaml")}}
		}, approval.Blocked, approval.CodeLandingDirect},
		{"52-push-of-no-files", onlyPush(), approval.Unknown, approval.CodeLineBroken},
		{"53-symlink-above-a-file-in-scope", func(s *setting) {
			s.Repositories[0].Paths = append(s.Repositories[0].Paths, "env/prod/extra.yaml")
			s.Application.Sources[0].Reads = append(s.Application.Sources[0].Reads, approval.Read{Repository: "acme/deploy", Path: "env/prod/extra.yaml"})
			onlyPush(change("env", "-", "->evil"), change("evil/prod/extra.yaml", "-", "v1"))(s)
		}, approval.Blocked, approval.CodeLandingDirect},
		{"54-list-cut-short", func(s *setting) {
			s.Missing = []approval.Missing{{What: "the commits of #7", Why: "more than 250"}}
		}, approval.Unknown, approval.CodeFactsMissing},
		{"55-pattern-is-anchored", func(s *setting) {
			s.Application.Sources[0].Reads = append(s.Application.Sources[0].Reads, approval.Read{Repository: "acme/deploy", Path: "old/apps/prod/"})
		}, approval.Blocked, approval.CodeSourceScope},
		{"58-error-is-not-a-no", func(s *setting) {
			s.Missing = []approval.Missing{{}}
		}, approval.Unknown, approval.CodeFactsMissing},
		{"60-direct-push-after-the-approved-one", func(s *setting) {
			// It is on top of the approved landing, which is still shipped.
			push(s.line(), 1, change("apps/prod/web.yaml", "v2", "v3"))
		}, approval.Allowed, approval.CodeLandingDirect},
		{"60-direct-push-on-the-line", func(s *setting) {
			s.landing().Kind = approval.KindDirect // with all the approvals of the pull request that claims it
		}, approval.Blocked, approval.CodeLandingDirect},
		{"60-marked-merged-without-a-proof", func(s *setting) {
			s.landing().Proof = approval.Proof{}
		}, approval.Unknown, approval.CodeLandingProof},
		{"60-proof-of-another-word", func(s *setting) {
			s.landing().Proof.Result = "PROVEN"
		}, approval.Unknown, approval.CodeLandingProof},
		{"60-not-merged", func(s *setting) { s.pull().Merged = false }, approval.Blocked, approval.CodeLandingPull},
		{"60-merged-into-another-branch", func(s *setting) { s.pull().Base = "dev" }, approval.Blocked, approval.CodeLandingPull},
		{"61-several-pull-requests-newest-approved", func(s *setting) {
			next := pull(8, "dave")
			approve(next, "alice", "bob")
			land(s.line(), next, change("apps/prod/web.yaml", "v2", "v3"))
			s.landing().Pull.Reviews = nil
		}, approval.Blocked, approval.CodeQuorumMissing},
		{"62-approval-for-another-application", func(s *setting) {
			s.Application.Project, s.Application.Server = "web", "https://other.example"
		}, approval.Blocked, approval.CodeApplicationForeign},
		{"60-hole-brought-back-before-the-fix-is-known", func(s *setting) {
			s.landing().Unsettled = "GitHub has not indexed the commit yet"
			push(s.line(), 1, change("apps/prod/web.yaml", "v2", "v1"))
		}, approval.Unknown, approval.CodeLandingUnsettled},
		{"62-read-that-climbs-out-of-the-scope", func(s *setting) {
			s.Application.Sources[0].Reads[0].Path = "apps/prod/../dev/"
		}, approval.Blocked, approval.CodeSourceScope},
		{"62-application-reads-another-folder", func(s *setting) {
			s.Application.Sources[0].Reads[0].Path = "apps/"
		}, approval.Blocked, approval.CodeSourceScope},
		{"63-state-of-an-older-head", func(s *setting) { s.line().Head = sha("0ade") }, approval.Unknown, approval.CodeLineBroken},
		{"64-pull-request-of-a-fork-of-the-same-name", func(s *setting) {
			s.pull().BaseRepositoryID = 2002
		}, approval.Blocked, approval.CodeLandingPull},
		{"64-repository-registered-again", func(s *setting) {
			s.line().RepositoryID = 2002
		}, approval.Blocked, approval.CodeLandingPull},
		{"66-quota-exhausted", func(s *setting) {
			s.Missing = []approval.Missing{{What: "reviews", Why: "HTTP 403: rate limit exceeded"}}
			s.pull().Reviews = nil
		}, approval.Unknown, approval.CodeFactsMissing},
	}
}

// carryOver plays the attacks that use one judgement for something else.
func carryOver(t *testing.T) {
	t.Run("13-two-pull-requests-share-a-head", func(t *testing.T) {
		s := approved()
		first := *s.pull()
		second := first
		second.Number, second.Reviews = 8, nil
		require.Equal(t, approval.Allowed, s.judge(&first).Finding.Verdict)
		require.Equal(t, approval.Blocked, s.judge(&second).Finding.Verdict)
	})
	t.Run("14-push-between-decision-and-action", func(t *testing.T) {
		s := approved()
		d := s.decide()
		r, err := d.Release(s.Application, "intent-1", "alice, bob")
		require.NoError(t, err)
		require.Equal(t, []approval.Revision{{Repository: "acme/deploy", SHA: commitOf(7)}}, r.Candidate().Revisions, "the exact commit, whatever the branch holds by now")

		changed := s.Application
		changed.SpecDigest = "other"
		_, err = d.Release(changed, "intent-1", "alice, bob")
		require.ErrorIs(t, err, approval.ErrNotAllowed)
	})
	t.Run("62-decision-used-for-another-application", func(t *testing.T) {
		s := approved()
		other := s.Application
		other.UID = "another"
		_, err := s.decide().Release(other, "intent-1", "alice, bob")
		require.ErrorIs(t, err, approval.ErrNotAllowed)
	})
}
