package approval

import (
	"slices"
	"strconv"
)

// effective folds the reviews to the latest opinion of each person. APPROVED,
// CHANGES_REQUESTED and DISMISSED replace what the person said before; COMMENTED
// and PENDING say nothing. The fold is that of GitHub's
// latestOpinionatedReviews. Of two opinions of one second, the one that asks for
// more counts. Reviews of deleted accounts, and reviews that cannot be placed,
// come back as findings.
func effective(reviews []Review) (opinions []Review, ghosts, strange []Finding) {
	unfit := func(r Review, text string) {
		strange = append(strange, Finding{Code: CodeReviewUnknown, Verdict: Unknown, Text: "review " + strconv.FormatInt(r.ID, 10) + " " + text})
	}
	ordered := make([]Review, 0, len(reviews))
	seen := make(map[int64]Review, len(reviews))
	for _, r := range reviews {
		if before, ok := seen[r.ID]; ok && r.ID != 0 {
			if !before.same(r) {
				unfit(r, "is in the facts twice, with different content")
			}
			continue
		}
		seen[r.ID] = r
		switch r.State {
		case ReviewApproved, ReviewChangesRequested, ReviewDismissed:
		case ReviewCommented, ReviewPending:
			continue
		default:
			unfit(r, "has the unknown state "+strconv.Quote(string(r.State)))
			continue
		}
		switch {
		case r.User == nil || r.User.ID <= 0:
			ghosts = append(ghosts, Finding{Code: CodeApprovalGhost, Verdict: Blocked, Text: "not counted: a review by a deleted account"})
		case r.SubmittedAt.IsZero():
			unfit(r, "of "+oneLine(r.User.Login)+" has no time, so it is not known what it replaces")
		default:
			ordered = append(ordered, r)
		}
	}
	slices.SortStableFunc(ordered, func(a, b Review) int {
		if c := a.SubmittedAt.Compare(b.SubmittedAt); c != 0 {
			return c
		}
		return severity(a.State) - severity(b.State)
	})
	at := make(map[UserID]int, len(ordered))
	for _, r := range ordered {
		if i, ok := at[r.User.ID]; ok {
			opinions[i] = r
			continue
		}
		at[r.User.ID] = len(opinions)
		opinions = append(opinions, r)
	}
	return opinions, ghosts, strange
}

// same says whether two reviews of one ID say the same.
func (r Review) same(o Review) bool {
	return r.State == o.State && r.Commit == o.Commit && r.Witnessed == o.Witnessed && r.SubmittedAt.Equal(o.SubmittedAt) &&
		(r.User == nil) == (o.User == nil) && (r.User == nil || r.User.ID == o.User.ID)
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

// participants are those who had a hand in the pull request, with the reason
// that weighs most.
func participants(pr PullRequest) map[UserID]Code {
	parts := make(map[UserID]Code, len(pr.Contributors)+2)
	for _, c := range pr.Contributors {
		if c.User != nil {
			parts[c.User.ID] = CodeApprovalContributor
		}
	}
	if pr.Pusher != nil {
		parts[pr.Pusher.ID] = CodeApprovalPusher
	}
	parts[pr.Author.ID] = CodeApprovalAuthor
	return parts
}
