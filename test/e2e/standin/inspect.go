package standin

import (
	"slices"
	"strings"
	"time"
)

// Pull is what a test wants to know of a pull request.
type Pull struct {
	Number         int
	Title, Body    string
	Author         string
	State          string // open, closed
	Draft          bool
	Merged         bool
	MergeCommitSHA string
	MergedBy       string
	Base, BaseSHA  string
	Branch, Head   string
	Commits        []string // oldest first
	Reviewers      []string // requested people
	Teams          []string // requested teams, by slug

	HeadRepo                 string // owner/name
	Created, Updated, Closed time.Time
	Mergeable                bool // as of the last look at an open pull request; Pull looks
	ChangedFiles             int
	Additions, Deletions     int
}

// Review is a review as it is now.
type Review struct {
	ID        int64
	Author    string // "" for a deleted user
	State     string // as in REST
	Body      string
	Commit    string
	Submitted time.Time
}

// Comment is a comment as it is now.
type Comment struct {
	ID               int64
	Author           string
	Body             string
	Created, Updated time.Time
}

// CheckRun is a check run as it is now.
type CheckRun struct {
	ID                   int64
	AppID                int64
	Name                 string
	SHA                  string
	Status               string
	Conclusion           string // "" until completed
	Title, Summary, Text string
	DetailsURL           string
	ExternalID           string
	Actions              []string // identifiers

	AppSlug            string
	Buttons            []CheckButton
	Annotations        []Annotation
	Started, Completed time.Time
}

// Status is a commit status.
type Status struct{ Context, State, Description, Creator string }

func loginOf(a *account) string {
	if a == nil {
		return ""
	}
	return a.login
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Pull reads a pull request, with its test merge brought up to date.
func (s *Server) Pull(repo string, number int) (Pull, error) {
	pr, err := s.findPull(repo, number)
	if err != nil {
		return Pull{}, err
	}
	if err := s.fresh(s.ctx, pr); err != nil {
		return Pull{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return pullView(pr), nil
}

// Pulls lists a repository's pull requests, newest first.
func (s *Server) Pulls(repo string) ([]Pull, error) {
	r, err := s.find(repo)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Pull
	for _, pr := range slices.Backward(r.sortedPulls()) {
		out = append(out, pullView(pr))
	}
	return out, nil
}

// pullView needs Server.mu.
func pullView(pr *pull) Pull {
	out := Pull{Number: pr.number, Title: pr.title, Body: pr.body, Author: loginOf(pr.author), State: pr.state(), Draft: pr.draft,
		Merged: !pr.merged.IsZero(), MergeCommitSHA: pr.mergeSHA, MergedBy: loginOf(pr.mergedBy), Base: pr.baseRef, BaseSHA: pr.baseSHA,
		Branch: pr.headRef, Head: pr.headSHA, Commits: slices.Clone(pr.commits),
		HeadRepo: pr.headRepo.fullName(), Created: pr.created, Updated: pr.updated, Closed: pr.closed, Mergeable: pr.mergeable,
		ChangedFiles: pr.files, Additions: pr.additions, Deletions: pr.deletions}
	for _, p := range pr.reviewers {
		out.Reviewers = append(out.Reviewers, p.login)
	}
	for _, t := range pr.teams {
		out.Teams = append(out.Teams, t.slug)
	}
	return out
}

// Reviews lists reviews, oldest first, pending ones included.
func (s *Server) Reviews(repo string, number int) ([]Review, error) {
	pr, err := s.findPull(repo, number)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Review
	for _, v := range pr.reviews {
		out = append(out, Review{v.id, loginOf(v.author), v.state, v.body, v.commit, v.submitted})
	}
	return out, nil
}

// Comments lists comments, oldest first.
func (s *Server) Comments(repo string, number int) ([]Comment, error) {
	pr, err := s.findPull(repo, number)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Comment
	for _, c := range pr.comments {
		out = append(out, Comment{c.id, loginOf(c.author), c.body, c.created, c.updated})
	}
	return out, nil
}

// CheckRuns lists the check runs of a commit, oldest first; of every commit when sha is empty.
func (s *Server) CheckRuns(repo, sha string) ([]CheckRun, error) {
	r, err := s.find(repo)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []CheckRun
	for _, run := range r.checks {
		if sha != "" && run.suite.sha != sha {
			continue
		}
		one := CheckRun{ID: run.id, AppID: run.suite.app.id, Name: run.name, SHA: run.suite.sha, Status: run.status,
			Conclusion: orEmpty(run.conclusion), Title: orEmpty(run.output.Title), Summary: orEmpty(run.output.Summary),
			Text: orEmpty(run.output.Text), DetailsURL: orEmpty(run.detailsURL), ExternalID: orEmpty(run.externalID)}
		for _, a := range run.actions {
			one.Actions = append(one.Actions, a.Identifier)
			one.Buttons = append(one.Buttons, CheckButton(a))
		}
		one.AppSlug, one.Started, one.Completed = run.suite.app.slug, run.started, run.completed
		if one.Annotations, err = annotations(run); err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// Statuses lists the statuses of a commit, oldest first.
func (s *Server) Statuses(repo, sha string) ([]Status, error) {
	r, err := s.find(repo)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Status
	for _, st := range r.statuses {
		if st.sha == sha {
			out = append(out, Status{st.context, st.state, orEmpty(st.description), st.creator.login})
		}
	}
	return out, nil
}

// CountCalls counts answered requests of a kind, "api" or "git", whose "METHOD /path" has the prefix.
func (s *Server) CountCalls(kind, prefix string) int {
	n := 0
	for _, c := range s.Calls() {
		if c.Kind == kind && strings.HasPrefix(c.Method+" "+c.Path, prefix) {
			n++
		}
	}
	return n
}
