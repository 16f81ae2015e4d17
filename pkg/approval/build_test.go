package approval_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// The names of commits in these tests can be read: ba5e000 is the baseline,
// c000042 the commit at which #42 landed, ead0042 its head, 01d0042 a head it
// had before, and d000001 the first direct push.

const baseline = approval.SHA("ba5e000000000000000000000000000000000000")

func commitOf(pull int) approval.SHA  { return sha(fmt.Sprintf("c%06d", pull)) }
func headOf(pull int) approval.SHA    { return sha(fmt.Sprintf("ead%04d", pull)) }
func oldHeadOf(pull int) approval.SHA { return sha(fmt.Sprintf("01d%04d", pull)) }
func directOf(n int) approval.SHA     { return sha(fmt.Sprintf("d%06d", n)) }

func sha(prefix string) approval.SHA {
	return approval.SHA(prefix + strings.Repeat("0", 40-len(prefix)))
}

// blob is the entry of a file with this content; "-" is an absent file, "->x" a
// symbolic link to x.
func blob(content string) approval.Entry {
	if content == "-" {
		return approval.Entry{}
	}
	if target, ok := strings.CutPrefix(content, "->"); ok {
		return symlink(target)
	}
	sum := sha256.Sum256([]byte(content))
	return approval.Entry{Mode: "100644", SHA: approval.SHA(hex.EncodeToString(sum[:20]))}
}

// symlink is a link whose target is spelled like the content of a file.
func symlink(target string) approval.Entry {
	return approval.Entry{Mode: "120000", SHA: blob(target).SHA}
}

func change(path, before, after string) approval.Change {
	return approval.Change{Path: path, Before: blob(before), After: blob(after)}
}

// person is the account of a person, or of a bot if the login ends like one;
// a login has the same ID in all tests.
func person(login string) approval.User {
	h := fnv.New32a()
	h.Write([]byte(login))
	u := approval.User{ID: approval.UserID(h.Sum32()), Login: login, Type: approval.UserTypePerson}
	if strings.HasSuffix(login, "[bot]") {
		u.Type = "Bot"
	}
	return u
}

// pushed is when every head arrived at GitHub.
var pushed = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

// review is one of the pull request's head, n minutes after it was pushed.
func review(pr *approval.PullRequest, login string, state approval.ReviewState) approval.Review {
	n := len(pr.Reviews) + 1
	r := approval.Review{
		ID: int64(pr.Number*100 + n), User: new(person(login)), State: state, Commit: pr.Head, Base: pr.Base,
		SubmittedAt: pr.HeadPushedAt.Add(time.Duration(n) * time.Minute),
	}
	if state == approval.ReviewDismissed {
		dismiss(&r, "boss", approval.ReviewApproved)
	}
	return r
}

// dismiss makes a review a dismissed one.
func dismiss(r *approval.Review, by string, was approval.ReviewState) {
	r.State, r.Dismissed = approval.ReviewDismissed, &approval.Dismissal{By: new(person(by)), Was: was}
}

func approve(pr *approval.PullRequest, logins ...string) {
	for _, login := range logins {
		pr.Reviews = append(pr.Reviews, review(pr, login, approval.ReviewApproved))
	}
}

// pull is a merged pull request of one commit by one author, without reviews.
func pull(number int, author string) *approval.PullRequest {
	return &approval.PullRequest{
		Repository: "acme/deploy", Number: number, Title: fmt.Sprintf("Change %d", number),
		URL:              fmt.Sprintf("https://github.com/acme/deploy/pull/%d", number),
		BaseRepositoryID: 1001, Base: "main", Merged: true, MergedAt: pushed.Add(24 * time.Hour),
		Head: headOf(number), HeadPushedAt: pushed, Author: person(author), Pusher: new(person(author)),
		Contributors: []approval.Contributor{
			{User: new(person(author)), Email: author + "@example.com", Role: "author", Commit: headOf(number)},
			{User: new(person(author)), Email: author + "@example.com", Role: "committer", Commit: headOf(number)},
		},
	}
}

// land appends the merge of a pull request to the line.
func land(l *approval.Line, pr *approval.PullRequest, changes ...approval.Change) *approval.Landing {
	return appendLanding(l, approval.Landing{
		Commit: commitOf(pr.Number), Title: "Merge pull request #" + fmt.Sprint(pr.Number), Kind: approval.KindMerge,
		Proof: approval.Proof{Result: approval.Proven}, Pull: pr, Changes: changes,
	})
}

// push appends a direct push to the line.
func push(l *approval.Line, n int, changes ...approval.Change) *approval.Landing {
	return appendLanding(l, approval.Landing{
		Commit: directOf(n), Title: fmt.Sprintf("Push %d", n), Kind: approval.KindDirect, Changes: changes,
	})
}

func appendLanding(l *approval.Line, landing approval.Landing) *approval.Landing {
	landing.Parent = l.Head
	landing.Tree, landing.ParentTree = treesOf(landing)
	l.Head = landing.Commit
	l.Landings = append(l.Landings, landing)
	return &l.Landings[len(l.Landings)-1]
}

// treesOf names the trees of a landing and of its parent: two trees if the
// landing changes anything, one if not.
func treesOf(landing approval.Landing) (tree, parent approval.SHA) {
	if parent = sha("73ee"); len(landing.Changes) == 0 {
		return parent, parent
	}
	return sha("73ee1"), parent
}

func deployLine() approval.Line {
	return approval.Line{
		Repository: "acme/deploy", RepositoryID: 1001, Branch: "main", DefaultBranch: true,
		Baseline: baseline, BaselineOnLine: true, Head: baseline,
	}
}

// setting is a policy with facts, and short names for the parts that most tests
// change.
type setting struct {
	approval.Policy
	approval.Facts
}

// decide explains the decision. A setting without a closure gets the one that
// belongs to what would be synced.
func (s *setting) decide() approval.Decision {
	f := s.Facts
	if f.Closure == nil {
		f.Closure = s.closure()
	}
	return approval.Explain(s.Policy, f)
}

// decideBare is decide without the words.
func (s *setting) decideBare() approval.Decision {
	f := s.Facts
	if f.Closure == nil {
		f.Closure = s.closure()
	}
	return approval.Decide(s.Policy, f)
}

// closure is what the prospective candidate is rendered from: what the sources
// themselves say.
func (s *setting) closure() *approval.Closure {
	c, ok := approval.Prospect(s.Policy, s.Facts)
	if !ok {
		return nil
	}
	closure := &approval.Closure{Revisions: c.Revisions}
	for _, source := range s.Application.Sources {
		closure.Reads = append(closure.Reads, source.Reads...)
	}
	return closure
}

// judge counts the reviews of a pull request that changes what the first landing
// changes.
func (s *setting) judge(pr *approval.PullRequest) approval.QuorumResult {
	return approval.JudgeQuorum(s.Policy, s.Repositories[0], *pr, s.landing().Changes, s.Directory, s.Images)
}

func (s *setting) line() *approval.Line { return &s.Lines[0] }

func (s *setting) landing() *approval.Landing { return &s.Lines[0].Landings[0] }

func (s *setting) pull() *approval.PullRequest { return s.Lines[0].Landings[0].Pull }

// grant says that people have a role in acme/deploy.
func (s *setting) grant(role string, logins ...string) {
	for _, login := range logins {
		s.Directory.Roles = append(s.Directory.Roles, approval.RepositoryRole{RepositoryID: 1001, User: person(login).ID, Role: role})
	}
}

// keep says that the head is a clean update of the one before, which somebody
// pushed an hour before it.
func (s *setting) keep(pusher string) {
	s.pull().Kept = []approval.KeptHead{{Commit: oldHeadOf(7), PushedAt: s.pull().HeadPushedAt.Add(-time.Hour), Pusher: person(pusher)}}
}

// addRepository protects all of another repository and makes it a source. It has
// no line yet.
func (s *setting) addRepository(name approval.RepositoryName) {
	s.Repositories = append(s.Repositories, approval.ProtectedRepository{Name: name, Branch: "main"})
	s.Application.Sources = append(s.Application.Sources, approval.Source{
		Kind: approval.SourceGit, RepoURL: "https://github.com/" + string(name), Repository: name,
		TargetRevision: "main", Reads: []approval.Read{{Repository: name, Path: "web/"}},
	})
	s.Application.MultiSource = len(s.Application.Sources) > 1
}

// approved is a setting in which nothing is missing: #7 by dave, approved by two
// of acme/sre as the gate asks, with no approval to spare.
func approved() *setting {
	s := &setting{
		Policy: approval.Policy{
			Gate:         "prod",
			Applications: []approval.Selector{{Project: "payments", Server: "https://prod.example", Namespace: "payments"}},
			Repositories: []approval.ProtectedRepository{{
				Name: "acme/deploy", Branch: "main", EnrolledAt: baseline, Paths: []string{"apps/prod/**"},
			}},
			Config: approval.Quorum{Requirements: []approval.Requirement{{
				Name: "production", Approvals: 2, Teams: []approval.TeamName{"acme/sre"}, Users: []string{"zoe"},
			}}},
		},
		Facts: approval.Facts{
			CollectedAt: pushed.Add(time.Hour),
			Application: approval.Application{
				UID: "2f1c6a1e", Namespace: "argocd", Name: "payments", Project: "payments",
				Server: "https://prod.example", DestinationNamespace: "payments",
				ResourceVersion: "4711", SpecDigest: "5bec", Health: "Healthy",
				Operation: &approval.Operation{Phase: "Succeeded", Revisions: []string{string(baseline)}, StartedAt: pushed, FinishedAt: pushed},
				Deployed:  []approval.DeployedRevision{{ID: 3, Revisions: []string{string(baseline)}, DeployedAt: pushed}},
				Sources: []approval.Source{{
					Kind: approval.SourceGit, RepoURL: "https://github.com/acme/deploy", Repository: "acme/deploy",
					TargetRevision: "main", Reads: []approval.Read{{Repository: "acme/deploy", Path: "apps/prod/"}},
				}},
			},
			Lines: []approval.Line{deployLine()},
			Directory: approval.Directory{
				Teams: []approval.Team{{Name: "acme/sre", Members: []approval.User{person("alice"), person("bob"), person("carol")}}},
				Users: []approval.User{person("zoe")},
			},
		},
	}
	pr := pull(7, "dave")
	approve(pr, "alice", "bob")
	s.grant("write", "alice", "bob")
	land(s.line(), pr, change("apps/prod/web.yaml", "v1", "v2"))
	return s
}

// adopted is approved with a gate that judges the spec, which zoe adopted.
func adopted() *setting {
	s := approved()
	s.ApprovedSpec, s.Spec = true, &approval.SpecEvidence{Approved: approval.SpecAdopted, By: "zoe"}
	return s
}

// codes are the codes of all findings of a decision, children included.
func codes(findings []approval.Finding) []approval.Code {
	var out []approval.Code
	for _, f := range findings {
		out = append(append(out, f.Code), codes(f.Children)...)
	}
	return out
}
