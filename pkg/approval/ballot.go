package approval

import (
	"cmp"
	"slices"
	"strconv"
)

// ballot is one pull request while its reviews are counted.
type ballot struct {
	// number is that of the ballot, from 1 on.
	number   int
	pr       *PullRequest
	opinions []opinion
	parts    []participant
	// ghosts are reviews of deleted accounts, strange ones cannot be placed.
	ghosts, strange []Finding
	ordered         []*Review
	approvers       []*User // those whose approvals were counted, each once
	counts          []tally
}

// opinion is the last word of one person.
type opinion struct {
	review *Review
	user   *User
	// approves is true when it is an approval, dismissed ones not counted.
	approves bool
	// general is why it counts for nothing; further is why it does not count even
	// if the person is asked for. Both are objNone when there is no reason.
	general, further objection
	listed           bool // among the approvers
	voter            *voter
	// clear are the standings of the voter if this is an approval by review against
	// which neither speaks, so that they alone say whether it counts.
	clear []standing
}

type participant struct {
	id   UserID
	part objection
}

// open fills the ballot from a pull request.
func (j *judge) open(pr *PullRequest) *ballot {
	j.enter(pr.BaseRepositoryID)
	b := &j.scratch
	b.number++
	b.pr, b.ghosts, b.strange = pr, nil, nil
	b.opinions, b.parts, b.ordered, b.approvers = b.opinions[:0], b.parts[:0], b.ordered[:0], b.approvers[:0]
	j.participants(b)
	j.effective(b)
	for i := range b.opinions {
		o := &b.opinions[i]
		switch o.review.State {
		case ReviewApproved:
			o.approves, o.general, o.further = true, j.objections(b, o), j.furtherObjections(b, o)
			if o.general == objNone && o.further == objNone && o.review.Method == "" {
				o.clear = o.voter.standings
			}
		case ReviewDismissed:
			o.general = objDismissed
		case ReviewChangesRequested, ReviewCommented, ReviewPending:
		}
	}
	return b
}

// participants are those who had a hand in the pull request, with the reason
// that weighs most first.
func (j *judge) participants(b *ballot) {
	b.parts = append(b.parts, participant{b.pr.Author.ID, objAuthor})
	if b.pr.Pusher != nil {
		b.parts = append(b.parts, participant{b.pr.Pusher.ID, objPusher})
	}
	for i := range b.pr.Kept {
		b.parts = append(b.parts, participant{b.pr.Kept[i].Pusher.ID, objKeptPusher})
	}
	if j.policy.Exclude.Pushers {
		for _, u := range b.pr.Pushers {
			b.parts = append(b.parts, participant{u.ID, objFormerPusher})
		}
	}
	j.signers(b.pr, func(id UserID) { b.parts = append(b.parts, participant{id, objSigner}) })
	for i := range b.pr.Contributors {
		if u := b.pr.Contributors[i].User; u != nil && b.part(u.ID) == objNone {
			b.parts = append(b.parts, participant{u.ID, objContributor})
		}
	}
}

// part is a person's part in the pull request, objNone for none.
func (b *ballot) part(id UserID) objection {
	for _, p := range b.parts {
		if p.id == id {
			return p.part
		}
	}
	return objNone
}

// effective folds the reviews to the latest opinion of each person. APPROVED,
// CHANGES_REQUESTED and DISMISSED replace what the person said before; COMMENTED
// and PENDING say nothing. The fold is that of GitHub's
// latestOpinionatedReviews. Of two opinions of one second, the one that asks for
// more counts. Where no requirement takes comments, one takes the place of nothing:
// it was collected for another gate. Reviews of deleted accounts, and reviews that
// cannot be placed, become findings.
func (j *judge) effective(b *ballot) {
	unfit := func(r *Review, text func() string) {
		b.strange = append(b.strange, Finding{
			Code: CodeReviewUnknown, Verdict: Unknown,
			Text: j.textf(func() string { return "review " + strconv.FormatInt(r.ID, 10) + " " + text() }),
		})
	}
	seen := reviewSet{reviews: b.pr.Reviews}
	sorted := true
	for i := range b.pr.Reviews {
		r := &b.pr.Reviews[i]
		if before := seen.add(i); before != nil {
			if !before.same(r) {
				unfit(r, func() string { return "is in the facts twice, with different content" })
			}
			continue
		}
		switch r.State {
		case ReviewApproved, ReviewChangesRequested, ReviewDismissed:
		case ReviewCommented, ReviewPending:
			continue
		default:
			unfit(r, func() string { return "has the unknown state " + strconv.Quote(string(r.State)) })
			continue
		}
		switch {
		case r.User == nil || r.User.ID <= 0:
			b.ghosts = append(b.ghosts, Finding{Code: CodeApprovalGhost, Verdict: Blocked, Text: "not counted: a review by a deleted account"})
			continue
		case r.SubmittedAt.IsZero():
			unfit(r, func() string {
				return "of " + oneLine(r.User.Login) + " has no time, so it is not known what it replaces"
			})
			continue
		}
		sorted = sorted && (len(b.ordered) == 0 || compareReviews(b.ordered[len(b.ordered)-1], r) <= 0)
		b.ordered = append(b.ordered, r)
	}
	if !sorted {
		slices.SortStableFunc(b.ordered, compareReviews)
	}
	for _, r := range b.ordered {
		v := j.voterOf(r.User.ID, len(b.opinions))
		if v.ballot == b.number {
			if r.Method == MethodComment && !j.comments {
				continue
			}
			o := &b.opinions[v.seat]
			o.review, o.user = r, r.User
			continue
		}
		v.ballot, v.seat = b.number, len(b.opinions)
		b.opinions = append(b.opinions, opinion{review: r, user: r.User, voter: v})
	}
}

// opinionOf is a person's opinion, nil when there is none.
func (j *judge) opinionOf(b *ballot, id UserID) *opinion {
	if len(b.opinions) == 0 {
		return nil
	}
	if v := j.voters[id]; v != nil && v.ballot == b.number {
		return &b.opinions[v.seat]
	}
	return nil
}

// reviewSet finds reviews that are in the facts twice. GitHub lists reviews by
// their IDs, so that hardly any has to be looked for.
type reviewSet struct {
	reviews []Review
	highest int64         // ID of those before
	byID    map[int64]int // the first of each ID, once one of many had to be looked for
}

// add returns the earlier review of the same ID, if there is one.
func (s *reviewSet) add(i int) *Review {
	id := s.reviews[i].ID
	switch {
	case id == 0:
		return nil
	case id > s.highest:
		s.highest = id
		if s.byID != nil {
			s.byID[id] = i
		}
		return nil
	case i > 16 && s.byID == nil:
		s.byID = make(map[int64]int, len(s.reviews))
		for before := range i {
			if _, ok := s.byID[s.reviews[before].ID]; !ok {
				s.byID[s.reviews[before].ID] = before
			}
		}
	}
	if s.byID != nil {
		if before, ok := s.byID[id]; ok {
			return &s.reviews[before]
		}
		s.byID[id] = i
		return nil
	}
	for before := range s.reviews[:i] {
		if s.reviews[before].ID == id {
			return &s.reviews[before]
		}
	}
	return nil
}

func compareReviews(a, b *Review) int {
	if c := a.SubmittedAt.Compare(b.SubmittedAt); c != 0 {
		return c
	}
	return cmp.Compare(severity(a.State), severity(b.State))
}

// same says whether two reviews of one ID say the same.
func (r *Review) same(o *Review) bool {
	if r.State != o.State || r.Commit != o.Commit || r.Witnessed != o.Witnessed || !r.SubmittedAt.Equal(o.SubmittedAt) ||
		r.Base != o.Base || r.Method != o.Method || r.Edited != o.Edited ||
		(r.User == nil) != (o.User == nil) || (r.Dismissed == nil) != (o.Dismissed == nil) {
		return false
	}
	return (r.User == nil || r.User.ID == o.User.ID) && (r.Dismissed == nil || r.Dismissed.same(o.Dismissed))
}

func (d *Dismissal) same(o *Dismissal) bool {
	return d.Was == o.Was && (d.By == nil) == (o.By == nil) && (d.By == nil || d.By.ID == o.By.ID)
}

// severity orders opinions by how much they ask for.
func severity(s ReviewState) int {
	switch s {
	case ReviewApproved:
		return 0
	case ReviewDismissed:
		return 1
	default:
		return 2
	}
}
