package approval

import (
	"slices"
	"strings"
)

// Quorum is a list of requirements that must all hold.
type Quorum struct {
	Requirements []Requirement `json:"requirements"`
}

// Requirement asks for a number of approvals from named people. Who is meant is
// said by teams, users, a minimum role, or the CODEOWNERS file; whoever is in
// one of the teams or is one of the users is meant, and must have the role.
type Requirement struct {
	Name      string     `json:"name"`
	Approvals int        `json:"approvals"`
	Teams     []TeamName `json:"teams,omitempty"`
	// Users are logins; the directory says which accounts they are.
	Users []string `json:"users,omitempty"`
	// MinimumRole is the role that approvers must have in the repository: write,
	// maintain or admin. Empty means write. Without teams and users, everybody
	// with that role is meant.
	MinimumRole string `json:"minimumRole,omitempty"`
	// CodeOwners means the owners of the changed paths, by the CODEOWNERS file of
	// the base commit. Every changed path needs the number of approvals from its
	// own owners; teams and users stand in where a path has no owner.
	CodeOwners bool `json:"codeOwners,omitempty"`
	// Paths limit the requirement to changes of these paths; empty means every
	// change in the gate's scope. They are patterns like those of the scope.
	Paths []string `json:"paths,omitempty"`
	// Methods are the ways to approve; empty means reviews alone.
	Methods []Method `json:"methods,omitempty"`
}

// Method is a way to approve.
type Method string

// The ways to approve. The zero Method is a review.
const (
	MethodReview  Method = "review"
	MethodComment Method = "comment"
)

// accepts says whether an opinion given this way can fulfil the requirement.
func (r *Requirement) accepts(m Method) bool {
	if m == "" {
		m = MethodReview
	}
	if len(r.Methods) == 0 {
		return m == MethodReview
	}
	return slices.Contains(r.Methods, m)
}

// namesPeople says whether the requirement says by itself who is meant.
func (r *Requirement) namesPeople() bool { return len(r.Teams)+len(r.Users) > 0 }

// asksNothing is true when nothing can fulfil the requirement, or anybody could.
func (r *Requirement) asksNothing() bool {
	if r.Approvals < 1 || slices.Contains(r.Teams, "") || slices.Contains(r.Users, "") {
		return true
	}
	if _, ok := roleRank(r.MinimumRole); !ok && r.MinimumRole != "" {
		return true
	}
	return !r.namesPeople() && !r.CodeOwners && r.MinimumRole == ""
}

// roleRank orders the roles that include writing. Custom roles are reported by
// GitHub under the role that they are based on.
func roleRank(role string) (rank int, ok bool) {
	switch role {
	case "write":
		return 1, true
	case "maintain":
		return 2, true
	case "admin":
		return 3, true
	default:
		return 0, false
	}
}

// hasRole says whether a role includes the minimum, which is write when empty.
func hasRole(role, minimum string) bool {
	rank, ok := roleRank(role)
	needed, _ := roleRank(minimum)
	return ok && rank >= max(needed, 1)
}

// RequiredCheck is a check run that must have succeeded on the reviewed head.
type RequiredCheck struct {
	Name string `json:"name"`
	// AppID is the number of the GitHub App whose run is meant. A name alone
	// proves nothing: whoever may write a status may choose any.
	AppID int64 `json:"appID"`
}

// Exclusions take approvals away. They can only tighten a quorum.
type Exclusions struct {
	// Teams and Users never approve for this gate.
	Teams []TeamName `json:"teams,omitempty"`
	Users []string   `json:"users,omitempty"`
	// Pushers excludes everybody who ever pushed to the head of the pull request,
	// and not the last one alone.
	Pushers bool `json:"pushers,omitempty"`
	// Rerequested voids the approval of somebody whose review was asked for again.
	Rerequested bool `json:"rerequested,omitempty"`
	// Late voids reviews that were submitted after the merge.
	Late bool `json:"late,omitempty"`
	// Unwitnessed voids reviews whose submission Gatekeeper did not see itself.
	Unwitnessed bool `json:"unwitnessed,omitempty"`
}

// Veto says who may block with a request for changes beside those who may
// approve, and who may take such a block away.
type Veto struct {
	// Writers lets everybody block who may write to the repository.
	Writers bool `json:"writers,omitempty"`
	// DismissTeams and DismissUsers may dismiss somebody else's request for
	// changes. When both are empty, those may who could approve themselves, and
	// admins of the repository; never anybody who had a part in the change.
	DismissTeams []TeamName `json:"dismissTeams,omitempty"`
	DismissUsers []string   `json:"dismissUsers,omitempty"`
}

// Needs names the facts beyond the usual ones that a policy asks for.
type Needs struct {
	// CodeOwners: the owners of changed paths, and who is in their teams.
	CodeOwners bool
	// Checks: the check runs of reviewed heads.
	Checks []RequiredCheck
	// Pushers: everybody who pushed to a pull request.
	Pushers bool
	// Requested: whose review is being waited for.
	Requested bool
	// Roles: the role of every reviewer, named by the policy or not.
	Roles bool
	// Comments: approvals given by comment.
	Comments bool
}

// Merge adds the needs of another policy.
func (n Needs) Merge(o Needs) Needs {
	n.CodeOwners = n.CodeOwners || o.CodeOwners
	n.Pushers = n.Pushers || o.Pushers
	n.Requested = n.Requested || o.Requested
	n.Roles = n.Roles || o.Roles
	n.Comments = n.Comments || o.Comments
	for _, c := range o.Checks {
		if !slices.Contains(n.Checks, c) {
			n.Checks = append(slices.Clip(n.Checks), c)
		}
	}
	return n
}

// requirements are those of both quorums.
func (p Policy) requirements() []Requirement {
	if p.Image == nil {
		return p.Config.Requirements
	}
	return slices.Concat(p.Config.Requirements, p.Image.Requirements)
}

// takesComments says whether a requirement takes approvals by comment.
func (p *Policy) takesComments() bool {
	takes := func(r Requirement) bool { return slices.Contains(r.Methods, MethodComment) }
	return slices.ContainsFunc(p.Config.Requirements, takes) || p.Image != nil && slices.ContainsFunc(p.Image.Requirements, takes)
}

// Needs says which facts the policy asks for beyond the usual ones.
func (p Policy) Needs() Needs {
	n := Needs{Checks: p.Checks, Pushers: p.Exclude.Pushers, Requested: p.Exclude.Rerequested, Roles: p.Veto.Writers}
	for _, r := range p.requirements() {
		n.CodeOwners = n.CodeOwners || r.CodeOwners
		n.Roles = n.Roles || r.CodeOwners || (r.MinimumRole != "" && !r.namesPeople())
		n.Comments = n.Comments || slices.Contains(r.Methods, MethodComment)
	}
	return n
}

// People are the teams and logins that the policy names, each once, so that
// the directory can be collected.
func (p Policy) People() (teams []TeamName, logins []string) {
	seenTeam, seenLogin := map[string]bool{}, map[string]bool{}
	add := func(ts []TeamName, us []string) {
		for _, t := range ts {
			if key := strings.ToLower(string(t)); !seenTeam[key] {
				seenTeam[key] = true
				teams = append(teams, t)
			}
		}
		for _, u := range us {
			if key := strings.ToLower(u); !seenLogin[key] {
				seenLogin[key] = true
				logins = append(logins, u)
			}
		}
	}
	for _, r := range p.requirements() {
		add(r.Teams, r.Users)
	}
	if p.Image != nil {
		for _, s := range p.Image.Signers {
			add(nil, s.Users)
		}
	}
	add(p.Exclude.Teams, p.Exclude.Users)
	add(p.Veto.DismissTeams, p.Veto.DismissUsers)
	return teams, logins
}
