package approval

import "time"

// Asked says that somebody may have asked for something on a pull request, by a comment
// or by a button of a check run. Nothing is done because of it alone: the comment, the
// pull request and what the person may do are read again.
type Asked struct {
	RepositoryID int64          `json:"repositoryID"`
	Repository   RepositoryName `json:"repository"`
	// Installation is that of the App by which the event came; 0 when it is not named.
	Installation int64 `json:"installation,omitempty"`
	Pull         int   `json:"pull"`
	Person       User  `json:"person"`
	// At is when the comment was written, by GitHub's clock. It is zero for a button,
	// whose event has no time.
	At time.Time `json:"at,omitzero"`
	// Comment is the ID of the comment; 0 for a button.
	Comment int64 `json:"comment,omitempty"`
	// Text is the digest of what the comment said when it was written, by the event, see
	// TextDigest; empty for a button. Somebody who may edit the comments of others can do
	// so within the second in which it was written, which its times do not show.
	Text string `json:"text,omitempty"`
	// Button is the identifier of the button, CheckRun the ID of the check run that has
	// it, App the App that made that, and Head the commit that it is on.
	Button   string `json:"button,omitempty"`
	CheckRun int64  `json:"checkRun,omitempty"`
	App      int64  `json:"app,omitempty"`
	Head     SHA    `json:"head,omitempty"`
}

// WitnessedComment is a comment by which somebody approved a pull request, with what
// GitHub does not keep: the head and the base branch that it was about. Whether it is
// still there, and as it was, is read again each time.
type WitnessedComment struct {
	RepositoryID int64
	Pull         int
	Comment      int64
	Person       User
	Commit       SHA
	Base         string
	// At is when it was written, by GitHub's clock.
	At time.Time
	// Body is the digest of what it said, see TextDigest.
	Body string
	// Withdrawn is when the person took it back; zero if not.
	Withdrawn time.Time
}
