package approval

// PullReport is what Gatekeeper says on a pull request: one report for each
// gate that the pull request concerns.
type PullReport struct {
	Repository RepositoryName
	Number     int
	Head       SHA
	// Merged is true once the pull request has landed, Landed is where.
	Merged bool
	Landed SHA
	// Draft is true while the author does not want it to be reviewed.
	Draft bool
	// Asked is whose review is waited for, Reviewed are all who ever gave one.
	Asked    RequestedReviewers
	Reviewed []UserID
	// Labels are those of an open pull request, for those who write labels.
	Labels []string
	Gates  []GateReport
}

// GateReport is the state of one gate for one pull request.
type GateReport struct {
	Gate string
	// Class is the change class of the pull request for the gate.
	Class ChangeClass
	// Quorum is the judgement of the reviews, with one child for each
	// requirement.
	Quorum Finding
	// Met and Needed count the approvals over all requirements.
	Met, Needed int
	// Images are those of Met and Needed that the image quorum counts.
	Images Progress
	// Vacancies are the requirements that lack approvals which somebody can still give.
	Vacancies []Vacancy
	// Stops are the holds of the whole gate and the windows that are closed now. They
	// do not change what the reviews are worth.
	Stops []Finding
	// Requirements are those of Quorum, in the order of its first children.
	Requirements []RequirementReport
	// Affected are the "namespace/name" of the Applications that the pull request
	// changes, whether there is a decision on them or not.
	Affected []string
	// Notes are about the lines that make a change config that its title calls a bump.
	Notes []Note
	// SyncsOnCommand is true when the gate syncs when it is told to.
	SyncsOnCommand bool
	// CommentsCount is true when an approval by comment counts for a requirement.
	CommentsCount bool
	// Applications tell what has become of the change where it is deployed.
	Applications []ApplicationReport
	// Previews are what is rendered differently, by Application and kind.
	// PreviewsLeftOut counts the Applications that are not looked at.
	Previews        []Preview
	PreviewsLeftOut int
	// ChecksURL is where the check runs of the pull request are shown; empty when that is
	// not known.
	ChecksURL string
}

// ApplicationReport is the state of one Application with regard to the pull
// request.
type ApplicationReport struct {
	// Application is "namespace/name".
	Application string
	Verdict     Verdict
	// State is one line: "synced to abc1234", "waiting for #12", and so on.
	State string
	// Findings are those that keep the change from being synced.
	Findings []Finding
	// Range are the landings after what is deployed that have to do with the gate,
	// oldest first: what a sync would ship, and what waits behind that.
	Range []ShippedLanding
	// Live is true when what may be deployed is.
	Live bool
	// Candidate is what a sync would deploy, shortened; empty when nothing may be.
	Candidate string
	// Awaits is true when what may be deployed waits for somebody to say so.
	Awaits bool
	// Rollout is how far the change has come.
	Rollout Rollout
}
