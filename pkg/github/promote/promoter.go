package promote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// GitHub gives clients; *github.App does.
type GitHub interface {
	Client(ctx context.Context, repository approval.RepositoryName) (*github.Client, error)
}

// Options configure a Promoter.
type Options struct {
	GitHub GitHub
	// WebURL is where people see GitHub, for example https://github.com.
	WebURL string
	Logger *slog.Logger
}

// Promoter makes promotions. Safe for concurrent use; pull requests are written one
// after the other.
type Promoter struct {
	github GitHub
	web    *url.URL
	log    *slog.Logger
	turn   sync.Mutex
}

// New makes a Promoter and no request.
func New(o Options) (*Promoter, error) {
	web, err := url.Parse(strings.TrimSuffix(o.WebURL, "/"))
	if err != nil || web.Hostname() == "" || o.GitHub == nil || o.Logger == nil {
		return nil, errors.New("a promoter needs GitHub, its address and a logger")
	}
	return &Promoter{github: o.GitHub, web: web, log: o.Logger}, nil
}

// Plan is a promotion that was worked out. Nothing was written.
type Plan struct {
	Request Request
	// Base is the head of the protected branch, in which the files are changed.
	Base approval.SHA
	// Branch is where the change goes.
	Branch string
	// Setting are the files that change, and what was found on the way. There are no
	// files when To has all versions already.
	Setting imagediff.Setting
	// Title and Body are those of the pull request, Message of the commit.
	Title, Body, Message string

	tree approval.SHA
	edit string
	web  *url.URL
}

// Nothing says whether there is nothing to change.
func (p Plan) Nothing() bool { return len(p.Setting.Files) == 0 }

// BranchPrefix begins the names of all branches of promotions.
const BranchPrefix = "gatekeeper/promote/"

// BranchOf is the branch of promotions to an Application, namespace/name.
func BranchOf(target string) string {
	// git has no branch that ends in ".lock" (git-check-ref-format).
	if name, ok := strings.CutSuffix(target, ".lock"); ok {
		target = name + ".lock_"
	}
	return BranchPrefix + target
}

// Plan reads the files of To as they are on the protected branch and works out how they
// change. It writes nothing. An error wraps ErrRequest, ErrNoPlace, ErrTooMuch or one of
// imagediff's when somebody has to ask differently.
func (p *Promoter) Plan(ctx context.Context, r Request) (Plan, error) {
	if err := r.check(); err != nil {
		return Plan{}, err
	}
	wants, err := r.wants()
	if err != nil {
		return Plan{}, err
	}
	client, err := p.github.Client(ctx, r.Repository.Name)
	if err != nil {
		return Plan{}, fmt.Errorf("promote to %s: %w", r.To, err)
	}
	b, err := readBase(ctx, client, r.Repository.Branch)
	if err != nil {
		return Plan{}, err
	}
	contents, unread, err := (&reader{client: client, root: b.tree, cache: map[string][]entry{}}).contents(ctx, r)
	if err != nil {
		return Plan{}, err
	}
	setting, err := imagediff.SetVersions(contents, wants, r.Rules)
	if err != nil {
		return Plan{}, err
	}
	setting.Unread = append(setting.Unread, unread...)
	plan := Plan{Request: r, Base: b.commit, Branch: BranchOf(r.To), Setting: setting, tree: b.tree, edit: digestOf(setting.Files), web: p.web}
	if err := plan.placed(len(wants)); err != nil {
		return Plan{}, err
	}
	if !plan.Nothing() {
		plan.write([]approval.User{r.Asker})
	}
	return plan, nil
}

// placed says what is missing: everything, or something that was asked for by name.
func (p Plan) placed(wanted int) error {
	s := p.Setting
	if len(s.Missing) == 0 || len(p.Request.Only) == 0 && len(s.Missing) < wanted {
		return nil
	}
	var missing []string
	for _, w := range s.Missing {
		missing = append(missing, w.Repository)
	}
	text := fmt.Sprintf("of what %s alone is rendered from in %s, in the scope of its gate, nothing names %s",
		p.Request.To, p.Request.Repository.Name, strings.Join(missing, ", "))
	if len(s.Nameless) > 0 {
		var places []string
		for _, n := range s.Nameless[:min(len(s.Nameless), 10)] {
			places = append(places, fmt.Sprintf("%s (%s)", n, n.Version))
		}
		if len(s.Nameless) > 10 {
			places = append(places, "…")
		}
		text += "; these name an image without its repository, so one has to be meant as REPOSITORY=FILE:PATH: " + strings.Join(places, ", ")
	}
	return fmt.Errorf("%w: %s", ErrNoPlace, text)
}

// digestOf identifies an edit: the files, and what they were and are.
func digestOf(files []imagediff.File) string {
	h := sha256.New()
	for _, f := range files {
		_, _ = fmt.Fprintf(h, "%d:%s %s %s\n", len(f.Path), f.Path, blobSHA(f.Before), blobSHA(f.After)) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}
