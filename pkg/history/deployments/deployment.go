package deployments

import (
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Deployment is one completed operation of an Application.
type Deployment struct {
	// Number counts the operations of the Application from 1, in the order of the record.
	Number int `json:"number"`
	// Application is "namespace/name", UID tells it from others of that name.
	Application string `json:"application"`
	UID         string `json:"uid"`
	Gate        string `json:"gate"`
	// Sequence is the entry that tells how it ended, Recorded is when that was written.
	Sequence uint64    `json:"sequence"`
	Recorded time.Time `json:"recorded"`
	// Intent is the ID of the intent; empty for a sync that the gate was not asked about.
	Intent string `json:"intent,omitempty"`

	// Archived is true when what is on record of it was archived, all or a part, and the
	// archive is not at hand: then its number, its entry and when that was written are all
	// there is.
	Archived bool `json:"archived,omitempty"`
	// Result says how it ended: by the gate's account, or by Argo CD's phase when the gate
	// was not asked. Phase and Message are Argo CD's.
	Result  history.Result `json:"result"`
	Phase   string         `json:"phase"`
	Message string         `json:"message,omitempty"`
	// Failure says in one line why it is none of what was wanted; empty when it succeeded.
	Failure string `json:"failure,omitempty"`
	// Resources say what became of the resources, of hooks apart; nil when that is not known.
	Resources *approval.ResourceResults `json:"resources,omitempty"`
	// Marks are what people said about it, oldest first. The newest holds.
	Marks []Mark `json:"marks,omitempty"`
	// Revisions are what was synced, in the order of the sources.
	Revisions  []Revision `json:"revisions"`
	StartedAt  time.Time  `json:"startedAt,omitzero"`
	FinishedAt time.Time  `json:"finishedAt,omitzero"`

	// Previous is the number of the deployment that was live before, 0 for none on record.
	Previous int `json:"previous,omitempty"`
	// Same is true when it deployed the revisions that were live already.
	Same bool `json:"same,omitempty"`
	// BackTo is the number of the earlier deployment to which it went back, 0 for none.
	BackTo int `json:"backTo,omitempty"`
	// RestsOn is the number of the deployment that it has everything of, besides what it
	// brought: the one that it went back to, the one that its decision trusted, or the one
	// that was live before; 0 when that is not on record. After somebody went back, what is
	// approved next rests on what was taken back.
	RestsOn int `json:"restsOn,omitempty"`
	// BlamedBy is the number of the deployment that went back from this one, 0 for none that
	// is known.
	BlamedBy int `json:"blamedBy,omitempty"`

	// AskedBy are those who wanted it: the authors of what it shipped, or who ordered it.
	AskedBy  []string `json:"askedBy,omitempty"`
	SyncedBy SyncedBy `json:"syncedBy"`
	// Order is what a person ordered to have it: a rollback or the use of break-glass.
	Order *Order `json:"order,omitempty"`
	// Word is who said sync, where the gate waits for somebody to say so.
	Word *Order `json:"word,omitempty"`
	// ConfigApprovers and ImageApprovers are those whose approvals were counted, of the
	// configuration and of the images. With distinct approvers, somebody who fits both
	// quorums is in both lists.
	ConfigApprovers []string `json:"configApprovers,omitempty"`
	ImageApprovers  []string `json:"imageApprovers,omitempty"`
	// Pulls are the pull requests that it brought, newest first, and Direct the commits
	// that reached the branch without one.
	Pulls  []Pull   `json:"pulls,omitempty"`
	Direct []string `json:"direct,omitempty"`
	// Baseline is what the decision trusted, by repository.
	Baseline []Revision `json:"baseline,omitempty"`
	// Images are those that it moved.
	Images []Image `json:"images,omitempty"`
	// Decision is the entry of the decision that it rests on, with the digests of what was
	// decided; 0 for none.
	Decision     uint64         `json:"decision,omitempty"`
	PolicyDigest history.Digest `json:"policyDigest,omitempty"`
	FactsDigest  history.Digest `json:"factsDigest,omitempty"`
	SpecDigest   string         `json:"specDigest,omitempty"`

	// Ungated is true when it was synced without the gate, and Approved is then the entry
	// that allows its revisions all the same, 0 for none. Before is true for what was
	// there before the gate.
	Ungated  bool   `json:"ungated,omitempty"`
	Approved uint64 `json:"approved,omitempty"`
	Before   bool   `json:"before,omitempty"`
	// Late is true when nobody watched: it was found afterwards, or recorded long after its
	// end.
	Late bool `json:"late,omitempty"`

	// Health are the states that were recorded, oldest first. The first is that of the end
	// of the operation, which Argo CD may have taken from before it, or of the time at which
	// it was recorded when nobody had watched, and is late then.
	Health []Health `json:"health,omitempty"`
	// HealthyAt is when it became Healthy; zero when it did not, or that is not known.
	HealthyAt time.Time `json:"healthyAt,omitzero"`
	// Watched is until when its health is known to have been watched.
	Watched time.Time `json:"watched,omitzero"`
}

// Succeeded says whether all of the Application was synced to the end, whoever asked.
func (d Deployment) Succeeded() bool {
	return d.Result == history.ResultSucceeded || d.Result == history.ResultMismatch
}

// Changed says whether it changed what is live: the deployments that are counted.
func (d Deployment) Changed() bool { return d.Succeeded() && !d.Same && !d.Before }

// Revision is what one source was synced to.
type Revision struct {
	Repository approval.RepositoryName `json:"repository,omitempty"`
	Revision   string                  `json:"revision"`
}

// The ways in which a sync comes about.
const (
	ByGatekeeper = "gatekeeper"
	ByPerson     = "person"
	ByArgoCD     = "argocd"
)

// SyncedBy is who asked Argo CD.
type SyncedBy struct {
	// Kind is ByGatekeeper, ByPerson or ByArgoCD, for its automatic syncs.
	Kind string `json:"kind"`
	// Text is what Argo CD shows. Whoever may write the Application can forge that of an
	// ungated sync.
	Text string `json:"text,omitempty"`
}

// Order is what somebody ordered.
type Order struct {
	ID     string         `json:"id"`
	Verb   history.Verb   `json:"verb"`
	Person history.Person `json:"person"`
	Reason string         `json:"reason"`
	At     time.Time      `json:"at"`
	// ReviewedBy looked at a use of break-glass; empty when nobody did.
	ReviewedBy string `json:"reviewedBy,omitempty"`
}

// Mark is what a person said about a deployment.
type Mark struct {
	ID string `json:"id"`
	// Mark is history.MarkFailed or history.MarkNotFailed.
	Mark   string         `json:"mark"`
	Person history.Person `json:"person"`
	Reason string         `json:"reason"`
	At     time.Time      `json:"at"`
}

// Pull is a pull request that a deployment brought. Times that are not known are zero.
type Pull struct {
	Repository approval.RepositoryName `json:"repository"`
	Number     int                     `json:"number"`
	Title      string                  `json:"title"`
	URL        string                  `json:"url"`
	Author     string                  `json:"author"`
	Labels     []string                `json:"labels,omitempty"`
	Class      approval.ChangeClass    `json:"class"`
	Commit     approval.SHA            `json:"commit"`
	// ConfigApprovers and ImageApprovers are like those of the Deployment.
	ConfigApprovers []string `json:"configApprovers,omitempty"`
	ImageApprovers  []string `json:"imageApprovers,omitempty"`
	// Unapproved is true when its quorum was not met: by break-glass, or without the gate.
	Unapproved bool `json:"unapproved,omitempty"`
	// FirstCommitAt is when its oldest commit was made, by the clock of its author;
	// OpenedAt, PushedAt, of the head, and MergedAt are by GitHub's; QuorumAt is when the
	// last approval that was counted came.
	FirstCommitAt time.Time `json:"firstCommitAt,omitzero"`
	OpenedAt      time.Time `json:"openedAt,omitzero"`
	PushedAt      time.Time `json:"pushedAt,omitzero"`
	QuorumAt      time.Time `json:"quorumAt,omitzero"`
	MergedAt      time.Time `json:"mergedAt,omitzero"`
}

// Segment is a part of the way from a commit to what is live.
type Segment struct {
	Name string `json:"name"`
	// Took is nil when an end of it is not known, and negative when the clocks or the
	// order of events say so: an approval may come after the merge.
	Took *time.Duration `json:"took,omitempty"`
}

// Segments are the parts of the way of a pull request to this deployment, in order.
func (d Deployment) Segments(p Pull) []Segment {
	var out []Segment
	for _, s := range []struct {
		name     string
		from, to time.Time
	}{
		{"commit to pull request", p.FirstCommitAt, p.OpenedAt},
		{"pull request to quorum", p.OpenedAt, p.QuorumAt},
		{"head to quorum", p.PushedAt, p.QuorumAt},
		{"quorum to merge", p.QuorumAt, p.MergedAt},
		{"merge to sync", p.MergedAt, d.StartedAt},
		{"sync", d.StartedAt, d.FinishedAt},
		{"sync to healthy", d.FinishedAt, d.HealthyAt},
	} {
		segment := Segment{Name: s.name}
		if !s.from.IsZero() && !s.to.IsZero() {
			took := s.to.Sub(s.from)
			segment.Took = &took
		}
		out = append(out, segment)
	}
	return out
}

// Image is an image that got another version.
type Image struct {
	Place string `json:"place,omitempty"`
	// From is empty for an image that is new, To for one that could not be told.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Digest is what To was in the registry when it was decided; empty when that is not
	// known.
	Digest string `json:"digest,omitempty"`
}

// Health is a state of health from a time on.
type Health struct {
	Health string    `json:"health"`
	At     time.Time `json:"at"`
	// Late is true when nobody watched since the one before.
	Late bool `json:"late,omitempty"`
	// End is true for the last one that is recorded.
	End bool `json:"end,omitempty"`
}
