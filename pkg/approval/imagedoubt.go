package approval

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// doubt is what speaks against an image that a path in scope holds. It is cleared
// when the image moves on to another one, unlike what speaks against the change
// that brought it.
type doubt struct {
	// at is the index of the landing that brought the image.
	at   int
	move *ImageMove
	// why says why the change is not of images alone.
	why  string
	code Code
	// verdict is never Allowed.
	verdict Verdict
}

// doubts are those on the images of a path after a change of it that is approved,
// when there were these before.
func (j *judge) doubts(before []doubt, baseline *Entry, c *Change, at int) []doubt {
	if c.After.same(baseline) || c.After == (Entry{}) {
		return nil // it is what was live before, or gone
	}
	if c.Images == nil {
		return before // which is a finding about the change
	}
	// Where an image is in the file says nothing: other changes move it about.
	after := before[:0]
	for _, d := range before {
		if !c.Images.Whole && !slices.Contains(c.Images.Takes, d.move.To) {
			after = append(after, d)
		}
	}
	for i := range c.Images.Moves {
		m := &c.Images.Moves[i]
		if code, v := j.examine(&m.To, m.Mutable); v != Allowed {
			after = append(after, doubt{at, m, c.Images.Why, code, v})
		}
	}
	return after
}

// examine says what speaks against an image.
func (j *judge) examine(i *Image, mutable bool) (Code, Verdict) {
	p := j.policy.Image
	_, listed := p.KeysFor(*i)
	switch {
	case *i == (Image{}) && (p.RequireDigest || len(p.Verify) > 0 || p.ProvenIn != nil):
		return CodeImageUnseen, Blocked
	case p.RequireDigest && i.Digest == "":
		return CodeImageNoDigest, Blocked
	case mutable && p.MutableTag != HandleAllow && p.MutableTag != HandleEscalate:
		return CodeImageMutable, Blocked
	case i.Repository == "" && (len(p.Verify) > 0 || p.ProvenIn != nil):
		return CodeImageRepository, Blocked
	case len(p.Verify) > 0 && !listed:
		return CodeImageNoKey, Blocked
	case len(p.Verify) == 0 && p.ProvenIn == nil:
		return "", Allowed
	}
	e := j.evidence(i)
	if e == nil {
		return CodeImageUnverified, Unknown
	}
	if len(p.Verify) > 0 {
		if code, v := e.verified(); v != Allowed {
			return code, v
		}
	}
	if p.ProvenIn != nil {
		return e.Soak.proven(p.ProvenIn)
	}
	return "", Allowed
}

// evidence finds what is known of an image; nil when nothing is, or two things are.
func (j *judge) evidence(i *Image) *ImageEvidence {
	var found *ImageEvidence
	for n := range j.images {
		if e := &j.images[n]; e.Image == *i {
			if found != nil {
				return nil
			}
			found = e
		}
	}
	return found
}

// verified says whether the registry has the image that is meant, signed.
func (e *ImageEvidence) verified() (Code, Verdict) {
	first := e.First
	if e.Image.Digest != "" {
		first = e.Image.Digest
	}
	switch {
	case e.Digest == "" || first == "":
		return CodeImageUnverified, Unknown
	case e.Digest != first:
		return CodeImageTagMoved, Blocked
	case e.Signed == ImageSignedYes:
		return "", Allowed
	case e.Signed == ImageSignedNo:
		return CodeImageNotSigned, Blocked
	default:
		return CodeImageUnverified, Unknown
	}
}

// proven says whether an image was healthy for long enough.
func (s *Soak) proven(p *ProvenIn) (Code, Verdict) {
	switch {
	case s == nil || s.Application == "":
		return CodeImageSoakUnknown, Unknown
	case s.State == SoakProven && s.Ran >= p.Soak:
		return "", Allowed
	case s.State == SoakRunning && s.Ran < p.Soak:
		return CodeImageSoaking, Blocked
	case s.State == SoakNot:
		return CodeImageNotProven, Blocked
	default:
		return CodeImageSoakUnknown, Unknown
	}
}

// raise makes the doubts that are left at the end of a line findings of the landings
// that brought the images. All of them are after the target.
func (j *judge) raise(t *trust, line *judgedLine) {
	if t.doubtful == 0 {
		return
	}
	for i := range t.list {
		doubts := t.doubts[i]
		for n := range doubts {
			d := &doubts[n]
			f, landing := &line.findings[line.first+d.at], &line.decision.Landings[d.at]
			child := j.explainDoubt(d)
			child.Commit, child.Pull = f.Commit, f.Pull
			landing.Verdict = worse(landing.Verdict, d.verdict)
			if worse(f.Verdict, d.verdict) != f.Verdict {
				f.Verdict, f.Code, f.Remedy = d.verdict, d.code, child.Remedy
				if j.explain {
					f.Text += ", but " + child.Text
				}
			}
			if j.explain {
				f.Children = append(f.Children, child)
			}
		}
	}
}

// explainDoubt is a doubt in words.
func (j *judge) explainDoubt(d *doubt) Finding {
	f := Finding{Code: d.code, Verdict: d.verdict}
	if !j.explain {
		return f
	}
	image, p := d.move.To.Short(), j.policy.Image
	e := j.evidence(&d.move.To)
	why := ""
	if e != nil {
		why = withDetail(e.Why)
	}
	switch d.code {
	case CodeImageUnseen:
		f.Text = "it brings an image that cannot be told" + withDetail(d.why)
		f.Remedy = "write the image where the gate looks for images, in one place with its version"
	case CodeImageNoDigest:
		f.Text, f.Remedy = image+" has no digest", "write the digest beside the tag"
	case CodeImageMutable:
		f.Text, f.Remedy = image+" has a tag that is made to be moved", "use a tag that is given once, or a digest"
	case CodeImageRepository:
		f.Text, f.Remedy = "the file does not say from which repository "+image+" is", "write the repository beside the tag"
	case CodeImageNoKey:
		f.Text, f.Remedy = "the gate has no key for images of "+oneLine(d.move.To.Repository), "add its repository to the gate's keys"
	case CodeImageTagMoved:
		f.Text = image + " was " + oneLine(short(e.First)) + " when it was first looked at, and is " + oneLine(short(e.Digest)) + " now"
		f.Remedy = "find out who moved the tag; approve the new image with a tag or digest of its own"
	case CodeImageNotSigned:
		f.Text, f.Remedy = image+" is not signed with the gate's keys"+why, "sign the digest with one of the gate's keys; Gatekeeper looks again by itself"
	case CodeImageSoaking:
		f.Text = image + " ran Healthy in " + oneLine(e.Soak.Application) + " for " + amount(e.Soak.Ran, p.ProvenIn.Soak)
		f.Remedy = "nothing to do while it stays Healthy there"
	case CodeImageNotProven:
		f.Text = image + " does not run Healthy in " + oneLine(e.Soak.Application) + withDetail(e.Soak.Why)
		f.Remedy = "deploy it there first"
	case CodeImageSoakUnknown:
		f.Text = "it is not known how " + image + " fared elsewhere" + why
		if e != nil && e.Soak != nil {
			f.Text += withDetail(e.Soak.Why)
		}
	default:
		f.Text, f.Remedy = "it is not known whether "+image+" is the image that was signed"+why, "nothing to do if this passes; Gatekeeper looks again by itself"
	}
	return f
}

// short shortens a digest.
func short(digest string) string {
	if algorithm, hex, ok := strings.Cut(digest, ":"); ok && len(hex) > 12 {
		return algorithm + ":" + hex[:12]
	}
	return digest
}

// amount says how much of a time has passed: "12 of 30 minutes".
func amount(ran, of time.Duration) string {
	unit, name := time.Minute, "minutes"
	if of%time.Minute != 0 {
		unit, name = time.Second, "seconds"
	}
	return strconv.FormatInt(int64(ran/unit), 10) + " of " + strconv.FormatInt(int64(of/unit), 10) + " " + name
}
