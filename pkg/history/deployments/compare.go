package deployments

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Comparison is what differs between two deployments of an Application.
type Comparison struct {
	From Deployment `json:"from"`
	To   Deployment `json:"to"`
	// Same is true when both deployed the same revisions, and the spec is not known to have
	// been another one; false when the revisions of neither are known.
	Same bool `json:"same"`
	// SpecChanged is true when the Application's spec was another one; it is not known of
	// ungated syncs.
	SpecChanged bool `json:"specChanged,omitempty"`
	// Revisions has one change for each source, in their order.
	Revisions []RevisionChange `json:"revisions"`
	// Added are the pull requests that To has and From has not, newest first, and Removed
	// the other way round. What was taken back in between is in neither.
	Added   []Pull `json:"added,omitempty"`
	Removed []Pull `json:"removed,omitempty"`
	// AddedDirect and RemovedDirect are the commits that came without a pull request.
	AddedDirect   []string `json:"addedDirect,omitempty"`
	RemovedDirect []string `json:"removedDirect,omitempty"`
	// Images are those that differ.
	Images []ImageDifference `json:"images,omitempty"`
	// People had a part in what differs.
	Authors         []string `json:"authors,omitempty"`
	ConfigApprovers []string `json:"configApprovers,omitempty"`
	ImageApprovers  []string `json:"imageApprovers,omitempty"`
	// Incomplete says why pull requests and images may be missing; empty when they are not.
	Incomplete string `json:"incomplete,omitempty"`
}

// RevisionChange is how one source differs.
type RevisionChange struct {
	Repository string `json:"repository,omitempty"`
	From       string `json:"from"`
	To         string `json:"to"`
}

// ImageDifference is an image that differs. From or To is empty where it is not known.
type ImageDifference struct {
	Place string `json:"place,omitempty"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
	// Digest is that of To when it was decided; empty when it is not known.
	Digest string `json:"digest,omitempty"`
}

// Compare tells two deployments of an Application apart, by its UID. It reads at most
// PageMost of those in between, and says so when there are more.
func (m *Model) Compare(ctx context.Context, uid string, from, to int) (Comparison, error) {
	a, err := m.Get(ctx, uid, from)
	if err != nil {
		return Comparison{}, err
	}
	b, err := m.Get(ctx, uid, to)
	if err != nil {
		return Comparison{}, err
	}
	for _, d := range []Deployment{a, b} {
		if d.Archived {
			return Comparison{}, fmt.Errorf("deployment #%d: %w", d.Number, &history.ArchivedError{Sequence: d.Sequence})
		}
	}
	c := Comparison{From: a, To: b, Revisions: revisionChanges(a, b)}
	c.SpecChanged = a.SpecDigest != "" && b.SpecDigest != "" && a.SpecDigest != b.SpecDigest
	c.Same = len(c.Revisions) > 0 && !c.SpecChanged && !slices.ContainsFunc(c.Revisions, func(r RevisionChange) bool { return r.From != r.To })
	if err := m.between(ctx, uid, &c); err != nil {
		return Comparison{}, err
	}
	for _, p := range slices.Concat(c.Added, c.Removed) {
		add(&c.Authors, p.Author)
		add(&c.ConfigApprovers, p.ConfigApprovers...)
		add(&c.ImageApprovers, p.ImageApprovers...)
	}
	return c, nil
}

func revisionChanges(a, b Deployment) []RevisionChange {
	out := make([]RevisionChange, max(len(a.Revisions), len(b.Revisions)))
	for i := range out {
		if i < len(a.Revisions) {
			out[i].Repository, out[i].From = string(a.Revisions[i].Repository), a.Revisions[i].Revision
		}
		if i < len(b.Revisions) {
			if b.Revisions[i].Repository != "" {
				out[i].Repository = string(b.Revisions[i].Repository)
			}
			out[i].To = b.Revisions[i].Revision
		}
	}
	return out
}

// between walks from both deployments to the newest one that both rest on.
func (m *Model) between(ctx context.Context, uid string, c *Comparison) error {
	near, err := m.near(ctx, uid, c.From.Number, c.To.Number)
	if err != nil {
		return err
	}
	var added, removed []Deployment
	a, b := c.From, c.To
	for steps := 0; a.Number != b.Number; steps++ {
		if steps == PageMost {
			c.Incomplete = fmt.Sprintf("more than %d deployments are in between, and those after #%d are shown", PageMost, max(a.Number, b.Number))
			break
		}
		if a.Archived || b.Archived {
			c.Incomplete = fmt.Sprintf("#%d is archived, and its archive is not at hand", min(a.Number, b.Number))
			break
		}
		ahead, list := &a, &removed
		if b.Number > a.Number {
			ahead, list = &b, &added
		}
		if ahead.BackTo == 0 {
			*list = append(*list, *ahead)
			if ahead.Ungated && !ahead.Same && len(ahead.Pulls)+len(ahead.Direct) == 0 {
				c.Incomplete = fmt.Sprintf("#%d was synced without the gate, so what it brought is not on record", ahead.Number)
			}
		}
		on := ahead.RestsOn
		if on == 0 {
			c.Incomplete = fmt.Sprintf("what was live before #%d is not on record", ahead.Number)
			break
		}
		found := slices.IndexFunc(near, func(d Deployment) bool { return d.Number == on })
		if found >= 0 {
			*ahead = near[found]
			continue
		}
		if *ahead, err = m.Get(ctx, uid, on); err != nil {
			return err
		}
	}
	for _, d := range added {
		c.Added, c.AddedDirect = append(c.Added, d.Pulls...), append(c.AddedDirect, d.Direct...)
	}
	for _, d := range removed {
		c.Removed, c.RemovedDirect = append(c.Removed, d.Pulls...), append(c.RemovedDirect, d.Direct...)
	}
	c.Added, c.Removed = apiece(c.Added, c.Removed, func(a, b Pull) bool { return a.Repository == b.Repository && a.Commit == b.Commit })
	c.AddedDirect, c.RemovedDirect = apiece(c.AddedDirect, c.RemovedDirect, func(a, b string) bool { return a == b })
	c.Images = imagesBetween(added, removed)
	return nil
}

// apiece takes out what is in both lists. Two decisions may tell of one landing, when the
// sync that it was in failed, or was made without the gate.
func apiece[T any](a, b []T, same func(a, b T) bool) (alone, others []T) {
	without := func(list, other []T) (out []T) {
		for _, v := range list {
			if !slices.ContainsFunc(other, func(o T) bool { return same(v, o) }) {
				out = append(out, v)
			}
		}
		return out
	}
	return without(a, b), without(b, a)
}

// near reads the deployments from one number to another, the newest of them if they are
// many.
func (m *Model) near(ctx context.Context, uid string, a, b int) ([]Deployment, error) {
	first, last := min(a, b), max(a, b)
	return m.Range(ctx, uid, max(first, last-PageMost+1), last)
}

// imagesBetween are the images that differ, by their places: what was removed is undone,
// newest first, and then what was added is done.
func imagesBetween(added, removed []Deployment) []ImageDifference {
	var places []string
	at := map[string]*ImageDifference{}
	move := func(place, from, to, digest string) {
		known, ok := at[place]
		if !ok {
			places = append(places, place)
			at[place] = &ImageDifference{Place: place, From: from, To: to, Digest: digest}
			return
		}
		known.To, known.Digest = to, digest
	}
	key := func(i Image) string {
		// One place may hold several images, which are told apart by their names.
		return i.Place + "\x00" + nameOf(i)
	}
	for _, d := range removed {
		for _, i := range d.Images {
			move(key(i), i.To, i.From, "")
		}
	}
	for _, d := range slices.Backward(added) {
		for _, i := range slices.Backward(d.Images) {
			move(key(i), i.From, i.To, i.Digest)
		}
	}
	var out []ImageDifference
	for _, place := range places {
		d := *at[place]
		d.Place, _, _ = strings.Cut(d.Place, "\x00")
		if d.From != d.To {
			out = append(out, d)
		}
	}
	return out
}

// nameOf is an image's reference without its version.
func nameOf(i Image) string {
	reference := i.To
	if reference == "" {
		reference = i.From
	}
	reference, _, _ = strings.Cut(reference, "@")
	if slash := strings.LastIndexByte(reference, '/'); strings.LastIndexByte(reference, ':') > slash {
		reference = reference[:strings.LastIndexByte(reference, ':')]
	}
	return reference
}
