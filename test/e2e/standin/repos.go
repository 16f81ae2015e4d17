package standin

import (
	"fmt"
	"path/filepath"
	"regexp"
	"sync"
)

// RepositoryOptions describe a new repository.
type RepositoryOptions struct {
	DefaultBranch string            // "main" when empty
	Public        bool              // repositories are private unless this is set
	Files         map[string]string // of the first commit; a README.md when empty
	Author        string            // login of the first commit's author; its owner when empty
	Collaborators map[string]string // login to role: read, triage, write, maintain, admin
	Merging       MergeSettings
}

// Repository is a created repository.
type Repository struct {
	ID       int64
	Name     string // owner/name, as control calls want it
	CloneURL string
	GitDir   string // the bare repository; look, do not write
	Head     string // first commit
}

var repositoryName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// CreateRepository makes a repository with one commit on its default branch.
func (s *Server) CreateRepository(owner, name string, o RepositoryOptions) (Repository, error) {
	fail := func(err error) (Repository, error) {
		return Repository{}, fmt.Errorf("create repository %s/%s: %w", owner, name, err)
	}
	if o.DefaultBranch == "" {
		o.DefaultBranch = "main"
	}
	if len(o.Files) == 0 {
		o.Files = map[string]string{"README.md": "# " + name + "\n"}
	}
	r, author, err := s.newRepository(owner, name, o)
	if err != nil {
		return fail(err)
	}
	if r.git, err = initGit(s.ctx, r.git.dir, filepath.Join(s.dir, "home"), o.DefaultBranch); err != nil {
		return fail(err)
	}
	who := signature{author.identity(), s.now()}
	head, err := r.git.write(s.ctx, newCommit{ref: "refs/heads/" + o.DefaultBranch, author: who, committer: who,
		change: Change{Files: o.Files, Message: "Initial commit"}})
	if err != nil {
		return fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recordRef(r, author, refChange{"refs/heads/" + o.DefaultBranch, zeroSHA, head}, "branch_creation")
	if err := s.publish(r); err != nil {
		return fail(err)
	}
	return s.exported(r, head), nil
}

func (s *Server) exported(r *repository, head string) Repository {
	return Repository{ID: r.id, Name: r.fullName(), CloneURL: r.links.CloneURL, GitDir: r.git.dir, Head: head}
}

// newRepository checks the options; the repository is not visible yet.
func (s *Server) newRepository(owner, name string, o RepositoryOptions) (*repository, *account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.logins[fold(owner)]
	if a == nil || a.kind == "Bot" {
		return nil, nil, fmt.Errorf("no account %q", owner)
	}
	if !repositoryName.MatchString(name) || name == "." || name == ".." {
		return nil, nil, fmt.Errorf("name %q is not allowed", name)
	}
	author := a
	if o.Author != "" {
		if author = s.logins[fold(o.Author)]; author == nil {
			return nil, nil, fmt.Errorf("no user %q", o.Author)
		}
	}
	merging, err := o.Merging.filled()
	if err != nil {
		return nil, nil, err
	}
	r := &repository{merging: merging, queues: map[string]*mergeQueue{}, id: s.nextID("repository"), owner: a, name: name, private: !o.Public, defaultBranch: o.DefaultBranch,
		created: s.now(), collaborators: map[int64]role{}, refs: map[string]string{}, pulls: map[int]*pull{}, work: &sync.Mutex{}}
	for login, roleName := range o.Collaborators {
		people, err := s.people([]string{login})
		if err != nil {
			return nil, nil, err
		}
		role, ok := parseRole(roleName)
		if !ok {
			return nil, nil, fmt.Errorf("role %q of %s", roleName, login)
		}
		r.collaborators[people[0].id] = role
	}
	r.links = s.newRepositoryLinks(r.fullName())
	r.git = &gitRepo{dir: filepath.Join(s.dir, "repos", itoa(r.id)+".git")}
	return r, author, nil
}

// publish makes the repository visible; it needs Server.mu.
func (s *Server) publish(r *repository) error {
	if other := s.names[fold(r.fullName())]; other != nil && fold(other.fullName()) == fold(r.fullName()) {
		return fmt.Errorf("the name is taken")
	}
	s.repos[r.id], s.names[fold(r.fullName())] = r, r
	return nil
}

// RenameRepository renames; the former name redirects (301, 307) until it is taken again.
func (s *Server) RenameRepository(repo, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.names[fold(repo)]
	if r == nil || !repositoryName.MatchString(name) {
		return fmt.Errorf("rename %s to %q: no such repository, or a bad name", repo, name)
	}
	from := r.name
	r.name = name
	r.links = s.newRepositoryLinks(r.fullName())
	if err := s.publish(r); err != nil {
		return err
	}
	s.emit(r, s.someOwner(r.owner), "repository", "renamed", map[string]any{"changes": map[string]any{"repository": map[string]any{"name": map[string]string{"from": from}}}})
	return nil
}

// find returns a repository by "owner/name".
func (s *Server) find(repo string) (*repository, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.names[fold(repo)]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("%w: no repository %q", ErrNotFound, repo)
}

// Branch is the commit at the tip of a branch, "" when there is no such branch.
func (s *Server) Branch(repo, branch string) (string, error) {
	r, err := s.find(repo)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.branch(branch), nil
}

// Fork copies a repository to a person, with its branches. Commits that are pushed to a fork can be
// fetched by name from the parent once a pull request proposes them, as on GitHub.
func (a As) Fork(repo string) (Repository, error) {
	s := a.s
	parent, err := s.find(repo)
	if err != nil {
		return Repository{}, err
	}
	act, err := a.actor()
	if err != nil {
		return Repository{}, err
	}
	fork, _, err := s.newRepository(a.login, parent.name, RepositoryOptions{DefaultBranch: parent.defaultBranch, Public: !parent.private})
	if err != nil {
		return Repository{}, fmt.Errorf("fork %s: %w", repo, err)
	}
	fork.parent, fork.work = parent, parent.work
	parent.work.Lock()
	defer parent.work.Unlock()
	if fork.git, err = initGit(s.ctx, fork.git.dir, filepath.Join(s.dir, "home"), fork.defaultBranch); err != nil {
		return Repository{}, err
	}
	if _, err := fork.git.line(s.ctx, "fetch", "--quiet", parent.git.dir, "refs/heads/*:refs/heads/*"); err != nil {
		return Repository{}, fmt.Errorf("fork %s: %w", repo, err)
	}
	refs, err := fork.git.refs(s.ctx)
	if err != nil {
		return Repository{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.needs(act, parent, roleRead); err != nil {
		return Repository{}, err
	}
	fork.refs, fork.pushed = refs, s.now()
	if err := s.publish(fork); err != nil {
		return Repository{}, fmt.Errorf("fork %s: %w", repo, err)
	}
	return s.exported(fork, fork.branch(fork.defaultBranch)), nil
}

func (s *Server) getRepository(c *call) (any, error) {
	return s.fullRepository(c.repo, c.actor), nil
}
