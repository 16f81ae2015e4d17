package access

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// Protection is what GitHub enforces on one branch.
type Protection struct {
	// Reviews is how many approvals a merge needs; 0 when none, or none is known.
	Reviews int
	// Pulls says that changes go through pull requests.
	Pulls bool
	// NoForcePush and NoDeletion say that the branch cannot be rewritten or deleted.
	NoForcePush, NoDeletion bool
	// DismissStale says that a push takes approvals away.
	DismissStale bool
	// Bypass are those who need not follow this, for people.
	Bypass []string
	// Hidden says what GitHub does not show to the App, and what would make it visible;
	// then what is false above is not known to be so.
	Hidden []Hidden
}

// Hidden is something that GitHub does not show.
type Hidden struct{ What, Remedy string }

// rule is one rule of a ruleset; parameters differ by type.
type rule struct {
	Type       string          `json:"type"`
	Parameters json.RawMessage `json:"parameters"`
	Ruleset    int64           `json:"ruleset_id"`
	SourceType string          `json:"ruleset_source_type"`
	Source     string          `json:"ruleset_source"`
}

type pullParameters struct {
	Count        int  `json:"required_approving_review_count"`
	DismissStale bool `json:"dismiss_stale_reviews_on_push"`
}

// Protection reads the rules of a branch: rulesets of repository and organisation,
// and classic protection. The error matches approval.ErrNotFound when there is no such
// branch. Permissions are those of the installation: what they do not cover is not
// asked for, since a refusal to a new token is only believed after some seconds.
func (r *Reader) Protection(ctx context.Context, name approval.RepositoryName, branch string, permissions map[string]string) (Protection, error) {
	var out Protection
	// A slash in a branch is escaped, or it would be another path.
	escaped := url.PathEscape(branch)
	var found struct {
		Protection struct {
			Enabled bool `json:"enabled"`
		} `json:"protection"`
	}
	if _, err := r.read(ctx, name, "read the branch "+branch, "/branches/"+escaped, &found); err != nil {
		return out, err
	}
	rules, err := github.All(maxRules, func(o gh.ListOptions) ([]rule, *gh.Response, error) {
		var page []rule
		resp, err := r.read(ctx, name, "list the rules of "+branch, "/rules/branches/"+escaped+"?"+query(o), &page)
		return page, resp, err
	})
	if err != nil {
		return out, err
	}
	var sets []rule
	for _, l := range rules {
		out.rule(l)
		if !slices.ContainsFunc(sets, func(s rule) bool { return s.Ruleset == l.Ruleset }) {
			sets = append(sets, l)
		}
	}
	for _, s := range sets {
		if err := r.bypass(ctx, name, s, &out); err != nil {
			return out, err
		}
	}
	if Covers(permissions["administration"], "read") {
		return out, r.classic(ctx, name, branch, &out)
	}
	// A branch is "protected" by a ruleset as well, so the older field is looked at.
	if found.Protection.Enabled {
		out.Hidden = append(out.Hidden, Hidden{
			What:   "the classic protection of " + branch,
			Remedy: "give the GitHub App the permission administration:read",
		})
	}
	return out, nil
}

func (p *Protection) rule(l rule) {
	switch l.Type {
	case "pull_request":
		p.Pulls = true
		var in pullParameters
		if json.Unmarshal(l.Parameters, &in) == nil {
			p.Reviews = max(p.Reviews, in.Count)
			p.DismissStale = p.DismissStale || in.DismissStale
		}
	case "merge_queue":
		p.Pulls = true
	case "non_fast_forward":
		p.NoForcePush = true
	case "deletion":
		p.NoDeletion = true
	}
}

// bypass reads who may go past a ruleset. An absent list is not an empty one.
func (r *Reader) bypass(ctx context.Context, name approval.RepositoryName, l rule, out *Protection) error {
	var set struct {
		Name   string `json:"name"`
		Bypass *[]struct {
			ID   int64  `json:"actor_id"`
			Type string `json:"actor_type"`
			Mode string `json:"bypass_mode"`
		} `json:"bypass_actors"`
		Links struct {
			HTML struct {
				Href string `json:"href"`
			} `json:"html"`
		} `json:"_links"`
	}
	_, err := r.read(ctx, name, "read a ruleset", "/rulesets/"+strconv.FormatInt(l.Ruleset, 10), &set)
	if err != nil && !refused(err) {
		return err
	}
	if err != nil || set.Bypass == nil {
		at := set.Links.HTML.Href
		if at == "" {
			at = "the settings of " + l.Source
		}
		out.Hidden = append(out.Hidden, Hidden{
			What:   "who may bypass the ruleset " + strconv.Quote(set.Name) + " of " + l.Source,
			Remedy: "GitHub shows that only to those who may change the ruleset: look at " + at,
		})
		return nil
	}
	for _, a := range *set.Bypass {
		out.Bypass = append(out.Bypass, actor(a.Type, a.ID)+" (ruleset "+set.Name+", "+a.Mode+")")
	}
	return nil
}

// actor names a bypass actor for people (GitHub REST documentation, "Repository
// rules": the IDs of the roles are 2 maintain, 4 write, 5 admin).
func actor(kind string, id int64) string {
	switch kind {
	case "OrganizationAdmin":
		return "owners of the organisation"
	case "RepositoryRole":
		if role := map[int64]string{2: "maintain", 4: "write", 5: "admin"}[id]; role != "" {
			return "everybody with the role " + role
		}
	case "DeployKey":
		return "deploy keys"
	}
	return strings.ToLower(kind) + " " + strconv.FormatInt(id, 10)
}

// classic reads the branch's classic protection, if there is any.
func (r *Reader) classic(ctx context.Context, name approval.RepositoryName, branch string, out *Protection) error {
	type actors struct {
		Users, Apps []struct {
			Login string `json:"login"`
			Slug  string `json:"slug"`
		}
		Teams []struct {
			Slug string `json:"slug"`
		}
	}
	var p struct {
		Reviews *struct {
			Count        int     `json:"required_approving_review_count"`
			DismissStale bool    `json:"dismiss_stale_reviews"`
			Bypass       *actors `json:"bypass_pull_request_allowances"`
		} `json:"required_pull_request_reviews"`
		EnforceAdmins struct{ Enabled bool } `json:"enforce_admins"`
		ForcePushes   struct{ Enabled bool } `json:"allow_force_pushes"`
		Deletions     struct{ Enabled bool } `json:"allow_deletions"`
	}
	_, err := r.read(ctx, name, "read the protection of "+branch, "/branches/"+url.PathEscape(branch)+"/protection", &p)
	switch e, _ := errors.AsType[*github.Error](err); {
	case err == nil:
	case e != nil && e.Status == http.StatusNotFound:
		return nil // GitHub: "Branch not protected"
	default:
		return err
	}
	if v := p.Reviews; v != nil {
		out.Pulls = true
		out.Reviews = max(out.Reviews, v.Count)
		out.DismissStale = out.DismissStale || v.DismissStale
		if b := v.Bypass; b != nil {
			for _, u := range b.Users {
				out.Bypass = append(out.Bypass, "user "+u.Login+" (branch protection)")
			}
			for _, t := range b.Teams {
				out.Bypass = append(out.Bypass, "team "+t.Slug+" (branch protection)")
			}
			for _, a := range b.Apps {
				out.Bypass = append(out.Bypass, "App "+a.Slug+" (branch protection)")
			}
		}
	}
	if !p.EnforceAdmins.Enabled {
		out.Bypass = append(out.Bypass, "admins of the repository (branch protection does not include them)")
	}
	out.NoForcePush = out.NoForcePush || !p.ForcePushes.Enabled
	out.NoDeletion = out.NoDeletion || !p.Deletions.Enabled
	return nil
}

// refused says whether GitHub would not show something to the App.
func refused(err error) bool {
	e, ok := errors.AsType[*github.Error](err)
	return ok && e.Status == http.StatusForbidden && !e.Limited
}
