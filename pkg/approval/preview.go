package approval

// ResourceChange is what becomes of a resource.
type ResourceChange string

// What becomes of a resource that differs.
const (
	ResourceAdded   ResourceChange = "added"
	ResourceRemoved ResourceChange = "removed"
	ResourceChanged ResourceChange = "changed"
)

// RenderedDiff is how what an Application is rendered to differs between two revisions.
// It is for people: no decision rests on it. Secrets are masked in it.
type RenderedDiff struct {
	// Added, Removed and Changed count the resources.
	Added   int `json:"added"`
	Removed int `json:"removed"`
	Changed int `json:"changed"`
	// Resources are those that differ, by kind and name.
	Resources []ResourceDiff `json:"resources"`
	// LeftOut counts those that are not among Resources because there are too many.
	LeftOut int `json:"leftOut,omitempty"`
	// Unseen counts Secrets of which a changed value would not show, because Argo CD
	// gives all values alike.
	Unseen int `json:"unseen,omitempty"`
}

// Differs says whether there is anything to show.
func (d RenderedDiff) Differs() bool { return d.Added+d.Removed+d.Changed > 0 }

// ResourceDiff is how one resource differs.
type ResourceDiff struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Ordinal tells resources apart that are rendered several times, from 0.
	Ordinal int            `json:"ordinal,omitempty"`
	Change  ResourceChange `json:"change"`
	// Hook says when it runs if it is a hook, for example PreSync.
	Hook string `json:"hook,omitempty"`
	// Lines are a unified diff without the names of files, each line with its line
	// break. No line has characters that are invisible or control a terminal.
	Lines string `json:"lines"`
	// LinesAdded and LinesRemoved count lines, LinesLeftOut those that Lines lacks.
	LinesAdded   int `json:"linesAdded"`
	LinesRemoved int `json:"linesRemoved"`
	LinesLeftOut int `json:"linesLeftOut,omitempty"`
}

// Comparison asks how what an Application is rendered to differs between two revision
// vectors, each with one exact revision for each source.
type Comparison struct {
	Application Application `json:"-"`
	From        []Revision  `json:"from"`
	To          []Revision  `json:"to"`
}

// PreviewKind says what a preview is of.
type PreviewKind string

// The kinds of preview.
const (
	// PreviewPull is what one pull request changes.
	PreviewPull PreviewKind = "pull"
	// PreviewSync is what a sync would ship: everything between what is live and the
	// newest candidate.
	PreviewSync PreviewKind = "sync"
)

// PreviewState says whether there is something to show.
type PreviewState string

// The states of a preview.
const (
	PreviewReady PreviewState = "ready"
	// PreviewPending: it is being rendered.
	PreviewPending PreviewState = "pending"
	// PreviewUnavailable: it could not be rendered; the reason says why.
	PreviewUnavailable PreviewState = "unavailable"
)

// Preview is how one Application would change. It is for people: no decision rests on it.
type Preview struct {
	// Application is "namespace/name".
	Application string      `json:"application"`
	Kind        PreviewKind `json:"kind"`
	Comparison
	// Shipped are, for a PreviewSync, the landings between the two, oldest first.
	Shipped []Shipped `json:"shipped,omitempty"`
	// Allowed is, for a PreviewSync, true when the gate allows it now.
	Allowed bool         `json:"allowed,omitempty"`
	State   PreviewState `json:"state"`
	// Reason says why it is not available, in words that everybody may read.
	Reason string       `json:"reason,omitempty"`
	Diff   RenderedDiff `json:"diff,omitzero"`
}

// Shipped is a landing that a sync would ship.
type Shipped struct {
	Repository RepositoryName `json:"repository"`
	LandingDecision
}
