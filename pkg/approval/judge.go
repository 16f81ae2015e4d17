package approval

import (
	"slices"
	"strings"
)

// judge counts the reviews of pull requests against one policy. It looks up once
// what is the same for all of them. It is not safe for concurrent use.
type judge struct {
	policy    *Policy
	directory *Directory
	// explain makes it write texts, remedies and children. Codes and verdicts are
	// the same without.
	explain bool

	fixed []demand // of both quorums
	// config and image are the two quorums; the second is empty when the gate has
	// none.
	config, image quorum
	images        []ImageEvidence

	roles      map[roleKey]string
	excluded   *electorate
	dismissers *electorate // nil when the policy names none
	owners     map[string]*electorate

	voters    map[roleKey]*voter
	approvers []User // those of all landings, one after the other
	scratch   ballot
}

// voter is what has been looked up about somebody who gave an opinion.
type voter struct {
	role   string
	member []bool // of fixed demands, in their order
}

// demand is a requirement as it applies to one change.
type demand struct {
	requirement *Requirement
	// fixed is the place of a fixed demand, counted from 1; 0 for another.
	fixed int
	who   *electorate
	// about names the paths it is about, when it is not about all.
	about string
}

// quorum is a list of requirements, looked up.
type quorum struct {
	fixed []demand // of the requirements that every change has to meet
	// special are the requirements whose demands depend on the changed paths.
	special []specialRequirement
	// openEnded is true when every change has to meet some requirement.
	openEnded bool
}

type specialRequirement struct {
	requirement *Requirement
	scope       scope
	who         *electorate // of the teams and users
}

func newJudge(p *Policy, d *Directory, images []ImageEvidence, explain bool) *judge {
	j := &judge{policy: p, directory: d, images: images, explain: explain, roles: newRoles(d), voters: map[roleKey]*voter{}}
	j.config = j.newQuorum(p.Config.Requirements, "")
	if p.Image != nil {
		j.image = j.newQuorum(p.Image.Requirements, "images")
	}
	if x := p.Exclude; len(x.Teams)+len(x.Users) > 0 {
		j.excluded = newElectorate(d, x.Teams, x.Users, false)
	}
	if v := p.Veto; len(v.DismissTeams)+len(v.DismissUsers) > 0 {
		j.dismissers = newElectorate(d, v.DismissTeams, v.DismissUsers, false)
	}
	return j
}

// newQuorum looks up requirements. The text says what they are about, when that is
// not everything.
func (j *judge) newQuorum(requirements []Requirement, about string) quorum {
	var q quorum
	first := len(j.fixed)
	for i := range requirements {
		r := &requirements[i]
		who := newElectorate(j.directory, r.Teams, r.Users, j.explain)
		if who.text = namesOf(r.Teams, r.Users); !r.namesPeople() && !r.CodeOwners && r.MinimumRole != "" {
			who.everybody, who.text = true, "everybody with the role "+r.MinimumRole
		}
		if len(r.Paths) == 0 && !r.CodeOwners {
			j.fixed = append(j.fixed, demand{requirement: r, who: who, fixed: len(j.fixed) + 1, about: about})
			continue
		}
		q.special = append(q.special, specialRequirement{r, newScope(r.Paths), who})
		q.openEnded = q.openEnded || len(r.Paths) == 0
	}
	q.fixed = slices.Clip(j.fixed[first:])
	q.openEnded = q.openEnded || len(q.fixed) > 0
	return q
}

// demands are the requirements of both quorums that a change has to meet, and what
// keeps them from being known.
func (j *judge) demands(pr *PullRequest, l levels) ([]demand, []Finding) {
	if len(l.image) == 0 {
		return j.demandsOf(&j.config, pr, l.config)
	}
	out, unfit := j.demandsOf(&j.image, pr, l.image)
	if len(l.config) > 0 {
		config, f := j.demandsOf(&j.config, pr, l.config)
		out, unfit = slices.Concat(config, out), append(f, unfit...)
	}
	return out, unfit
}

// demandsOf are the requirements of one quorum.
func (j *judge) demandsOf(q *quorum, pr *PullRequest, changes []*Change) ([]demand, []Finding) {
	if len(q.special) == 0 {
		return q.fixed, nil
	}
	out := append(make([]demand, 0, len(q.fixed)+len(q.special)), q.fixed...)
	var unfit []Finding
	covered := make([]bool, len(changes))
	for _, s := range q.special {
		var paths []string
		for i, c := range changes {
			if len(s.scope) == 0 || s.scope.coversChange(c) {
				covered[i] = true
				paths = append(paths, c.Path)
			}
		}
		switch {
		case len(paths) == 0:
		case s.requirement.CodeOwners:
			owned, f := j.ownerDemands(s, pr, paths)
			out, unfit = append(out, owned...), append(unfit, f...)
		default:
			out = append(out, demand{requirement: s.requirement, who: s.who, about: strings.Join(s.requirement.Paths, ", ")})
		}
	}
	if q.openEnded {
		return out, unfit
	}
	for i, c := range changes {
		if !covered[i] {
			return out, append(unfit, Finding{
				Code: CodePolicyEmpty, Verdict: Blocked,
				Text:   j.textf(func() string { return "no requirement is about " + oneLine(c.Path) + ", so nothing can approve it" }),
				Remedy: "add a requirement without paths to the gate",
			})
		}
	}
	return out, unfit
}

// ownerDemands makes one demand for each set of owners.
func (j *judge) ownerDemands(s specialRequirement, pr *PullRequest, paths []string) (out []demand, unfit []Finding) {
	unknown := func(path string) []Finding {
		return []Finding{{
			Code: CodeOwnersUnknown, Verdict: Unknown,
			Text: j.textf(func() string { return "the code owners of " + oneLine(path) + " are not known" }),
		}}
	}
	if pr.Owners == nil {
		return nil, unknown(paths[0])
	}
	of := make(map[string]*PathOwners, len(pr.Owners))
	for i := range pr.Owners {
		o := &pr.Owners[i]
		if of[o.Path] != nil {
			return nil, unknown(o.Path)
		}
		of[o.Path] = o
	}
	seen := map[*electorate]bool{}
	for _, path := range paths {
		o := of[path]
		if o == nil {
			return nil, unknown(path)
		}
		who := s.who
		switch {
		case len(o.Teams)+len(o.Users) > 0:
			who = j.ownersOf(o)
		case !s.requirement.namesPeople():
			unfit = append(unfit, Finding{
				Code: CodeOwnersNone, Verdict: Blocked,
				Text:   j.textf(func() string { return oneLine(path) + " has no code owner, so nobody can approve it" }),
				Remedy: "give it an owner in CODEOWNERS, or name teams for what has none in the gate",
			})
			continue
		}
		if !seen[who] {
			seen[who] = true
			out = append(out, demand{requirement: s.requirement, who: who, about: oneLine(path)})
		}
	}
	return out, unfit
}

// ownersOf looks up owners once for each set of them.
func (j *judge) ownersOf(o *PathOwners) *electorate {
	key := strings.ToLower(namesOf(o.Teams, o.Users))
	if e := j.owners[key]; e != nil {
		return e
	}
	e := newElectorate(j.directory, o.Teams, o.Users, j.explain)
	e.text = oneLine(namesOf(o.Teams, o.Users))
	if j.owners == nil {
		j.owners = map[string]*electorate{}
	}
	j.owners[key] = e
	return e
}

// textf writes a text only when somebody will read it.
func (j *judge) textf(text func() string) string {
	if !j.explain {
		return ""
	}
	return text()
}

// roleIn is the role of a person in a repository, "" when it is not known.
func (j *judge) roleIn(repository int64, id UserID) string {
	role := j.roles[roleKey{repository, id}]
	if role == contradictory {
		return ""
	}
	return role
}

// voterOf looks somebody up once for all changes.
func (j *judge) voterOf(repository int64, id UserID) *voter {
	key := roleKey{repository, id}
	v := j.voters[key]
	if v == nil {
		v = &voter{role: j.roleIn(repository, id), member: make([]bool, len(j.fixed))}
		for i := range j.fixed {
			v.member[i] = j.fixed[i].who.has(id)
		}
		j.voters[key] = v
	}
	return v
}

// isMember says whether a demand asks for the person.
func (j *judge) isMember(o *opinion, d *demand) bool {
	if d.fixed > 0 {
		return o.voter.member[d.fixed-1]
	}
	return d.who.has(o.user.ID)
}
