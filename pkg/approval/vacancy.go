package approval

// Vacancy is a requirement that lacks approvals which somebody can still give.
type Vacancy struct {
	// Requirement is its name, which may be empty.
	Requirement string
	// Missing is how many approvals it lacks, at least 1.
	Missing int
	// Able are those who could give one and have not, by login. It is empty when
	// everybody with a role may.
	Able []User
	// Teams are those that the requirement names.
	Teams []TeamName
	// Distinct says that an approval which fills this one fills no other.
	Distinct bool
}

// RequestedReviewers are those whose review a pull request waits for, by GitHub's list.
type RequestedReviewers struct {
	Users []User
	Teams []TeamName
}

// vacant adds a demand that somebody could still fill.
func (j *judge) vacant(out []Vacancy, c *tally, code Code) []Vacancy {
	if code != CodeQuorumMissing {
		return out
	}
	return append(out, Vacancy{
		Requirement: c.requirement.Name, Missing: c.requirement.Approvals - c.filled, Able: c.able,
		Teams: c.requirement.Teams, Distinct: j.policy.DistinctApprovers,
	})
}
