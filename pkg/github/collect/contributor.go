package collect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// maxPullCommits bounds the commits of a pull request in GitHub's list, which
// ends there without a word. The commits themselves come from the mirror, which
// has all of them; an address that only commits beyond the bound have stays
// without an account.
const maxPullCommits = 250

// The roles of a Contributor.
const (
	roleAuthor    = "author"
	roleCommitter = "committer"
	roleCoAuthor  = "co-author"
)

type contributorKey struct {
	repository int64
	number     int
	head       approval.SHA
	exclude    approval.SHA
}

// contributorsOf lists everybody who had a part in the commits of the pull
// request, those behind second parents included, and leaves out what the base
// branch had already.
func (c *Collector) contributorsOf(ctx context.Context, r *repo, p pull, exclude approval.SHA) (contributors, error) {
	key := contributorKey{r.id, p.number, p.head, exclude}
	return c.contributors.get(ctx, key, func(ctx context.Context) (contributors, time.Duration, error) {
		commits, err := r.mirror.Commits(ctx, p.head, exclude)
		if err != nil {
			return contributors{}, 0, fmt.Errorf("list the commits of #%d: %w", p.number, err)
		}
		parts := c.parts(commits)
		if err := c.identify(ctx, r, p, parts, commits); err != nil {
			return contributors{}, 0, err
		}
		life := forever
		out := contributors{all: make([]approval.Contributor, len(parts)), first: firstOf(commits)}
		for i, part := range parts {
			out.all[i] = part.Contributor
			if part.User == nil {
				life = c.people // the address may get an account
			}
		}
		return out, life, nil
	})
}

// contributors are those of a pull request, and when its oldest commit was made.
type contributors struct {
	all   []approval.Contributor
	first time.Time
}

// firstOf is when the oldest of some commits was made; zero when nobody can tell, since the
// date of one cannot be read.
func firstOf(commits []mirror.Commit) time.Time {
	var first time.Time
	for i, commit := range commits {
		if commit.Author.When.IsZero() {
			return time.Time{}
		}
		if at := commit.Author.When.UTC(); i == 0 || at.Before(first) {
			first = at
		}
	}
	return first
}

// part is a contributor with the address under which accounts are looked up.
type part struct {
	approval.Contributor
	address string // in lower case
}

// parts lists each address once for each role, with the newest commit.
func (c *Collector) parts(commits []mirror.Commit) []*part {
	var out []*part
	seen := map[[2]string]bool{}
	add := func(role string, s mirror.Signature, commit approval.SHA) {
		address := strings.ToLower(s.Email)
		name := s.Email
		if name == "" {
			name = s.Name
		}
		key := [2]string{role, strings.ToLower(name)}
		if seen[key] {
			return
		}
		seen[key] = true
		out = append(out, &part{approval.Contributor{Email: name, Role: role, Commit: commit}, address})
	}
	for _, commit := range commits {
		add(roleAuthor, commit.Author, commit.SHA)
		// GitHub itself commits what people do in its pages: they are the authors
		// then. As an author this address would hide a person, so it is left out
		// as a committer only.
		if !c.isGitHub(strings.ToLower(commit.Committer.Email)) {
			add(roleCommitter, commit.Committer, commit.SHA)
		}
		for _, s := range commit.CoAuthors {
			add(roleCoAuthor, s, commit.SHA)
		}
	}
	return out
}

// identify finds the accounts of the addresses. What GitHub says of the commits
// of the pull request comes first, one list for all of them. For what is left,
// co-authors mostly, it is asked about the number in an address that it made up,
// and about other commits with the address. The first address that belongs to
// nobody ends that: nothing can be approved then, whoever the others are, and a
// pull request could name any number of them. They stay without an account too.
func (c *Collector) identify(ctx context.Context, r *repo, p pull, parts []*part, commits []mirror.Commit) error {
	for _, part := range parts {
		// The number in an address that GitHub made up is the identity, and that
		// there is such an account is known of the pull request's author.
		if id, ok := noReplyID(part.address, c.noReply); ok && approval.UserID(id) == p.author.ID {
			part.User = &approval.User{ID: p.author.ID, Login: p.author.Login, Type: p.author.Type}
		}
	}
	c.remind(ctx, r, commits)
	c.recallCommits(r, parts, commits)
	if err := c.learn(ctx, r, p, parts, commits); err != nil {
		return err
	}
	for _, part := range parts {
		if c.recall(part) {
			continue
		}
		if c.isStranger(part.address) {
			break
		}
		u, err := c.ask(ctx, r, p, part.address)
		if err != nil {
			return err
		}
		if u.ID == 0 {
			c.strangers.put(part.address, true, c.people)
			break
		}
		c.emails.put(part.address, u, c.people)
		part.User = &u
	}
	for _, part := range parts {
		c.recall(part) // behind a stranger, whoever is known all the same
	}
	return nil
}

// learn reads whose the addresses of authors and committers are, unless that is
// known of all of them. Pull requests that wait for the same address at the same
// time wait for one list, that of one of them.
func (c *Collector) learn(ctx context.Context, r *repo, p pull, parts []*part, commits []mirror.Commit) error {
	for {
		unknown := slices.IndexFunc(parts, func(part *part) bool {
			return part.Role != roleCoAuthor && !c.recall(part) && !c.isStranger(part.address)
		})
		if unknown < 0 {
			return nil
		}
		var mine atomic.Bool
		_, err := c.learning.get(ctx, learningKey{r.id, parts[unknown].address}, func(ctx context.Context) (bool, time.Duration, error) {
			mine.Store(true)
			return true, -1, c.learnFromPull(ctx, r, p, commits)
		})
		if err != nil {
			return err
		}
		c.recallCommits(r, parts, commits)
		if mine.Load() {
			return nil
		}
	}
}

// learningKey names what a list of commits is read for.
type learningKey struct {
	repository int64
	address    string
}

// accounts are those that GitHub gave for a commit. They are kept as long as the
// contributors of a pull request are once all of them are known, so that what
// they are left out from (the base branch moves on) does not make them unknown.
type accounts struct{ author, committer approval.User }

type accountsKey struct {
	repository int64
	commit     approval.SHA
}

// recallCommits takes what is known of the commits themselves.
func (c *Collector) recallCommits(r *repo, parts []*part, commits []mirror.Commit) {
	known := map[string]approval.User{}
	add := func(s mirror.Signature, u approval.User) {
		if u.ID > 0 {
			known[strings.ToLower(s.Email)] = u
		}
	}
	for _, commit := range commits {
		if a, ok := c.accounts.peek(accountsKey{r.id, commit.SHA}); ok {
			add(commit.Author, a.author)
			add(commit.Committer, a.committer)
		}
	}
	for _, part := range parts {
		if u := known[part.address]; part.User == nil && u.ID > 0 && !c.isGitHub(part.address) {
			part.User = &u
		}
	}
}

// isStranger is true for addresses that are known to have no account. GitHub's
// own has one, but it is nobody's.
func (c *Collector) isStranger(address string) bool {
	if address == "" || c.isGitHub(address) {
		return true
	}
	_, ok := c.strangers.peek(address)
	return ok
}

// isGitHub recognizes the address under which GitHub itself commits. A server of
// one's own uses its own host; commits that were made on github.com come along
// when a repository moves there.
func (c *Collector) isGitHub(address string) bool {
	return address == "noreply@github.com" || address == "noreply@"+c.noReply
}

func (c *Collector) recall(p *part) bool {
	if p.User == nil {
		if u, ok := c.emails.peek(p.address); ok {
			p.User = &u
		}
	}
	return p.User != nil
}

// learnFromPull reads whose the addresses of the pull request's commits are. It
// goes by the commits' names, and takes the addresses from the mirror.
func (c *Collector) learnFromPull(ctx context.Context, r *repo, p pull, commits []mirror.Commit) error {
	answers, err := github.All(maxPullCommits, func(o gh.ListOptions) ([]*gh.RepositoryCommit, *gh.Response, error) {
		return r.client.API().PullRequests.ListCommits(ctx, r.name.Owner(), r.name.Name(), p.number, &o)
	})
	if err != nil {
		return github.Wrap(fmt.Sprintf("list the commits of #%d", p.number), r.name, err)
	}
	bySHA := make(map[approval.SHA]*gh.RepositoryCommit, len(answers))
	for _, a := range answers {
		bySHA[approval.SHA(a.GetSHA())] = a
	}
	learn := func(email string, u *gh.User) {
		address := strings.ToLower(email)
		switch who := person(u); {
		case c.isStranger(address):
		case who != nil:
			c.emails.put(address, *who, c.people)
		default:
			c.strangers.put(address, true, c.people)
		}
	}
	var keep []approval.CommitAccounts
	for _, commit := range commits {
		if a := bySHA[commit.SHA]; a != nil {
			learn(commit.Author.Email, a.GetAuthor())
			learn(commit.Committer.Email, a.GetCommitter())
			told := accounts{zeroIfNil(person(a.GetAuthor())), zeroIfNil(person(a.GetCommitter()))}
			c.accounts.put(accountsKey{r.id, commit.SHA}, told, forever)
			keep = append(keep, approval.CommitAccounts{Commit: commit.SHA, Author: told.author, Committer: told.committer})
		}
	}
	if len(keep) == 0 {
		return nil
	}
	if err := c.memory.SaveAccounts(ctx, r.id, keep); err != nil { // it will cost a call
		c.log.LogAttrs(ctx, slog.LevelWarn, "memory_write_failed", slog.String("repository", string(r.name)), slog.String("kind", "accounts"), slog.Int("pull", p.number), slog.Any("error", err))
	}
	return nil
}

func zeroIfNil(u *approval.User) approval.User {
	if u == nil {
		return approval.User{}
	}
	return *u
}

// remind takes from the memory the accounts of commits that this process does not
// know. What cannot be read is not known, so GitHub is asked.
func (c *Collector) remind(ctx context.Context, r *repo, commits []mirror.Commit) {
	var unknown []approval.SHA
	for _, commit := range commits {
		if _, ok := c.accounts.peek(accountsKey{r.id, commit.SHA}); !ok {
			unknown = append(unknown, commit.SHA)
		}
	}
	if len(unknown) == 0 {
		return
	}
	kept, err := c.memory.Accounts(ctx, r.id, unknown)
	if err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "accounts_read_failed", slog.String("repository", string(r.name)), slog.Any("error", err))
		return
	}
	for _, a := range kept {
		c.accounts.put(accountsKey{r.id, a.Commit}, accounts{a.Author, a.Committer}, forever)
	}
}

// ask looks up one address. The zero User means that no account can be found.
func (c *Collector) ask(ctx context.Context, r *repo, p pull, address string) (approval.User, error) {
	if id, ok := noReplyID(address, c.noReply); ok {
		return readUserByID(ctx, r, id)
	}
	return readUserByCommit(ctx, r, p, address)
}

// noReplyID reads the number in an address that GitHub made up for a person,
// ID+LOGIN@users.noreply.HOST. The number is the identity: the login may have
// been renamed since. Anybody can write any number, so GitHub is asked whether
// there is such an account.
func noReplyID(address, host string) (int64, bool) {
	local, ok := strings.CutSuffix(address, "@users.noreply."+host)
	if !ok {
		return 0, false
	}
	number, _, ok := strings.Cut(local, "+")
	if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
		return 0, false
	}
	id, err := strconv.ParseInt(number, 10, 64)
	return id, err == nil && id > 0
}

func readUserByID(ctx context.Context, r *repo, id int64) (approval.User, error) {
	u, _, err := r.client.API().Users.GetByID(ctx, id)
	switch err = github.Wrap(fmt.Sprintf("read user %d", id), "", err); {
	case errors.Is(err, approval.ErrNotFound):
		return approval.User{}, nil
	case err != nil:
		return approval.User{}, err
	case u.GetID() != id:
		return approval.User{}, fmt.Errorf("GitHub was asked for user %d and answered with %d", id, u.GetID())
	}
	return *person(u), nil
}

// readUserByCommit finds out whose an address is from the newest commit that
// has it as its author. Co-authors are not in any answer of the REST API, but
// most have written a commit of their own.
func readUserByCommit(ctx context.Context, r *repo, p pull, address string) (approval.User, error) {
	if !strings.Contains(address, "@") {
		// GitHub would take it for a login, which whoever wrote it could choose.
		return approval.User{}, nil
	}
	op := "find a commit by " + address
	query := url.Values{"sha": {string(p.head)}, "author": {address}, "per_page": {"1"}}
	var found []*gh.RepositoryCommit
	path := fmt.Sprintf("repos/%s/%s/commits?%s", r.name.Owner(), r.name.Name(), query.Encode())
	if _, err := r.client.Get(ctx, op, path, &found); err != nil {
		return approval.User{}, err
	}
	if len(found) == 0 || !strings.EqualFold(found[0].GetCommit().GetAuthor().GetEmail(), address) {
		return approval.User{}, nil
	}
	if u := person(found[0].GetAuthor()); u != nil {
		return *u, nil
	}
	return approval.User{}, nil
}
