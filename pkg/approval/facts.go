package approval

import "time"

// Facts are everything Decide looks at, for one Application. They are
// collected completely or not at all: what could not be read is named in
// Missing, and then nothing is allowed.
type Facts struct {
	// CollectedAt is when collection ended, by our own clock. It is kept for
	// the reader of the record; no rule depends on it.
	CollectedAt time.Time   `json:"collectedAt"`
	Application Application `json:"application"`
	// Lines holds one line for each protected repository of the gate that the
	// Application's sources name.
	Lines     []Line    `json:"lines"`
	Directory Directory `json:"directory"`
	// Closure is what the revisions that would be synced are rendered from; nil
	// when it was not read.
	Closure *Closure `json:"closure,omitempty"`
	// BaselineClosure is what the baselines are rendered from, while no decision about
	// them is on record; nil when it was not read.
	BaselineClosure *Closure `json:"baselineClosure,omitempty"`
	// Images is what is known of each image that a landing in scope moves to.
	Images []ImageEvidence `json:"images,omitempty"`
	// Spec is what is known about the Application's spec; nil when it was not looked
	// at, which blocks for a policy that asks for an approved spec.
	Spec *SpecEvidence `json:"spec,omitempty"`
	// Holds are those in force.
	Holds []Hold `json:"holds,omitempty"`
	// Calendar has one state for each window of the policy.
	Calendar []WindowState `json:"calendar,omitempty"`
	// Opens is when the windows together are open next; nil when they are open, or
	// when that is not known.
	Opens *Opening `json:"opens,omitempty"`
	// Override is a use of break-glass for this Application that has not been carried
	// out; nil when there is none.
	Override *Override `json:"override,omitempty"`
	// Rollback is the newest order to go back; nil when there is none, or something
	// was deployed since it was carried out.
	Rollback *Rollback `json:"rollback,omitempty"`
	// SyncOrder is somebody's word that a candidate is to be synced; nil when there is
	// none that holds, or the gate does not wait for one.
	SyncOrder *SyncOrder `json:"syncOrder,omitempty"`
	// BrokenGlass are the uses that wait for a review, oldest first.
	BrokenGlass []BrokenGlass `json:"brokenGlass,omitempty"`
	Missing     []Missing     `json:"missing,omitempty"`
	// Ungated is what is live without having been let through; nil when that is not so.
	Ungated *Ungated `json:"ungated,omitempty"`
}

// Missing names facts that could not be collected, and why.
type Missing struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Line is the first-parent history of one protected branch after a baseline.
type Line struct {
	Repository   RepositoryName `json:"repository"`
	RepositoryID int64          `json:"repositoryID"`
	Branch       string         `json:"branch"`
	// DefaultBranch is true when Branch is the repository's default branch, so
	// that a source that tracks HEAD tracks this line.
	DefaultBranch bool `json:"defaultBranch"`
	// Baseline is the newest revision trusted before this line.
	Baseline SHA `json:"baseline"`
	// BaselineOnLine says that Baseline is on the first-parent line of Branch
	// as it is now. False after a force-push: then nothing is allowed.
	BaselineOnLine bool `json:"baselineOnLine"`
	Head           SHA  `json:"head"`
	// Landings are all steps after Baseline up to Head, oldest first.
	Landings []Landing `json:"landings"`
}

// LandingKind says how a change reached the branch. The zero kind blocks.
type LandingKind string

// The ways in which a change lands.
const (
	KindMerge  LandingKind = "merge"
	KindSquash LandingKind = "squash"
	KindRebase LandingKind = "rebase"
	KindQueue  LandingKind = "queue"
	// KindDirect is a push to the branch that no pull request accounts for.
	KindDirect LandingKind = "direct"
)

// ProofResult says whether what landed is what was reviewed. The zero result
// blocks.
type ProofResult string

// The results of a landing proof.
const (
	// Proven: the landed content was computed again from the reviewed head and
	// is the same.
	Proven ProofResult = "proven"
	// Mismatch: the landed content differs from what the reviewed head gives.
	Mismatch ProofResult = "mismatch"
)

// Proof is the outcome of recomputing a landing from its reviewed head on the
// local mirror.
type Proof struct {
	Result ProofResult `json:"result"`
	Detail string      `json:"detail,omitempty"`
}

// Landing is one step on the first-parent line.
type Landing struct {
	// Commit is the commit at which the landing is complete; Parent is the
	// commit of the line before it.
	Commit SHA `json:"commit"`
	Parent SHA `json:"parent"`
	// Title is the first line of the commit message, for people.
	Title string      `json:"title"`
	Kind  LandingKind `json:"kind"`
	Proof Proof       `json:"proof"`
	// Unsettled, when not empty, says what about this landing is not known yet,
	// for example that GitHub has not indexed the commit. It makes a landing that
	// changes something in scope unknown, whatever the other fields say.
	Unsettled string `json:"unsettled,omitempty"`
	// Pull is the pull request that landed; nil for a direct push.
	Pull *PullRequest `json:"pull,omitempty"`
	// Tree and ParentTree are the trees of Commit and Parent. They tell a landing
	// that changes nothing from one whose changes were forgotten.
	Tree       SHA `json:"tree"`
	ParentTree SHA `json:"parentTree"`
	// Changes are all paths that differ between Parent and Commit, each once,
	// without rename detection.
	Changes []Change `json:"changes"`
}

// Change is one path that differs between two commits.
type Change struct {
	Path   string `json:"path"`
	Before Entry  `json:"before"`
	After  Entry  `json:"after"`
	// Images is what it does to images; nil when that was not looked at, which
	// blocks it for a gate that has an image quorum.
	Images *ImageChange `json:"images,omitempty"`
}

// Entry is what a tree holds at a path. The zero entry is an absent path.
type Entry struct {
	// Mode is git's octal file mode, for example "100644".
	Mode string `json:"mode,omitempty"`
	SHA  SHA    `json:"sha,omitempty"`
}

// PullRequest holds what a quorum is counted from.
type PullRequest struct {
	Repository RepositoryName `json:"repository"`
	Number     int            `json:"number"`
	Title      string         `json:"title"`
	URL        string         `json:"url"`
	// BaseRepositoryID and Base are the numeric ID and the branch it was
	// opened against.
	BaseRepositoryID int64  `json:"baseRepositoryID"`
	Base             string `json:"base"`
	Merged           bool   `json:"merged"`
	// MergedAt is when it landed, by GitHub's clock. Zero while it is open.
	MergedAt time.Time `json:"mergedAt,omitzero"`
	// OpenedAt is when it was opened, by GitHub's clock; FirstCommitAt is when its oldest
	// commit was made, by the clock of its author, and Labels are those that it has. They
	// are zero when they are not known. No rule depends on them: they are for the history.
	OpenedAt      time.Time `json:"openedAt,omitzero"`
	FirstCommitAt time.Time `json:"firstCommitAt,omitzero"`
	Labels        []string  `json:"labels,omitempty"`
	// Head is the last commit of the pull request.
	Head SHA `json:"head"`
	// HeadPushedAt is when the head arrived at GitHub by GitHub's clock. Zero
	// when not known. Git's own dates are never used: their author chooses them.
	HeadPushedAt time.Time `json:"headPushedAt,omitzero"`
	Author       User      `json:"author"`
	// Pusher pushed the head; nil when not known.
	Pusher *User `json:"pusher,omitempty"`
	// Kept are earlier heads from which the present one differs by clean
	// update-merges alone, newest first. Empty when there is none, or none that
	// this was proven of.
	Kept []KeptHead `json:"kept,omitempty"`
	// Pushers are all who ever pushed to the head; nil when that is not known.
	Pushers []User `json:"pushers"`
	// Requested are those whose review is being waited for; nil when that is not
	// known.
	Requested []UserID `json:"requested"`
	// Contributors are all authors, committers and co-authors of all commits
	// of the pull request, those behind second parents included.
	Contributors []Contributor `json:"contributors"`
	// Reviews are all reviews, in GitHub's order.
	Reviews []Review `json:"reviews"`
	// Owners are the code owners of each changed path, by the CODEOWNERS file of
	// the base commit; nil when that was not read.
	Owners []PathOwners `json:"owners,omitempty"`
	// Checks are the latest check runs of the head with the names that the policy
	// asks for.
	Checks []Check `json:"checks,omitempty"`
	// Signatures are those of all commits of the pull request; empty when they were
	// not verified.
	Signatures []CommitSignature `json:"signatures,omitempty"`
}

// PathOwners are the owners of one path.
type PathOwners struct {
	Path string `json:"path"`
	// Teams and Users are the owners; both empty when the path has none. Owners
	// that CODEOWNERS names by e-mail address are in Users as GitHub resolves
	// them, or left out.
	Teams []TeamName `json:"teams,omitempty"`
	Users []string   `json:"users,omitempty"`
}

// Check is the latest check run of one name by one App on a commit.
type Check struct {
	Name   string `json:"name"`
	AppID  int64  `json:"appID"`
	Commit SHA    `json:"commit"`
	// Conclusion is GitHub's, for example success or failure; empty while the run
	// is not completed.
	Conclusion string `json:"conclusion,omitempty"`
}

// Contributor had a part in a commit of a pull request.
type Contributor struct {
	// User is nil when no GitHub account could be found for Email.
	User  *User  `json:"user,omitempty"`
	Email string `json:"email"`
	// Role is "author", "committer" or "co-author".
	Role   string `json:"role"`
	Commit SHA    `json:"commit"`
}

// ReviewState is GitHub's state of a review, in upper case as its REST API
// gives it.
type ReviewState string

// The review states of GitHub's REST API.
const (
	ReviewApproved         ReviewState = "APPROVED"
	ReviewChangesRequested ReviewState = "CHANGES_REQUESTED"
	ReviewDismissed        ReviewState = "DISMISSED"
	ReviewCommented        ReviewState = "COMMENTED"
	ReviewPending          ReviewState = "PENDING"
)

// Review is one review of a pull request, or a comment that approves it.
type Review struct {
	// ID is GitHub's; that of a comment is the negative of it.
	ID int64 `json:"id"`
	// User is nil when the account was deleted.
	User  *User       `json:"user,omitempty"`
	State ReviewState `json:"state"`
	// Commit is the head that was reviewed: what the webhook said when the
	// review was submitted, if Witnessed, else what the API says now. GitHub
	// moves the latter after a force-push that changes nothing.
	Commit      SHA       `json:"commit"`
	Witnessed   bool      `json:"witnessed"`
	SubmittedAt time.Time `json:"submittedAt,omitzero"`
	// Base is the branch that the pull request was to be merged into when the
	// review was submitted; empty when that is not known. An approval of a change
	// of one branch says nothing about another.
	Base string `json:"base,omitempty"`
	// Method is how the opinion was given; empty means by review.
	Method Method `json:"method,omitempty"`
	// Edited is true for a comment that was changed after it was written.
	Edited bool `json:"edited,omitempty"`
	// Dismissed tells of a dismissed review what it was and who dismissed it;
	// nil when that is not known.
	Dismissed *Dismissal `json:"dismissed,omitempty"`
}

// Dismissal is how a review came to be dismissed.
type Dismissal struct {
	// By dismissed it; nil when the account was deleted, or when GitHub did it by
	// itself because of a push.
	By *User `json:"by,omitempty"`
	// Was is the state before.
	Was ReviewState `json:"was"`
}

// Directory holds who is who: the facts about people that requirements ask for.
type Directory struct {
	Teams []Team `json:"teams"`
	// Users are the accounts that the policy names by login.
	Users []User `json:"users"`
	// NoSuchUsers are the logins that name no account any more.
	NoSuchUsers []string `json:"noSuchUsers,omitempty"`
	// Roles are the repository roles of those who gave a review or dismissed one,
	// as far as they matter to the policy.
	Roles []RepositoryRole `json:"roles"`
}

// Team is a team with its active members, child teams included.
type Team struct {
	Name    TeamName `json:"name"`
	Members []User   `json:"members"`
	// Gone is true when there is no such team, or the App may not see it.
	Gone bool `json:"gone,omitempty"`
}

// RepositoryRole is what a user may do in a repository.
type RepositoryRole struct {
	RepositoryID int64  `json:"repositoryID"`
	User         UserID `json:"user"`
	// Role is GitHub's role: read, triage, write, maintain or admin.
	Role string `json:"role"`
}
