package standin

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// stamp is a time in GitHub's form: RFC 3339, UTC, whole seconds; the zero time is null.
type stamp time.Time

// MarshalJSON implements json.Marshaler.
func (t stamp) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(time.Time(t).UTC().Format("2006-01-02T15:04:05Z"))
}

// role is a repository role; the order is the order of power.
type role int

const (
	roleNone role = iota
	roleRead
	roleTriage
	roleWrite
	roleMaintain
	roleAdmin
)

var roleNames = [...]string{"none", "read", "triage", "write", "maintain", "admin"}

func (r role) String() string { return roleNames[r] }

// legacy is the value of "permission", which knows four levels only.
func (r role) legacy() string {
	switch r {
	case roleTriage:
		return "read"
	case roleMaintain:
		return "write"
	default:
		return r.String()
	}
}

func parseRole(s string) (role, bool) {
	switch s {
	case "pull":
		s = "read"
	case "push":
		s = "write"
	}
	for i, name := range roleNames {
		if name == s && i > 0 {
			return role(i), true
		}
	}
	return roleNone, false
}

// account is a person, an organisation, or the bot of an App.
type account struct {
	id      int64
	login   string
	name    string
	kind    string // User, Organization, Bot
	emails  []string
	created time.Time
	view    *userJSON

	// Organisations only.
	owners   map[int64]bool
	members  map[int64]bool
	teams    []*team
	base     role // of members on the organisation's repositories
	pending  map[int64]bool
	rulesets []*ruleset
}

// identity is what the person's commits carry.
func (a *account) identity() Identity {
	id := Identity{Name: a.name, Email: itoa(a.id) + "+" + a.login + "@users.noreply.github.com"}
	if id.Name == "" {
		id.Name = a.login
	}
	if len(a.emails) > 0 {
		id.Email = a.emails[0]
	}
	return id
}

type team struct {
	id      int64
	slug    string
	org     *account
	parent  *team
	members map[int64]string // user ID to "active" or "pending"
	grants  map[int64]role   // repository ID to role
	created time.Time
}

// repository is a repository with its git data. work serialises everything that moves references in
// a network of forks; it is taken before Server.mu, never the other way round.
type repository struct {
	id            int64
	owner         *account
	name          string
	private       bool
	defaultBranch string
	parent        *repository
	created       time.Time
	pushed        time.Time
	collaborators map[int64]role
	links         *repositoryLinks
	merging       MergeSettings
	queues        map[string]*mergeQueue // by branch

	work *sync.Mutex
	git  *gitRepo

	refs     map[string]string // what git has, as of the last change
	numbers  int               // last pull request number
	pulls    map[int]*pull
	activity []*activity // oldest first
	checks   []*checkRun
	suites   []*checkSuite
	statuses []*status

	protection  map[string]*protection // by branch; nil until there is one
	rulesets    []*ruleset
	deployments []*deployment
	labels      []*label
	archived    bool
}

func (r *repository) fullName() string { return r.owner.login + "/" + r.name }

func (r *repository) branch(name string) string { return r.refs["refs/heads/"+name] }

type activity struct {
	id     int64
	change refChange
	kind   string
	actor  *account
	at     time.Time
}

type pull struct {
	id          int64
	number      int
	repo        *repository // the base repository
	title, body string
	author      *account
	created     time.Time
	updated     time.Time
	closed      time.Time
	merged      time.Time
	mergedBy    *account
	draft       bool
	baseRef     string
	baseSHA     string
	headRepo    *repository
	headRef     string
	headSHA     string
	headPushed  time.Time
	reviewers   []*account
	teams       []*team
	reviews     []*review
	comments    []*comment
	history     []TimelineEvent

	// What git says of head against base; refreshed when stale.
	stale         bool
	mergeBase     string
	commits       []string // oldest first
	known         map[string]bool
	files         int
	additions     int
	deletions     int
	mergeable     bool
	mergeSHA      string   // the test merge before, the landed commit after the merge
	landed        []string // commits that the merge added to the base branch
	landedOnto    string   // the base branch before the merge
	maintainerCan bool

	ruleFacts
	issueSide
}

func (p *pull) state() string {
	if p.closed.IsZero() {
		return "open"
	}
	return "closed"
}

func (p *pull) headLabel() string { return p.headRepo.owner.login + ":" + p.headRef }

type review struct {
	id        int64
	pull      *pull
	author    *account // nil for a deleted user
	body      string
	state     string // as in REST
	commit    string // "" is null
	submitted time.Time
	updated   time.Time
	lines     []*lineComment
}

type comment struct {
	id      int64
	pull    *pull
	author  *account
	app     *app
	body    string
	created time.Time
	updated time.Time

	reactions []*reaction
}

type checkSuite struct {
	id      int64
	app     *app
	repo    *repository
	sha     string
	created time.Time
	suiteFacts
}

type checkRun struct {
	id         int64
	suite      *checkSuite
	name       string
	externalID *string
	detailsURL *string
	status     string
	conclusion *string
	started    time.Time
	completed  time.Time
	output     checkOutput
	actions    []checkAction
}

type status struct {
	id          int64
	sha         string
	state       string
	context     string
	description *string
	targetURL   *string
	creator     *account
	created     time.Time
}

type app struct {
	id          int64
	slug        string
	name        string
	owner       *account
	bot         *account
	clientID    string
	permissions map[string]string
	events      []string
	created     time.Time
	key         publicKey
	longTokens  bool
	details     AppDetails

	hookURL    string
	hookSecret string
	queue      *deliveryQueue
}

type installation struct {
	id        int64
	app       *app
	account   *account
	all       bool
	repos     map[int64]bool
	created   time.Time
	updated   time.Time
	suspended time.Time
}

func (i *installation) covers(r *repository) bool {
	return r.owner == i.account && (i.all || i.repos[r.id])
}

// token is a bearer token: of a person, or of an installation.
type token struct {
	user         *account
	installation *installation
	permissions  map[string]string
	repos        map[int64]bool // nil when not narrowed
	expires      time.Time      // zero when it does not expire
	minted       time.Time      // of an installation
}

// nextID counts per kind from a base, so that IDs of different kinds are easily told apart and the
// same sequence of calls gives the same IDs.
func (s *Server) nextID(kind string) int64 {
	bases := map[string]int64{
		"user": 1000, "team": 3000, "app": 100, "installation": 40000, "repository": 500000, "pull": 1700000,
		"review": 2600000, "comment": 3800000, "check_run": 7100000, "check_suite": 6100000, "status": 8200000,
		"activity": 9300000, "delivery": 12000000, "protection": 210000, "ruleset": 220000, "deployment": 230000,
		"deployment_status": 240000, "label": 250000, "reaction": 260000, "event": 270000, "line_comment": 280000,
	}
	s.counters[kind]++
	return bases[kind] + s.counters[kind]
}

// nodeID is an opaque GraphQL name.
func nodeID(prefix string, id int64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(id))
	return prefix + "_" + base64.RawURLEncoding.EncodeToString(b[:])
}

func fold(s string) string { return strings.ToLower(s) }

// roleOf is a person's effective role: owner, collaborator, team grants, base permission of the
// organisation, public repositories.
func (s *Server) roleOf(u *account, r *repository) role {
	best := roleNone
	if !r.private {
		best = roleRead
	}
	if u == nil {
		return best
	}
	if r.owner == u || r.owner.owners[u.id] {
		return roleAdmin
	}
	if r.owner.members[u.id] {
		best = max(best, r.owner.base)
	}
	best = max(best, r.collaborators[u.id])
	for _, t := range r.owner.teams {
		if t.has(u) {
			for up := t; up != nil; up = up.parent {
				best = max(best, up.grants[r.id])
			}
		}
	}
	return best
}

// has tells active membership of this very team.
func (t *team) has(u *account) bool { return t.members[u.id] == "active" }

// includes tells active membership of the team or of a team below it, as GitHub's member lists do.
func (t *team) includes(u *account) bool {
	for _, other := range t.org.teams {
		if !other.has(u) {
			continue
		}
		for up := other; up != nil; up = up.parent {
			if up == t {
				return true
			}
		}
	}
	return false
}
