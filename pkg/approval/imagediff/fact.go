package imagediff

import (
	"slices"
	"strconv"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Fact is what the change of one file does to images, as a decision takes it, and
// the classification that it comes from.
func Fact(f File, rules Rules) (*approval.ImageChange, Result) {
	r, effect := Classify([]File{f}, rules), Look(f, rules)
	out := &approval.ImageChange{Whole: effect.Whole}
	for _, i := range effect.Takes {
		out.Takes = append(out.Takes, i.fact())
	}
	if r.Class == ClassImage && len(r.Moves) > 0 {
		out.Only = true
		for _, m := range r.Moves {
			from, to := Image{m.Repository, m.From}, Image{m.Repository, m.To}
			out.Moves = append(out.Moves, moveFact(strconv.Itoa(m.Document)+" "+m.Path, from, to, m.Flags))
		}
		return out, r
	}
	out.Touches = r.Class == ClassRefused || effect.Touches
	for _, a := range effect.Brings {
		out.Moves = append(out.Moves, moveFact(a.Path, a.From, a.To, a.Flags))
	}
	if len(r.Files) > 0 {
		out.Why = r.Files[0].Why
	}
	return out, r
}

func (i Image) fact() approval.Image {
	return approval.Image{Repository: i.Repository, Tag: i.Tag, Digest: i.Digest}
}

func moveFact(place string, from, to Image, flags []Flag) approval.ImageMove {
	return approval.ImageMove{
		Place: place, From: from.fact(), To: to.fact(),
		Downgrade: slices.Contains(flags, FlagDowngrade), Mutable: slices.Contains(flags, FlagMutable),
	}
}
