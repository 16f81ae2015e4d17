package approval_test

import (
	"fmt"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// A gate asks for one approval of acme/sre for whatever changes below
// apps/prod/. Pull request #42 was approved and merged, #43 was merged without
// a review. The decision ships #42 and says what #43 waits for.
func ExampleExplain() {
	policy := approval.Policy{
		Gate:         "prod",
		Applications: []approval.Selector{{Project: "payments"}},
		Repositories: []approval.ProtectedRepository{{
			Name: "acme/deploy", Branch: "main", Paths: []string{"apps/prod/**"},
		}},
		Config: approval.Quorum{Requirements: []approval.Requirement{{
			Approvals: 1, Teams: []approval.TeamName{"acme/sre"},
		}}},
	}

	alice := approval.User{ID: 1, Login: "alice", Type: approval.UserTypePerson}
	bob := approval.User{ID: 2, Login: "bob", Type: approval.UserTypePerson}
	dave := approval.User{ID: 3, Login: "dave", Type: approval.UserTypePerson}

	const (
		baseline = approval.SHA("ba5e000000000000000000000000000000000000")
		first    = approval.SHA("c000042000000000000000000000000000000000")
		second   = approval.SHA("c000043000000000000000000000000000000000")
		head     = approval.SHA("ead0042000000000000000000000000000000000")
		nextHead = approval.SHA("ead0043000000000000000000000000000000000")

		baseTree   = approval.SHA("7ee0000000000000000000000000000000000000")
		firstTree  = approval.SHA("7ee0042000000000000000000000000000000000")
		secondTree = approval.SHA("7ee0043000000000000000000000000000000000")
	)
	nine := time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)
	web := func(n string) approval.Entry {
		return approval.Entry{Mode: "100644", SHA: approval.SHA("b10b" + n + "00000000000000000000000000000000000")}
	}

	reviewed := approval.PullRequest{
		Repository: "acme/deploy", BaseRepositoryID: 1001, Base: "main", Merged: true,
		Number: 42, Title: "Use version 2", Head: head, HeadPushedAt: nine,
		Author: dave, Pusher: &dave,
		Contributors: []approval.Contributor{{User: &dave, Email: "dave@example.com", Role: "author", Commit: head}},
		Reviews: []approval.Review{{
			ID: 1, User: &alice, State: approval.ReviewApproved, Commit: head, Base: "main", SubmittedAt: nine.Add(time.Minute),
		}},
	}
	unreviewed := reviewed
	unreviewed.Number, unreviewed.Title, unreviewed.Head, unreviewed.Reviews = 43, "Use version 3", nextHead, nil
	unreviewed.Contributors = []approval.Contributor{{User: &dave, Email: "dave@example.com", Role: "author", Commit: nextHead}}

	proven := approval.Proof{Result: approval.Proven}
	facts := approval.Facts{
		Application: approval.Application{
			UID: "2f1c6a1e", Namespace: "argocd", Name: "web", Project: "payments", ResourceVersion: "4711", SpecDigest: "5bec",
			Sources: []approval.Source{{
				Kind: approval.SourceGit, RepoURL: "https://github.com/acme/deploy", Repository: "acme/deploy",
				TargetRevision: "main", Reads: []approval.Read{{Repository: "acme/deploy", Path: "apps/prod/"}},
			}},
		},
		Lines: []approval.Line{{
			Repository: "acme/deploy", RepositoryID: 1001, Branch: "main",
			Baseline: baseline, BaselineOnLine: true, Head: second,
			Landings: []approval.Landing{
				{
					Commit: first, Parent: baseline, Tree: firstTree, ParentTree: baseTree, Kind: approval.KindSquash, Proof: proven, Pull: &reviewed,
					Changes: []approval.Change{{Path: "apps/prod/web.yaml", Before: web("1"), After: web("2")}},
				},
				{
					Commit: second, Parent: first, Tree: secondTree, ParentTree: firstTree, Kind: approval.KindSquash, Proof: proven, Pull: &unreviewed,
					Changes: []approval.Change{{Path: "apps/prod/web.yaml", Before: web("2"), After: web("3")}},
				},
			},
		}},
		Directory: approval.Directory{
			Teams: []approval.Team{{Name: "acme/sre", Members: []approval.User{alice, bob}}},
			Roles: []approval.RepositoryRole{{RepositoryID: 1001, User: alice.ID, Role: "write"}},
		},
	}

	// What the candidate is rendered from is read once it is known what it would be.
	prospect, _ := approval.Prospect(policy, facts)
	facts.Closure = &approval.Closure{Revisions: prospect.Revisions, Reads: []approval.Read{{Repository: "acme/deploy", Path: "apps/prod/"}}}

	decision := approval.Explain(policy, facts)
	fmt.Println(decision.Verdict, "to sync", decision.Candidate.Revisions[0].SHA.Short())
	for _, f := range decision.Findings {
		fmt.Printf("%s: %s\n", f.Verdict, f.Text)
		if f.Remedy != "" {
			fmt.Printf("         %s\n", f.Remedy)
		}
	}
	// Output:
	// allowed to sync c000042
	// allowed: #42 "Use version 2" (c000042) is approved by alice
	// blocked: #43 "Use version 3" (c000043): 0 of 1 approval; waiting for 1 more of acme/sre
	//          2 people can still approve #43: alice, bob
	// blocked: acme/deploy main is approved up to c000042; 1 newer landing must wait
}
