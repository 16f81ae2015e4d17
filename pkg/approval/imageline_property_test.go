package approval_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// modelFile is a file with a setting and up to two images: a version, "" for none and
// "?" for one that cannot be told.
type modelFile struct {
	gone    bool
	setting int
	images  [2]string
}

func (f modelFile) content() string {
	if f.gone {
		return "-"
	}
	return fmt.Sprint(f.setting, f.images)
}

// has are the images of a file.
func (f modelFile) has() []string {
	if f.gone {
		return nil
	}
	return slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(f.images[:]))), func(i string) bool { return i == "" })
}

// imageLanding is a landing that leaves two files as they are then.
type imageLanding struct {
	files           [2]modelFile
	push            bool
	config, release bool // which of the quorums approved it
	signatures      [2]approval.SignatureState
}

// imageHistory is a line, and what is known of the images.
type imageHistory struct {
	baseline [2]modelFile
	landings []imageLanding
	good     map[string]bool
}

func (h imageHistory) before(i int) [2]modelFile {
	if i == 0 {
		return h.baseline
	}
	return h.landings[i-1].files
}

// moves says whether two versions of a file differ in the versions of images alone.
func onlyMoves(b, a modelFile) bool {
	if b.gone || a.gone || b.setting != a.setting || b.images == a.images {
		return false
	}
	for i := range b.images {
		if b.images[i] != a.images[i] && (strings.Trim(b.images[i], "?") == "" || strings.Trim(a.images[i], "?") == "") {
			return false
		}
	}
	return true
}

// approves is what docs/images.md asks for before a landing is approved.
func (h imageHistory) approves(i int) bool {
	l, config, image := h.landings[i], false, false
	for n, a := range l.files {
		b := h.before(i)[n]
		switch {
		case a == b:
		case onlyMoves(b, a):
			image = true
		default:
			config = true
			image = image || !slices.Equal(b.has(), a.has()) || b.images != a.images
		}
	}
	signed := l.signatures == [2]approval.SignatureState{approval.SignatureTrusted, approval.SignatureTrusted}
	return !l.push && (!config || l.config) && (!image || l.release && signed)
}

// legitimate are all contents of a file up to landing i that approved landings alone
// made of what was legitimate before, beginning with the baseline.
func (h imageHistory) legitimate(file, i int) map[modelFile]bool {
	out := map[modelFile]bool{h.baseline[file]: true}
	for n := range i + 1 {
		if h.approves(n) && out[h.before(n)[file]] {
			out[h.landings[n].files[file]] = true
		}
	}
	return out
}

// fault says why what is there after landing i must not run; "" when it may.
func (h imageHistory) fault(i int) string {
	for n := range h.baseline {
		at := h.before(i + 1)[n]
		if !h.legitimate(n, i)[at] {
			return fmt.Sprintf("nobody approved file %d: %v", n, at)
		}
		for _, image := range at.has() {
			if !slices.Contains(h.baseline[n].has(), image) && !h.good[image] {
				return fmt.Sprintf("image %s of file %d must not run", image, n)
			}
		}
	}
	return ""
}

func randomImageHistory(r *rand.Rand) imageHistory {
	h := imageHistory{
		baseline: [2]modelFile{{images: [2]string{"v1", "v2"}}, {images: [2]string{"v1", ""}}},
		good:     map[string]bool{},
	}
	badly, careful := r.IntN(3), r.IntN(4) > 0
	for i := 1; i <= 6; i++ {
		h.good[fmt.Sprint("v", i)] = r.IntN(4) >= badly
	}
	for i := range 1 + r.IntN(7) {
		l := imageLanding{
			files: h.before(i), push: r.IntN(8) == 0, config: r.IntN(6) > 0, release: r.IntN(6) > 0,
			signatures: [2]approval.SignatureState{approval.SignatureTrusted, approval.SignatureTrusted},
		}
		if r.IntN(8) == 0 {
			l.signatures[r.IntN(2)] = []approval.SignatureState{approval.SignatureMissing, approval.SignatureStranger, approval.SignatureInvalid, ""}[r.IntN(4)]
		}
		for range 1 + r.IntN(2) {
			f := &l.files[r.IntN(2)]
			version := fmt.Sprint("v", 1+r.IntN(6))
			switch n := r.IntN(12); {
			case f.gone:
				*f = modelFile{setting: r.IntN(2), images: [2]string{version, ""}}
			case n < 5:
				f.images[r.IntN(2)] = version
			case n == 5:
				f.images[0], f.images[1] = f.images[1], f.images[0]
			case n == 6:
				*f = modelFile{gone: true}
			case n == 7 && i > 0:
				l.files = h.before(r.IntN(i)) // what was there once
			case n == 8 && !careful:
				f.images[r.IntN(2)] = "?"
			case n == 9:
				f.images[r.IntN(2)] = ""
			default:
				f.setting = 1 - f.setting
			}
		}
		h.landings = append(h.landings, l)
	}
	return h
}

// imageFacts is what internal/images says of a change from one content to another.
func imageFacts(b, a modelFile) *approval.ImageChange {
	of := func(v string) approval.Image {
		if v == "?" {
			return approval.Image{}
		}
		return image(v)
	}
	c := &approval.ImageChange{Only: onlyMoves(b, a)}
	for _, v := range b.has() {
		if !slices.Contains(a.has(), v) {
			c.Takes = append(c.Takes, of(v))
		}
	}
	if c.Only {
		for i, v := range a.images {
			if v != b.images[i] {
				c.Moves = append(c.Moves, approval.ImageMove{From: of(b.images[i]), To: of(v)})
			}
		}
		return c
	}
	c.Touches = b.images != a.images || !slices.Equal(b.has(), a.has())
	for _, v := range a.has() {
		if !slices.Contains(b.has(), v) {
			c.Moves = append(c.Moves, approval.ImageMove{To: of(v)})
		}
	}
	return c
}

// setting is the history as facts.
func (h imageHistory) setting(r *rand.Rand) *setting {
	s := imaged()
	s.Lines, s.Images = []approval.Line{deployLine()}, nil
	for _, v := range []string{"v1", "v2", "v3", "v4", "v5", "v6"} {
		s.know(v)
		e := &s.Images[len(s.Images)-1]
		if h.good[v] {
			continue
		}
		switch r.IntN(6) {
		case 0:
			e.Signed = approval.ImageSignedNo
		case 1:
			e.Signed = ""
		case 2:
			e.Digest = image("v9").Digest
		case 3:
			e.Soak.State, e.Soak.Ran = approval.SoakRunning, hour/2
		case 4:
			e.Soak.State = approval.SoakNot
		default:
			s.Images = s.Images[:len(s.Images)-1]
		}
	}
	for i, l := range h.landings {
		var changes []approval.Change
		for n, a := range l.files {
			if b := h.before(i)[n]; b.content() != a.content() {
				c := change(fmt.Sprintf("apps/prod/%d.yaml", n), b.content(), a.content())
				c.Images = imageFacts(b, a)
				changes = append(changes, c)
			}
		}
		if l.push {
			push(s.line(), i, changes...)
			continue
		}
		// Contributors are named once for all of their commits.
		pr := pull(10+i, "renovate[bot]")
		for n, commit := range []approval.SHA{pr.Head, oldHeadOf(10 + i)} {
			pr.Signatures = append(pr.Signatures, approval.CommitSignature{Commit: commit, State: l.signatures[n], Signer: "renovate"})
		}
		if l.config {
			approve(pr, "alice", "bob")
		}
		if l.release {
			approve(pr, "rita")
		}
		land(s.line(), pr, changes...)
	}
	return s
}

// TestImagesAtTheTarget: whatever is let through was approved by who has to, signed in
// every commit, and every image in it that was not there before may run.
func TestImagesAtTheTarget(t *testing.T) {
	advancing, moved, held, unsigned, straight := 0, 0, 0, 0, 0
	for seed := range uint64(randomHistories) {
		r := rand.New(rand.NewPCG(seed, 7))
		h := randomImageHistory(r)
		s := h.setting(r)
		d := s.decide()
		say := func() string { return fmt.Sprintf("seed %d %+v\n%s", seed, h, strings.Join(texts(d.Findings), "\n")) }
		require.Equal(t, d.Lines[0].Target, s.decideBare().Lines[0].Target, "seed %d", seed)
		target := slices.IndexFunc(s.line().Landings, func(l approval.Landing) bool { return l.Commit == d.Lines[0].Target })
		require.Empty(t, h.fault(target), say())
		if d.Advances {
			advancing++
			for n := range h.baseline {
				if target >= 0 && !slices.Equal(h.before(target + 1)[n].has(), h.baseline[n].has()) {
					moved++
				}
			}
		}
		if target == len(h.landings)-1 {
			continue
		}
		// What is held back is held back for a reason.
		fine, approved := true, true
		for i := range h.landings {
			approved = approved && h.approves(i)
			fine = fine && h.fault(i) == "" && !slices.ContainsFunc(s.line().Landings[i].Changes, func(c approval.Change) bool {
				return slices.ContainsFunc(c.Images.Moves, func(m approval.ImageMove) bool { return !h.good[m.To.Tag] })
			})
		}
		require.False(t, fine && approved, say())
		straight++
		held += number(approved)
		unsigned += number(slices.ContainsFunc(h.landings, func(l imageLanding) bool {
			return l.release && l.config && !l.push && (l.signatures[0] != approval.SignatureTrusted || l.signatures[1] != approval.SignatureTrusted)
		}))
	}
	for what, n := range map[string]int{"advancing": advancing, "moved": moved, "held by evidence": held, "held by signatures": unsigned, "held": straight} {
		require.Greater(t, n, randomHistories/30, what)
	}
}
