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
	// rollback is nil when none was ordered.
	rollback *Rollback

	fixed []demand // of both quorums
	// config and image are the two quorums; the second is empty when the gate has
	// none.
	config, image quorum
	images        []ImageEvidence
	// comments is true when a requirement takes approvals by comment.
	comments bool

	excluded   *electorate
	dismissers *electorate // nil when the policy names none
	owners     map[string]*electorate

	// repository is that of the pull request, of which roles and voters are.
	repository int64
	roles      map[UserID]string // nil before the first pull request
	voters     map[UserID]*voter
	// seats are the voters in the order of the opinions of ballots before. Often the
	// same people review in the same order, and then nobody has to be looked for.
	seats []*voter

	approvers []User // those of several landings, one after the other
	latest    []User // those of the landing before
	scratch   ballot
	result    QuorumResult
	// room is what the scratch ballot begins with, enough for most pull requests.
	room struct {
		opinions  [8]opinion
		parts     [8]participant
		ordered   [8]*Review
		approvers [8]*User
	}
}

// voter is what has been looked up about somebody who gave an opinion.
type voter struct {
	id   UserID
	role string // in the repository; "" when not known
	// standings are those of a reviewer towards the fixed demands, in their order.
	standings []standing
	// ballot is the number of the last ballot with an opinion of this person, seat the
	// place of the opinion there.
	ballot, seat int
}

// standing is what keeps a person from fulfilling a demand, whatever the pull
// request: not to be asked for, or not in this way, and not to have the role. Both
// are objNone when nothing does.
//
// clear is what an approval comes to against which nothing else speaks.
type standing struct{ asked, role, clear objection }

// weigh is what an approval comes to, when further is what speaks against it
// provided that the person is asked for.
func (s standing) weigh(further objection) objection {
	switch {
	case s.asked != objNone:
		return s.asked
	case further != objNone:
		return further
	case s.role != objNone:
		return s.role
	default:
		return objCounted
	}
}

// demand is a requirement as it applies to one change.
type demand struct {
	requirement *Requirement
	// void is true of a requirement that asks for nothing, so that nothing can
	// fulfil it.
	void bool
	// fixed is the place of a fixed demand, counted from 1; 0 for another.
	fixed int
	who   *electorate
	// about names what it is about, when that is not everything.
	about string
	// images is true in the image quorum.
	images bool
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
	void        bool
	images      bool
	scope       scope
	who         *electorate // of the teams and users
}

func (s *specialRequirement) demand(who *electorate, about string) demand {
	return demand{requirement: s.requirement, void: s.void, who: who, about: about, images: s.images}
}

func newJudge(p *Policy, d *Directory, images []ImageEvidence, explain bool) *judge {
	size := len(p.Config.Requirements)
	if p.Image != nil {
		size += len(p.Image.Requirements)
	}
	j := &judge{policy: p, directory: d, images: images, explain: explain, comments: p.takesComments(), fixed: make([]demand, 0, size)}
	j.scratch = ballot{
		opinions: j.room.opinions[:0], parts: j.room.parts[:0], ordered: j.room.ordered[:0], approvers: j.room.approvers[:0],
		counts: make([]tally, 0, size),
	}
	j.config = j.newQuorum(p.Config.Requirements, false)
	if p.Image != nil {
		j.image = j.newQuorum(p.Image.Requirements, true)
	}
	if x := p.Exclude; len(x.Teams)+len(x.Users) > 0 {
		j.excluded = newElectorate(d, x.Teams, x.Users)
	}
	if v := p.Veto; len(v.DismissTeams)+len(v.DismissUsers) > 0 {
		j.dismissers = newElectorate(d, v.DismissTeams, v.DismissUsers)
	}
	return j
}

// newQuorum looks up requirements of configuration or of images.
func (j *judge) newQuorum(requirements []Requirement, images bool) quorum {
	var q quorum
	about := ""
	if images {
		about = "images"
	}
	first := len(j.fixed)
	electorates := make([]electorate, len(requirements))
	for i := range requirements {
		r, who := &requirements[i], &electorates[i]
		who.lookUp(j.directory, r.Teams, r.Users)
		who.everybody = !r.namesPeople() && !r.CodeOwners && r.MinimumRole != ""
		switch {
		case !j.explain:
		case who.everybody:
			who.text = "everybody with the role " + r.MinimumRole
		default:
			who.text = namesOf(r.Teams, r.Users)
		}
		if len(r.Paths) == 0 && !r.CodeOwners {
			j.fixed = append(j.fixed, demand{requirement: r, void: r.asksNothing(), who: who, fixed: len(j.fixed) + 1, about: about, images: images})
			continue
		}
		q.special = append(q.special, specialRequirement{r, r.asksNothing(), images, newScope(r.Paths), who})
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
		for i := range out {
			if d := &out[i]; !d.images && d.about == "" {
				d.about = "configuration" // to tell it from the other quorum
			}
		}
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
	for n := range q.special {
		s := &q.special[n]
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
			out = append(out, s.demand(s.who, strings.Join(s.requirement.Paths, ", ")))
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
func (j *judge) ownerDemands(s *specialRequirement, pr *PullRequest, paths []string) (out []demand, unfit []Finding) {
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
			out = append(out, s.demand(who, oneLine(path)))
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
	e := newElectorate(j.directory, o.Teams, o.Users)
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

// enter turns to the pull requests of a repository.
func (j *judge) enter(repository int64) {
	if j.roles == nil || j.repository != repository {
		j.repository, j.roles, j.voters, j.seats = repository, newRoles(j.directory, repository), map[UserID]*voter{}, j.seats[:0]
	}
}

// roleOf is the role of a person in the repository, "" when it is not known.
func (j *judge) roleOf(id UserID) string {
	role := j.roles[id]
	if role == contradictory {
		return ""
	}
	return role
}

// voterOf looks somebody up once for all changes. The seat is where the opinion of
// this person will be, unless there is one already.
func (j *judge) voterOf(id UserID, seat int) *voter {
	if seat < len(j.seats) && j.seats[seat].id == id {
		return j.seats[seat]
	}
	v := j.voters[id]
	if v == nil {
		v = &voter{id: id, role: j.roleOf(id), standings: make([]standing, len(j.fixed))}
		for i := range j.fixed {
			v.standings[i] = j.fixed[i].standing(id, v.role, MethodReview)
		}
		j.voters[id] = v
	}
	if seat == len(j.seats) {
		j.seats = append(j.seats, v)
	} else {
		j.seats[seat] = v
	}
	return v
}

// standing is that of an opinion's person towards a demand.
func (o *opinion) standing(d *demand) standing {
	if d.fixed > 0 && o.review.Method == "" {
		return o.voter.standings[d.fixed-1]
	}
	return d.standing(o.user.ID, o.voter.role, o.review.Method)
}

func (d *demand) standing(id UserID, role string, m Method) (s standing) {
	switch {
	case !d.requirement.accepts(m):
		s.asked = objMethod
	case d.who.has(id):
	case len(d.who.missing) > 0:
		s.asked = objMemberUnknown
	default:
		s.asked = objOutsider
	}
	switch {
	case role == "":
		s.role = objRoleUnknown
	case !hasRole(role, d.requirement.MinimumRole):
		s.role = objRole
	}
	s.clear = s.weigh(objNone)
	return s
}
