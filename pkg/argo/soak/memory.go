package soak

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// skew is how far a time of the controller may be ahead of our clock.
const skew = time.Minute

// maxRuns bounds the images that are remembered of one Application.
const maxRuns = 100

// Rules are what a fold goes by.
type Rules struct {
	// Fresh is how long a status may be relied on after the controller compared the
	// Application. Argo CD compares every three minutes unless told otherwise
	// (timeout.reconciliation and its jitter), so it must be longer than that.
	Fresh time.Duration
	// Retain is how long an image is remembered that does not run any more.
	Retain time.Duration
}

// Check says what is wrong with the rules.
func (r Rules) Check() error {
	if r.Fresh < time.Minute || r.Fresh > 24*time.Hour {
		return fmt.Errorf("a status is fresh for %s, which is not between 1m and 24h", r.Fresh)
	}
	if r.Retain < 0 {
		return errors.New("images cannot be remembered for a negative time")
	}
	return nil
}

// standing says what an Application's last observation is worth.
type standing string

// The zero standing is that of an Application that was never seen.
const (
	standsUnseen  standing = ""
	standsCounts  standing = "counts"
	standsUnknown standing = "unknown"
	standsBroken  standing = "interrupted"
	standsGone    standing = "gone"
)

// Memory is what is remembered of one Application. The zero Memory is that of an
// Application that was never seen. It is a value: Next returns another one, and
// copies share nothing that is written to.
type Memory struct {
	UID string `json:"uid,omitempty"`
	// Standing is what the last observation is worth, and Why is the reason in words.
	Standing standing `json:"standing,omitempty"`
	Why      string   `json:"why,omitempty"`
	// Seen is when it was made.
	Seen time.Time `json:"seen,omitzero"`
	// Reconciled is the status.reconciledAt of it, and Basis is from when on that is
	// taken to be old.
	Reconciled time.Time `json:"reconciled,omitzero"`
	Basis      time.Time `json:"basis,omitzero"`
	// HealthSince and Operation must not change while a run goes on.
	HealthSince time.Time `json:"healthSince,omitzero"`
	Operation   string    `json:"operation,omitempty"`
	// Runs are of the images that run or ran there, in the order of their names.
	Runs []Run `json:"runs,omitempty"`
}

// Run is what is remembered of one image.
type Run struct {
	Image Image `json:"image"`
	// Running is true if it was among the images of the last observation.
	Running bool `json:"running,omitempty"`
	// Beside is another reference of the repository that ran beside it then.
	Beside string `json:"beside,omitempty"`
	// Since is when the uninterrupted run began that lasts until Memory.Seen. Zero
	// when none does.
	Since time.Time `json:"since,omitzero"`
	// Longest and Ended are of the longest run that was interrupted, both zero if
	// there was none or if the image was Degraded after it. Last is when the image was
	// last seen.
	Longest time.Duration `json:"longest,omitempty"`
	Ended   time.Time     `json:"ended,omitzero"`
	Last    time.Time     `json:"last"`
}

// deadline is when the last status stops being fresh.
func (m Memory) deadline(rules Rules) time.Time { return m.Basis.Add(rules.Fresh) }

// Next is what is remembered after another observation.
func (m Memory) Next(o Observation, rules Rules) Memory {
	if o.UID == "" || o.At.IsZero() {
		next := Memory{Standing: standsUnknown, Why: cmp.Or(o.Problem, "it could not be read"), Seen: o.At}
		if o.Problem == "" && !o.At.IsZero() {
			next.Standing, next.Why = standsGone, "there is no such Application"
		}
		return next
	}
	if o.UID != m.UID {
		m = Memory{UID: o.UID}
	}
	next := Memory{
		UID: o.UID, Seen: o.At,
		Reconciled: o.Reconciled, Basis: earlier(o.At, o.Reconciled),
		HealthSince: o.HealthSince, Operation: o.Operation.id(),
	}
	if o.Reconciled.Equal(m.Reconciled) {
		next.Basis = earlier(next.Basis, m.Basis)
	}
	next.Standing, next.Why = judge(o, next.deadline(rules))
	goesOn := next.Standing == standsCounts &&
		!o.At.Before(m.Seen) && !o.At.After(m.deadline(rules)) &&
		next.HealthSince.Equal(m.HealthSince) && next.Operation == m.Operation
	for _, run := range m.Runs {
		next.Runs = append(next.Runs, run.after(m, o, next.Standing, goesOn))
	}
	if o.Problem == "" {
		next.begin(o)
	}
	next.forget(rules)
	return next
}

// after is a remembered run after the observation o; m is what was remembered
// before it.
func (r Run) after(m Memory, o Observation, now standing, goesOn bool) Run {
	r.Running = o.Problem == "" && slices.Contains(o.Images, r.Image)
	r.Beside = beside(r.Image, o.Images)
	if r.Running {
		r.Last = o.At
	}
	if !r.Since.IsZero() && (!goesOn || !r.alone()) {
		if ran := m.Seen.Sub(r.Since); ran > r.Longest {
			r.Longest, r.Ended = ran, m.Seen
		}
		r.Since = time.Time{}
	}
	// What has failed later was not proven, also if it is not known which image it was.
	if o.Health == "Degraded" && (r.Running || o.Problem != "") {
		r.Longest, r.Ended = 0, time.Time{}
	}
	if now == standsCounts && r.alone() && r.Since.IsZero() {
		r.Since = o.At
	}
	return r
}

// alone says whether the image runs and no other one of its repository does.
func (r Run) alone() bool { return r.Running && r.Beside == "" }

// begin adds the images that are not remembered yet.
func (m *Memory) begin(o Observation) {
	for _, image := range o.Images {
		if slices.ContainsFunc(m.Runs, func(r Run) bool { return r.Image == image }) {
			continue
		}
		run := Run{Image: image, Running: true, Beside: beside(image, o.Images), Last: o.At}
		if m.Standing == standsCounts && run.alone() {
			run.Since = o.At
		}
		m.Runs = append(m.Runs, run)
	}
}

// forget drops what is too old or too much: first what has not run for longest.
func (m *Memory) forget(rules Rules) {
	m.Runs = slices.DeleteFunc(m.Runs, func(r Run) bool {
		return m.Seen.Sub(r.Last) > rules.Retain // of what runs, it is nothing
	})
	slices.SortFunc(m.Runs, func(a, b Run) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Image.String(), b.Image.String()))
	})
	m.Runs = slices.Clip(m.Runs[:min(len(m.Runs), maxRuns)])
	slices.SortFunc(m.Runs, func(a, b Run) int { return cmp.Compare(a.Image.String(), b.Image.String()) })
}

// beside returns the first other reference of the image's repository.
func beside(image Image, images []Image) string {
	found := ""
	for _, other := range images {
		if other.Repository == image.Repository && other != image && (found == "" || other.short() < found) {
			found = other.short()
		}
	}
	return found
}

// judge says what an observation is worth.
func judge(o Observation, deadline time.Time) (standing, string) {
	op := o.Operation
	switch {
	case o.Deleting:
		return standsBroken, "it is being deleted"
	case o.Problem != "":
		return standsUnknown, o.Problem
	case op.Requested || op.Phase == "Running" || op.Phase == "Terminating":
		return standsBroken, "it is being synced"
	case op.Phase == "":
		return standsUnknown, "Argo CD knows of no sync of it"
	case op.Phase != "Succeeded":
		return standsBroken, "its last sync ended as " + shorten(op.Phase)
	case op.Finished.IsZero() || o.Reconciled.IsZero():
		return standsUnknown, "Argo CD does not say when it was compared and synced last"
	case o.Reconciled.After(o.At.Add(skew)):
		return standsUnknown, "its status is from the future"
	case o.At.After(deadline):
		return standsUnknown, "its status has not been renewed since " + o.Reconciled.UTC().Format(time.RFC3339)
	case len(o.Revisions) == 0:
		return standsUnknown, "Argo CD does not say which revision it was compared with"
	case o.Reconciled.Before(op.Finished), o.Reconciled.Equal(op.Finished) && !slices.Equal(o.Revisions, op.Revisions):
		return standsUnknown, "its status is older than its last sync"
	case o.SpecChanged:
		return standsUnknown, "its spec was changed after its status was written"
	case o.Sync == "" || o.Health == "":
		return standsUnknown, "Argo CD does not say whether it is Synced and Healthy"
	case o.Health != "Healthy":
		return standsBroken, "it is " + shorten(o.Health)
	case o.Sync != "Synced":
		return standsBroken, "it is " + shorten(o.Sync)
	case o.HealthSince.IsZero():
		return standsUnknown, "Argo CD does not say since when it is Healthy; 2.14 and newer do from the next change of its health on"
	default:
		return standsCounts, ""
	}
}

// shorten keeps what an Application's writer chose freely to a readable length.
func shorten(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// layout is the version of what Encode writes.
const layout = 1

type encoded struct {
	Layout int    `json:"layout"`
	Memory Memory `json:"memory"`
}

// Encode returns the memory as it is kept.
func (m Memory) Encode() ([]byte, error) {
	data, err := json.Marshal(encoded{layout, m})
	if err != nil {
		return nil, fmt.Errorf("encode what is remembered: %w", err)
	}
	return data, nil
}

// Decode reads what Encode returned. What is not of this layout or contradicts
// itself is an error, and is best forgotten.
func Decode(data []byte) (Memory, error) {
	var e encoded
	if err := json.Unmarshal(data, &e); err != nil {
		return Memory{}, fmt.Errorf("decode what is remembered: %w", err)
	}
	if e.Layout != layout {
		return Memory{}, fmt.Errorf("decode what is remembered: its layout is %d, not %d", e.Layout, layout)
	}
	m := e.Memory
	for i, run := range m.Runs {
		counts := !run.Since.IsZero()
		switch {
		case !run.Image.valid(), i > 0 && m.Runs[i-1].Image.String() >= run.Image.String():
			return Memory{}, errors.New("decode what is remembered: its images are not in order")
		case counts && (m.Standing != standsCounts || !run.alone() || run.Since.After(m.Seen)),
			run.Longest < 0, run.Longest > 0 && run.Ended.IsZero(), m.UID == "", m.Seen.IsZero():
			return Memory{}, fmt.Errorf("decode what is remembered: %s contradicts the rest", run.Image)
		}
	}
	return m, nil
}
