package standin

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// UserState is a person, or the bot of an App, as they are now.
type UserState struct {
	ID     int64
	Login  string
	Name   string
	Emails []string
	Bot    bool
}

// OrganizationState is an organisation with its teams.
type OrganizationState struct {
	ID      int64
	Login   string
	Owners  []string
	Members []string
	Teams   []TeamState
}

// TeamState is a team as it is now.
type TeamState struct {
	ID      int64
	Slug    string
	Parent  string            // slug, "" at the top
	Members []string          // active ones of this very team
	Invited []string          // pending ones, who do not count
	Grants  map[string]string // repository to role
}

// RepositoryState is a repository as it is now, without its pull requests.
type RepositoryState struct {
	Repository
	Private       bool
	DefaultBranch string
	Parent        string // of a fork
	Collaborators map[string]string
	Branches      map[string]string // name to commit
	Pulls         []int             // numbers
}

// AppState is an App as it is now, without its secrets.
type AppState struct {
	ID            int64
	Slug          string
	Owner         string
	ClientID      string
	BotID         int64
	Permissions   map[string]string
	Events        []string
	WebhookURL    string
	WebhookSigned bool // it has a secret
	Installations []InstallationState
	Paused        bool // see PauseDeliveries
	Waiting       int  // deliveries to be made
	Delivered     int  // attempts made, failed ones too
	Drop          int  // see DropDeliveries
}

// InstallationState is an installation as it is now.
type InstallationState struct {
	ID           int64
	AppID        int64
	Account      string
	All          bool     // every repository of the account, future ones included
	Repositories []string // owner/name
	Suspended    bool
}

// ActiveFault is a fault that can still answer a request. Times counts what is left.
type ActiveFault struct {
	ID int64
	Fault
}

// Knobs are the measures that stay until they are changed.
type Knobs struct {
	Delay     time.Duration // see SetDelay
	IndexLag  time.Duration // see LagCommitIndex
	RateLimit int           // see SetRateLimit
}

// UserStates lists people and bots by ID.
func (s *Server) UserStates() []UserState {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []UserState
	for _, a := range s.accounts {
		if a.kind != "Organization" {
			out = append(out, UserState{ID: a.id, Login: a.login, Name: a.name, Emails: slices.Clone(a.emails), Bot: a.kind == "Bot"})
		}
	}
	slices.SortFunc(out, func(a, b UserState) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// OrganizationStates lists organisations by ID.
func (s *Server) OrganizationStates() []OrganizationState {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []OrganizationState
	for _, a := range s.accounts {
		if a.kind != "Organization" {
			continue
		}
		one := OrganizationState{ID: a.id, Login: a.login, Owners: s.loginsOf(a.owners), Members: s.loginsOf(a.members)}
		for _, t := range a.teams {
			one.Teams = append(one.Teams, s.teamState(t))
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b OrganizationState) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// loginsOf needs Server.mu.
func (s *Server) loginsOf(ids map[int64]bool) []string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if ids[id] {
			out = append(out, s.accounts[id].login)
		}
	}
	return out
}

// teamState needs Server.mu.
func (s *Server) teamState(t *team) TeamState {
	out := TeamState{ID: t.id, Slug: t.slug, Grants: map[string]string{}}
	if t.parent != nil {
		out.Parent = t.parent.slug
	}
	for _, id := range slices.Sorted(maps.Keys(t.members)) {
		if t.members[id] == "active" {
			out.Members = append(out.Members, s.accounts[id].login)
		} else {
			out.Invited = append(out.Invited, s.accounts[id].login)
		}
	}
	for id, role := range t.grants {
		out.Grants[s.repos[id].fullName()] = role.String()
	}
	return out
}

// RepositoryStates lists repositories by ID.
func (s *Server) RepositoryStates() []RepositoryState {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []RepositoryState
	for _, r := range s.repos {
		one := RepositoryState{Repository: s.exported(r, r.branch(r.defaultBranch)), Private: r.private, DefaultBranch: r.defaultBranch,
			Collaborators: map[string]string{}, Branches: map[string]string{}, Pulls: slices.Sorted(maps.Keys(r.pulls))}
		if r.parent != nil {
			one.Parent = r.parent.fullName()
		}
		for id, role := range r.collaborators {
			if role != roleNone {
				one.Collaborators[s.accounts[id].login] = role.String()
			}
		}
		for ref, sha := range r.refs {
			if branch := (refChange{ref: ref}).branch(); branch != "" {
				one.Branches[branch] = sha
			}
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b RepositoryState) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// AppStates lists Apps by ID, with their installations.
func (s *Server) AppStates() []AppState {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []AppState
	for _, a := range s.apps {
		one := AppState{ID: a.id, Slug: a.slug, Owner: a.owner.login, ClientID: a.clientID, BotID: a.bot.id, Permissions: maps.Clone(a.permissions),
			Events: slices.Clone(a.events), WebhookURL: a.hookURL, WebhookSigned: a.hookSecret != ""}
		for _, id := range slices.Sorted(maps.Keys(s.installations)) {
			i := s.installations[id]
			if i.app != a {
				continue
			}
			have := InstallationState{ID: i.id, AppID: a.id, Account: i.account.login, All: i.all, Suspended: !i.suspended.IsZero()}
			for _, r := range s.covered(i) {
				have.Repositories = append(have.Repositories, r.fullName())
			}
			one.Installations = append(one.Installations, have)
		}
		a.queue.mu.Lock()
		one.Paused, one.Waiting, one.Delivered, one.Drop = a.queue.paused, len(a.queue.waiting), len(a.queue.past), a.queue.drop
		a.queue.mu.Unlock()
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b AppState) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Faults lists what can still fail, in the order in which faults are tried.
func (s *Server) Faults() []ActiveFault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	var out []ActiveFault
	for _, f := range s.faults.list {
		out = append(out, ActiveFault{ID: f.id, Fault: *f})
	}
	return out
}

// RemoveFault removes one fault by the ID that Faults lists.
func (s *Server) RemoveFault(id int64) error {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	i := slices.IndexFunc(s.faults.list, func(f *Fault) bool { return f.id == id })
	if i < 0 {
		return fmt.Errorf("no fault %d", id)
	}
	s.faults.list = slices.Delete(slices.Clone(s.faults.list), i, i+1)
	return nil
}

// Knobs are the measures as they are set now.
func (s *Server) Knobs() Knobs {
	delay := s.faults.apiDelay()
	s.mu.Lock()
	defer s.mu.Unlock()
	return Knobs{Delay: delay, IndexLag: s.indexLag, RateLimit: s.limit}
}

// PullFile is a file that a pull request changes.
type PullFile struct {
	Path, From           string // From is the former path of a renamed file
	Status               string // added, removed, modified, renamed, changed
	Additions, Deletions int
	Patch                string // hunks of a unified diff; "" for binary files
}

// PullFiles lists what a pull request changes since it left its base.
func (s *Server) PullFiles(repo string, number int) ([]PullFile, error) {
	pr, err := s.findPull(repo, number)
	if err != nil {
		return nil, err
	}
	if err := s.fresh(s.ctx, pr); err != nil {
		return nil, err
	}
	s.mu.Lock()
	from, head := pr.mergeBase, pr.headSHA
	s.mu.Unlock()
	if from == "" {
		return nil, nil
	}
	changes, err := pr.repo.git.diff(s.ctx, from, head, true)
	if err != nil {
		return nil, fmt.Errorf("files of #%d: %w", number, err)
	}
	var out []PullFile
	for _, c := range changes {
		out = append(out, PullFile{Path: c.path, From: c.oldPath, Status: c.status, Additions: c.additions, Deletions: c.deletions, Patch: c.patch})
	}
	return out, nil
}
