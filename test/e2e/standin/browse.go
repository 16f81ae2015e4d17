package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// ErrNotFound is wrapped by the errors for repositories, pull requests, files and commits that do not exist.
var ErrNotFound = errors.New("not found")

// Account is a person, an organisation or the bot of an App.
type Account struct {
	ID                 int64
	Login, Name, Email string
	Kind               string // User, Organization, Bot
	Created            time.Time
	Organizations      []string // of a person
	Teams              []string // "org/slug", active memberships of a person
}

// Accounts lists all accounts in the order in which they were created.
func (s *Server) Accounts() []Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Account
	for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
		a := s.accounts[id]
		one := Account{ID: a.id, Login: a.login, Name: a.name, Email: a.identity().Email, Kind: a.kind, Created: a.created}
		for _, other := range slices.Sorted(maps.Keys(s.accounts)) {
			org := s.accounts[other]
			if org.members[a.id] {
				one.Organizations = append(one.Organizations, org.login)
			}
			for _, t := range org.teams {
				if t.has(a) {
					one.Teams = append(one.Teams, org.login+"/"+t.slug)
				}
			}
		}
		out = append(out, one)
	}
	return out
}

// Team is a team as it is now.
type Team struct {
	Organization, Slug string
	Parent             string            // slug
	Members            []string          // active
	Pending            []string          // invited
	Repositories       map[string]string // owner/name to role
}

// Teams lists the teams of all organisations.
func (s *Server) Teams() []Team {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Team
	for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
		for _, t := range s.accounts[id].teams {
			one := Team{Organization: t.org.login, Slug: t.slug, Repositories: map[string]string{}}
			if t.parent != nil {
				one.Parent = t.parent.slug
			}
			for _, user := range slices.Sorted(maps.Keys(t.members)) {
				login := s.accounts[user].login
				if t.members[user] == "active" {
					one.Members = append(one.Members, login)
				} else {
					one.Pending = append(one.Pending, login)
				}
			}
			for repo, role := range t.grants {
				if r := s.repos[repo]; r != nil {
					one.Repositories[r.fullName()] = role.String()
				}
			}
			out = append(out, one)
		}
	}
	return out
}

// RepositoryView is a repository as it is now.
type RepositoryView struct {
	ID              int64
	Name            string // owner/name
	DefaultBranch   string
	Private         bool
	Parent          string // of a fork
	CloneURL        string
	Created, Pushed time.Time
	Branches        map[string]string // name to commit
	Roles           map[string]string // login to role, of people who have one
	OpenPulls       int
}

// Repositories lists all repositories in the order in which they were created.
func (s *Server) Repositories() []RepositoryView {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []RepositoryView
	for _, id := range slices.Sorted(maps.Keys(s.repos)) {
		out = append(out, s.repositoryView(s.repos[id]))
	}
	return out
}

// Repository reads one repository by "owner/name", which may be a former name.
func (s *Server) Repository(repo string) (RepositoryView, error) {
	r, err := s.find(repo)
	if err != nil {
		return RepositoryView{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.repositoryView(r), nil
}

// repositoryView needs Server.mu.
func (s *Server) repositoryView(r *repository) RepositoryView {
	out := RepositoryView{ID: r.id, Name: r.fullName(), DefaultBranch: r.defaultBranch, Private: r.private,
		CloneURL: r.links.CloneURL, Created: r.created, Pushed: r.pushed, Branches: map[string]string{}, Roles: map[string]string{}}
	if r.parent != nil {
		out.Parent = r.parent.fullName()
	}
	for ref, sha := range r.refs {
		if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
			out.Branches[name] = sha
		}
	}
	for _, a := range s.accounts {
		if role := s.roleOf(a, r); a.kind == "User" && role > roleNone {
			out.Roles[a.login] = role.String()
		}
	}
	for _, pr := range r.pulls {
		if pr.state() == "open" {
			out.OpenPulls++
		}
	}
	return out
}

// Activity is one move of a branch.
type Activity struct {
	Branch, Before, After string
	Kind                  string // as in REST: push, force_push, branch_creation, branch_deletion, pr_merge
	Actor                 string
	Time                  time.Time
}

// RepositoryActivity lists the moves of branches, oldest first.
func (s *Server) RepositoryActivity(repo string) ([]Activity, error) {
	r, err := s.find(repo)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Activity
	for _, a := range r.activity {
		one := Activity{Branch: a.change.branch(), Before: a.change.before, After: a.change.after, Kind: a.kind, Actor: loginOf(a.actor), Time: a.at}
		if one.Before == zeroSHA {
			one.Before = ""
		}
		if one.After == zeroSHA {
			one.After = ""
		}
		out = append(out, one)
	}
	return out, nil
}

// CheckButton is a button of a check run.
type CheckButton struct{ Label, Description, Identifier string }

// Annotation is a remark of a check run on lines of a file.
type Annotation struct {
	Path      string `json:"path"`
	StartLine int    `json:"start_line"`
	EndLine   int    `json:"end_line"`
	Level     string `json:"annotation_level"`
	Title     string `json:"title"`
	Message   string `json:"message"`
}

// annotations are kept as they were sent.
func annotations(run *checkRun) ([]Annotation, error) {
	if len(run.output.Annotations) == 0 {
		return nil, nil
	}
	raw, err := json.Marshal(run.output.Annotations)
	if err != nil {
		return nil, fmt.Errorf("write annotations: %w", err)
	}
	var out []Annotation
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("read annotations: %w", err)
	}
	return out, nil
}

// QueueView is an App's queue of deliveries.
type QueueView struct {
	AppID   int64
	Waiting []Delivery // oldest first, not yet sent
	Paused  bool
	Drop    int // how many of the next ones fail without being sent
}

// Queue looks at what an App is still to get.
func (s *Server) Queue(appID int64) QueueView {
	out := QueueView{AppID: appID}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.apps[appID]; a != nil {
		a.queue.mu.Lock()
		defer a.queue.mu.Unlock()
		out.Waiting, out.Paused, out.Drop = slices.Clone(a.queue.waiting), a.queue.paused, a.queue.drop
	}
	return out
}
