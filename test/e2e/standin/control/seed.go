package control

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control/wire"
)

// Seed is a document that fills a stand-in. Later parts may name what earlier parts make, and what was
// there before.
type Seed struct {
	Users         []SeedUser
	Organizations []SeedOrganization
	Repositories  []SeedRepository
	Apps          []SeedApp
	Pulls         []SeedPull
}

// SeedUser is a person.
type SeedUser struct {
	Login  string `wire:"required" doc:"of the person"`
	Name   string
	Emails []string
}

// SeedOrganization is an organisation with its teams.
type SeedOrganization struct {
	Login  string `wire:"required" doc:"of the organization"`
	Owners []string
	Teams  []SeedTeam
}

// SeedTeam is a team.
type SeedTeam struct {
	Slug    string `wire:"required" doc:"name, or parent/name below an earlier team"`
	Members []string
	Invited []string          `doc:"pending members, who do not count"`
	Grants  map[string]string `doc:"repository (owner/name) to role"`
}

// SeedRepository is a repository with its first commit.
type SeedRepository struct {
	Name string `wire:"required" doc:"owner/name"`
	standin.RepositoryOptions
}

// SeedApp is an App with its installations.
type SeedApp struct {
	newApp
	Installations []SeedInstallation
}

// SeedInstallation puts an App on an account.
type SeedInstallation struct {
	Account      string   `wire:"required" doc:"person or organization"`
	Repositories []string `doc:"names without the owner; all when there is none"`
}

// SeedPull is an open pull request.
type SeedPull struct {
	Repository string `wire:"required" doc:"owner/name"`
	Author     string `wire:"required" doc:"login"`
	SeedProposal
	Reviewers []string `doc:"logins, and teams as org/slug"`
	Reviews   []SeedReview
	Comments  []SeedComment
}

// SeedProposal is what a pull request proposes.
type SeedProposal struct {
	Branch, Base, Title, Body string
	Draft                     bool
	HeadRepo                  string            `doc:"a fork, owner/name"`
	Files                     map[string]string `doc:"path to content"`
	Delete                    []string          `doc:"paths"`
	Message                   string
}

// SeedReview is a review of the head.
type SeedReview struct {
	As    string `wire:"required" doc:"login"`
	Event string `wire:"required" doc:"APPROVE, REQUEST_CHANGES or COMMENT"`
	Body  string
}

// SeedComment is a comment.
type SeedComment struct {
	As   string `wire:"required" doc:"login"`
	Body string `wire:"required" doc:"text"`
}

// Seeded is what a seed made. It holds the tokens and keys of what is new.
type Seeded struct {
	Users         []NewUser
	Organizations []string
	Repositories  []standin.Repository
	Apps          []SeededApp
	Pulls         []SeededPull
}

// SeededApp is an App that a seed made.
type SeededApp struct {
	NewApp
	Installations []int64
}

// SeededPull is a pull request that a seed made.
type SeededPull struct {
	Repository string
	standin.OpenedPull
	Reviews []int64
}

// ReadSeed reads YAML or JSON as strictly as the API reads requests.
func ReadSeed(text []byte) (Seed, error) {
	if len(text) > maxBody {
		return Seed{}, problemf(413, "the seed has more than %d bytes", maxBody)
	}
	var plain any
	if err := yaml.Unmarshal(text, &plain); err != nil {
		return Seed{}, problemf(400, "the seed is neither YAML nor JSON: %v", err)
	}
	if plain == nil {
		return Seed{}, problemf(400, "the seed is empty")
	}
	// Keys that are not texts, and values JSON has no word for, end here.
	asJSON, err := json.Marshal(plain)
	if err != nil {
		return Seed{}, problemf(400, "the seed cannot be written as JSON: %v; keys must be texts", err)
	}
	var seed Seed
	if err := wire.Unmarshal(asJSON, &seed); err != nil {
		return Seed{}, err
	}
	return seed, nil
}

// document is a body that is read by ReadSeed and not as JSON.
type document struct{ Text []byte }

func (a *API) seed(ctx context.Context, in document) (Seeded, error) {
	seed, err := ReadSeed(in.Text)
	if err != nil {
		return Seeded{}, err
	}
	return a.Apply(ctx, seed)
}

// Apply makes what a seed names. It checks first that none of it exists and that every name in it is
// known, and does nothing otherwise. What GitHub would refuse is found only when it is tried: the error
// then says what was made until then.
func (a *API) Apply(ctx context.Context, seed Seed) (Seeded, error) {
	if err := a.checkSeed(seed); err != nil {
		return Seeded{}, err
	}
	out := Seeded{}
	for _, step := range []func(context.Context, Seed, *Seeded) error{a.seedPeople, a.seedRepositories, a.seedApps, a.seedPulls} {
		if err := step(ctx, seed, &out); err != nil {
			return Seeded{}, problemf(422, "the seed stopped halfway: %v; made until then: %s", err, out.made())
		}
	}
	return out, nil
}

// made lists what exists now, for people.
func (d Seeded) made() string {
	var names []string
	for _, u := range d.Users {
		names = append(names, "user "+u.Login)
	}
	for _, o := range d.Organizations {
		names = append(names, "organization "+o)
	}
	for _, r := range d.Repositories {
		names = append(names, "repository "+r.Name)
	}
	for _, app := range d.Apps {
		names = append(names, "app "+app.Slug)
	}
	for _, pr := range d.Pulls {
		names = append(names, fmt.Sprintf("%s#%d", pr.Repository, pr.Number))
	}
	return list(names)
}

func (a *API) seedPeople(ctx context.Context, seed Seed, out *Seeded) error {
	for i, u := range seed.Users {
		made, err := a.createUser(ctx, inUser(u))
		if err != nil {
			return at("users", i, err)
		}
		out.Users = append(out.Users, made)
	}
	for i, o := range seed.Organizations {
		if _, err := a.s.CreateOrganization(o.Login, o.Owners...); err != nil {
			return at("organizations", i, err)
		}
		out.Organizations = append(out.Organizations, o.Login)
		for j, t := range o.Teams {
			if _, err := a.s.CreateTeam(o.Login, t.Slug, t.Members...); err != nil {
				return at("organizations", i, at("teams", j, err))
			}
			for _, login := range t.Invited {
				if err := a.s.InviteTeamMember(o.Login, ownSlug(t.Slug), login); err != nil {
					return at("organizations", i, at("teams", j, err))
				}
			}
		}
	}
	return nil
}

// ownSlug is the last part of "parent/slug".
func ownSlug(slug string) string { return slug[strings.LastIndexByte(slug, '/')+1:] }

func at(what string, i int, err error) error { return fmt.Errorf("%s[%d]: %w", what, i, err) }

func (a *API) seedRepositories(_ context.Context, seed Seed, out *Seeded) error {
	for i, r := range seed.Repositories {
		owner, name, _ := strings.Cut(r.Name, "/")
		made, err := a.s.CreateRepository(owner, name, r.RepositoryOptions)
		if err != nil {
			return at("repositories", i, err)
		}
		out.Repositories = append(out.Repositories, made)
	}
	for i, o := range seed.Organizations {
		for j, t := range o.Teams {
			for _, repo := range slices.Sorted(maps.Keys(t.Grants)) {
				if err := a.s.GrantTeam(o.Login, ownSlug(t.Slug), repo, t.Grants[repo]); err != nil {
					return at("organizations", i, at("teams", j, err))
				}
			}
		}
	}
	return nil
}

func (a *API) seedApps(ctx context.Context, seed Seed, out *Seeded) error {
	for i, one := range seed.Apps {
		made, err := a.createApp(ctx, one.newApp)
		if err != nil {
			return at("apps", i, err)
		}
		app := SeededApp{NewApp: made}
		for j, where := range one.Installations {
			id, err := a.s.Install(made.ID, where.Account, where.Repositories...)
			if err != nil {
				return at("apps", i, at("installations", j, err))
			}
			app.Installations = append(app.Installations, id)
		}
		out.Apps = append(out.Apps, app)
	}
	return nil
}

func (a *API) seedPulls(_ context.Context, seed Seed, out *Seeded) error {
	for i, one := range seed.Pulls {
		p := one.SeedProposal
		opened, err := a.s.As(one.Author).OpenPull(one.Repository, standin.PullOptions{Branch: p.Branch, Base: p.Base, Title: p.Title, Body: p.Body,
			Draft: p.Draft, HeadRepo: p.HeadRepo, Change: standin.Change{Files: p.Files, Delete: p.Delete, Message: p.Message}})
		if err != nil {
			return at("pulls", i, err)
		}
		pr := SeededPull{Repository: one.Repository, OpenedPull: opened}
		if len(one.Reviewers) > 0 {
			if err := a.s.As(one.Author).RequestReview(one.Repository, opened.Number, one.Reviewers...); err != nil {
				return at("pulls", i, err)
			}
		}
		for j, v := range one.Reviews {
			id, err := a.s.As(v.As).Review(one.Repository, opened.Number, v.Event, v.Body)
			if err != nil {
				return at("pulls", i, at("reviews", j, err))
			}
			pr.Reviews = append(pr.Reviews, id)
		}
		for j, c := range one.Comments {
			if _, err := a.s.As(c.As).Comment(one.Repository, opened.Number, c.Body); err != nil {
				return at("pulls", i, at("comments", j, err))
			}
		}
		out.Pulls = append(out.Pulls, pr)
	}
	return nil
}

// WithoutSecrets is a copy that can be printed.
func (d Seeded) WithoutSecrets() Seeded {
	d.Users, d.Apps = slices.Clone(d.Users), slices.Clone(d.Apps)
	for i := range d.Users {
		d.Users[i].Token = ""
	}
	for i := range d.Apps {
		d.Apps[i].PrivateKeyPEM = nil
	}
	return d
}
