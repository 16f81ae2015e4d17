package approval_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// parseFacts reads the facts of a golden case. One statement a line, indented
// as the writer likes; '#' starts a comment at the start of a line; quotes keep
// words together. What a statement does not say is as it should be: an account
// may write, a head was pushed by the author of its pull request, a review is
// of the head and one minute younger than the one before it.
//
//	team acme/sre alice bob           a team and its active members
//	user zoe                          an account that the policy names
//	role bob read                     what a reviewer may do; "unknown" for no fact
//	app automated deleting server=URL namespace=NS project=P unsupported="..."
//	source REPOSITORY TARGET READ...  a git source; the first replaces the default
//	chart URL                         a Helm source
//	missing "what" "why"
//	hold, window, opens, glass, shipped, ungated     see operate
//	spec adopted|committed WHO        how the spec was approved
//	spec never ["origin"] [PARENT]
//	spec changed WHO "origin" PARENT FIELD...   "-" for none
//
//	line REPOSITORY BRANCH [default] [rewritten]
//	  merge|squash|rebase|queue #7 "title" AUTHOR [mismatch="..."] [unproven] [base=BRANCH] [open]
//	  direct 1 "title"
//	                                  both: [unsettled="..."] [kind=...] [parent=SHA]
//	    change PATH BEFORE AFTER      "-" is an absent file, "->x" a symbolic link
//	    approve|reject|comment|dismissed LOGIN [old] [early] [same-second] [witnessed] [deleted]
//	    kept LOGIN                    the head before, of which "old" reviews are, pushed two
//	                                  hours before the head, which is a clean update of it
//	    pusher LOGIN|unknown
//	    unknown-push-time
//	    contributor LOGIN ROLE
//	    contributor unknown ROLE E-MAIL
func parseFacts(text string) (approval.Facts, error) {
	s := approved()
	p := factsParser{facts: approval.Facts{CollectedAt: s.CollectedAt, Application: s.Application}, roles: map[string]string{}}
	p.facts.Application.Operation, p.facts.Application.Deployed = nil, nil
	for n, line := range strings.Split(text, "\n") {
		if trimmed := strings.TrimSpace(line); trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		if err := p.statement(words(line)); err != nil {
			return approval.Facts{}, fmt.Errorf("facts.txt:%d: %q: %w", n+1, strings.TrimSpace(line), err)
		}
	}
	p.addRoles()
	for _, l := range p.facts.Lines {
		for i, landing := range l.Landings {
			l.Landings[i].Tree, l.Landings[i].ParentTree = treesOf(landing)
		}
	}
	return p.facts, nil
}

type factsParser struct {
	facts      approval.Facts
	roles      map[string]string
	ownSources bool
}

// words splits a line at white space outside double quotes, which are removed.
func words(line string) []string {
	var out []string
	var word strings.Builder
	quoted, started := false, false
	for _, r := range line + " " {
		switch {
		case r == '"':
			quoted, started = !quoted, true
		case (r == ' ' || r == '\t') && !quoted:
			if started {
				out = append(out, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(r)
			started = true
		}
	}
	return out
}

type option struct{ name, value string }

func options(words []string) []option {
	out := make([]option, 0, len(words))
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		out = append(out, option{name, value})
	}
	return out
}

func (p *factsParser) statement(w []string) error {
	arguments := map[string]int{
		"team": 2, "user": 2, "role": 3, "app": 1, "source": 3, "chart": 2, "missing": 3, "spec": 2, "line": 3,
		"merge": 4, "squash": 4, "rebase": 4, "queue": 4, "direct": 3, "change": 4,
		"hold": 4, "window": 3, "opens": 2, "glass": 3, "shipped": 3, "ungated": 3,
		"kept": 2, "approve": 2, "reject": 2, "comment": 2, "dismissed": 2, "pusher": 2, "unknown-push-time": 1, "contributor": 3,
	}
	if least, ok := arguments[w[0]]; !ok || len(w) < least {
		return fmt.Errorf("not a statement, or too short")
	}
	switch w[0] {
	case "team":
		team := approval.Team{Name: approval.TeamName(w[1])}
		for _, login := range w[2:] {
			team.Members = append(team.Members, person(login))
		}
		p.facts.Directory.Teams = append(p.facts.Directory.Teams, team)
	case "user":
		p.facts.Directory.Users = append(p.facts.Directory.Users, person(w[1]))
	case "role":
		p.roles[w[1]] = w[2]
	case "app":
		return p.app(options(w[1:]))
	case "source":
		p.source(approval.Source{
			Kind: approval.SourceGit, RepoURL: "https://github.com/" + w[1], Repository: approval.RepositoryName(w[1]), TargetRevision: w[2],
		}, w[3:])
	case "chart":
		p.source(approval.Source{Kind: approval.SourceHelm, RepoURL: w[1]}, nil)
	case "spec":
		return p.spec(w[1:])
	case "missing":
		p.facts.Missing = append(p.facts.Missing, approval.Missing{What: w[1], Why: w[2]})
	case "line":
		return p.line(w)
	case "hold", "window", "opens", "glass", "shipped", "ungated":
		return p.operate(w)
	case "merge", "squash", "rebase", "queue", "direct":
		return p.landing(w)
	case "change":
		landing := p.lastLanding()
		if landing == nil {
			return fmt.Errorf("no landing yet")
		}
		landing.Changes = append(landing.Changes, change(w[1], w[2], w[3]))
	default:
		return p.pull(w)
	}
	return nil
}

func (p *factsParser) app(opts []option) error {
	a := &p.facts.Application
	for _, o := range opts {
		switch o.name {
		case "automated":
			a.Automated = true
		case "deleting":
			a.Deleting = true
		case "unsupported":
			a.Unsupported = append(a.Unsupported, o.value)
		case "project":
			a.Project = o.value
		case "server":
			a.Server = o.value
		case "namespace":
			a.DestinationNamespace = o.value
		default:
			return fmt.Errorf("unknown option %s", o.name)
		}
	}
	return nil
}

func (p *factsParser) spec(w []string) error {
	word := func(i int) string {
		if i >= len(w) || w[i] == "-" {
			return ""
		}
		return w[i]
	}
	s := &approval.SpecEvidence{}
	switch w[0] {
	case "adopted", "committed":
		s.Approved, s.By = approval.SpecApproval(w[0]), word(1)
	case "never":
		s.Origin, s.Parent = word(1), word(2)
	case "changed":
		if len(w) < 5 {
			return fmt.Errorf("spec changed names who, an origin, a parent and fields")
		}
		s.By, s.Origin, s.Parent, s.Changed = word(1), word(2), word(3), w[4:]
	default:
		return fmt.Errorf("unknown spec %s", w[0])
	}
	p.facts.Spec = s
	return nil
}

func (p *factsParser) source(s approval.Source, reads []string) {
	if !p.ownSources {
		p.facts.Application.Sources, p.ownSources = nil, true
	}
	for _, path := range reads {
		s.Reads = append(s.Reads, approval.Read{Repository: s.Repository, Path: path})
	}
	p.facts.Application.Sources = append(p.facts.Application.Sources, s)
	p.facts.Application.MultiSource = len(p.facts.Application.Sources) > 1
}

// repositoryID is 1001 for acme/deploy, so that it fits build_test.go.
func repositoryID(name approval.RepositoryName) int64 {
	if name == "acme/deploy" {
		return 1001
	}
	return int64(person(string(name)).ID)
}

func (p *factsParser) line(w []string) error {
	l := deployLine()
	l.Repository, l.Branch, l.DefaultBranch = approval.RepositoryName(w[1]), w[2], false
	l.RepositoryID = repositoryID(l.Repository)
	for _, o := range options(w[3:]) {
		switch o.name {
		case "default":
			l.DefaultBranch = true
		case "rewritten":
			l.BaselineOnLine = false
		default:
			return fmt.Errorf("unknown option %s", o.name)
		}
	}
	p.facts.Lines = append(p.facts.Lines, l)
	return nil
}

func (p *factsParser) lastLine() *approval.Line {
	if len(p.facts.Lines) == 0 {
		return nil
	}
	return &p.facts.Lines[len(p.facts.Lines)-1]
}

func (p *factsParser) lastLanding() *approval.Landing {
	l := p.lastLine()
	if l == nil || len(l.Landings) == 0 {
		return nil
	}
	return &l.Landings[len(l.Landings)-1]
}

func (p *factsParser) landing(w []string) error {
	l := p.lastLine()
	if l == nil {
		return fmt.Errorf("no line yet")
	}
	number, err := strconv.Atoi(strings.TrimPrefix(w[1], "#"))
	if err != nil {
		return err
	}
	var landing *approval.Landing
	rest := w[3:]
	if w[0] == "direct" {
		landing = push(l, number)
	} else {
		pr := pull(number, w[3])
		pr.Repository, pr.BaseRepositoryID, pr.Base, pr.Title = l.Repository, l.RepositoryID, l.Branch, w[2]
		landing = land(l, pr)
		landing.Kind = approval.LandingKind(w[0])
		rest = w[4:]
	}
	landing.Title = w[2]
	for _, o := range options(rest) {
		switch o.name {
		case "mismatch":
			landing.Proof = approval.Proof{Result: approval.Mismatch, Detail: o.value}
		case "unproven":
			landing.Proof = approval.Proof{}
		case "unsettled":
			landing.Unsettled = o.value
		case "kind":
			landing.Kind = approval.LandingKind(o.value)
		case "parent":
			landing.Parent = sha(o.value)
		case "base":
			landing.Pull.Base = o.value
		case "open":
			landing.Pull.Merged = false
		default:
			return fmt.Errorf("unknown option %s", o.name)
		}
	}
	return nil
}

// pull reads what can be said about the last pull request.
func (p *factsParser) pull(w []string) error {
	landing := p.lastLanding()
	if landing == nil || landing.Pull == nil {
		return fmt.Errorf("no pull request yet")
	}
	pr := landing.Pull
	switch w[0] {
	case "pusher":
		if pr.Pusher = new(person(w[1])); w[1] == "unknown" {
			pr.Pusher = nil
		}
	case "kept":
		pr.Kept = append(pr.Kept, approval.KeptHead{Commit: oldHeadOf(pr.Number), PushedAt: pr.HeadPushedAt.Add(-2 * time.Hour), Pusher: person(w[1])})
	case "unknown-push-time":
		pr.HeadPushedAt = time.Time{}
	case "contributor":
		c := approval.Contributor{User: new(person(w[1])), Email: w[1] + "@example.com", Role: w[2], Commit: pr.Head}
		if w[1] == "unknown" {
			if len(w) < 4 {
				return fmt.Errorf("an unknown contributor has an e-mail address")
			}
			c.User, c.Email = nil, w[3]
		}
		pr.Contributors = append(pr.Contributors, c)
	default:
		states := map[string]approval.ReviewState{
			"approve": approval.ReviewApproved, "reject": approval.ReviewChangesRequested,
			"comment": approval.ReviewCommented, "dismissed": approval.ReviewDismissed,
		}
		r := review(pr, w[1], states[w[0]])
		for _, o := range options(w[2:]) {
			switch o.name {
			case "old":
				r.Commit = oldHeadOf(pr.Number)
			case "early":
				r.SubmittedAt = pr.HeadPushedAt.Add(-time.Minute)
			case "same-second":
				r.SubmittedAt = pr.HeadPushedAt
			case "witnessed":
				r.Witnessed = true
			case "deleted":
				r.User = nil
			default:
				return fmt.Errorf("unknown option %s", o.name)
			}
		}
		pr.Reviews = append(pr.Reviews, r)
	}
	return nil
}

// addRoles gives everybody who left a review the role that the case names, or
// the right to write.
func (p *factsParser) addRoles() {
	for _, l := range p.facts.Lines {
		for _, landing := range l.Landings {
			if landing.Pull == nil {
				continue
			}
			for _, r := range landing.Pull.Reviews {
				if r.User == nil {
					continue
				}
				role, named := p.roles[r.User.Login]
				if !named {
					role = "write"
				}
				fact := approval.RepositoryRole{RepositoryID: l.RepositoryID, User: r.User.ID, Role: role}
				if role != "unknown" && !slices.Contains(p.facts.Directory.Roles, fact) {
					p.facts.Directory.Roles = append(p.facts.Directory.Roles, fact)
				}
			}
		}
	}
}
