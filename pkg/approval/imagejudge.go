package approval

import (
	"slices"
	"strconv"
	"strings"
)

// levels are the changes that the config quorum judges and those that the image
// quorum does; what is not provably one alone is in both.
type levels struct {
	config, image []*Change
}

// class is the class of a change by its levels.
func (l levels) class() ChangeClass {
	switch {
	case len(l.image) == 0 && len(l.config) == 0:
		return ClassNone
	case len(l.image) == 0:
		return ClassConfig
	case len(l.config) == 0:
		return ClassImage
	default:
		return ClassMixed
	}
}

// split sorts changes in scope by who has to approve them.
func (j *judge) split(changes []*Change) levels {
	p := j.policy.Image
	if p == nil {
		return levels{config: changes}
	}
	l := levels{config: make([]*Change, 0, len(changes))}
	for _, c := range changes {
		i := c.Images
		only := i != nil && i.Only && !i.Touches && len(i.Moves) > 0
		if !only || slices.ContainsFunc(i.Moves, p.escalates) {
			l.config = append(l.config, c)
		}
		if i == nil || i.Only || i.Touches || len(i.Moves) > 0 {
			l.image = append(l.image, c)
		}
	}
	return l
}

// escalates says whether a move needs the config quorum besides.
func (p *ImagePolicy) escalates(m ImageMove) bool {
	return m.Downgrade && p.Downgrade != HandleAllow || m.Mutable && p.MutableTag != HandleAllow
}

// Classify says what kind of change a set of changed paths is for a protected
// repository.
func (p Policy) Classify(r ProtectedRepository, changes []Change) ChangeClass {
	j := judge{policy: &p}
	return j.split(newScope(r.Paths).within(changes, nil)).class()
}

// imageHindrances are what keeps a change of images from being approved beside its
// quorum, and is not cleared by a later change of the same image.
func (j *judge) imageHindrances(pr *PullRequest, image []*Change) []Finding {
	var out []Finding
	for _, c := range image {
		if c.Images == nil {
			out = append(out, Finding{
				Code: CodeImageUnknown, Verdict: Unknown,
				Text: j.textf(func() string { return "it is not known what " + oneLine(c.Path) + " does to images" }),
			})
			continue
		}
		for i := range c.Images.Moves {
			m := &c.Images.Moves[i]
			if m.Downgrade && j.policy.Image.Downgrade != HandleAllow && j.policy.Image.Downgrade != HandleEscalate {
				out = append(out, Finding{
					Code: CodeImageDowngrade, Verdict: Blocked,
					Text:   j.textf(func() string { return "it moves " + m.From.Short() + " back to " + m.To.Short() }),
					Remedy: "restore what was there, or let the gate allow downgrades",
				})
			}
		}
	}
	return slices.Concat(out, j.signatures(pr))
}

// maxReasons bounds the files of which it is said why they need both quorums.
const maxReasons = 5

// both says why changes need the config quorum besides that of images.
func (j *judge) both(l levels) []Finding {
	if !j.explain || len(l.config) == 0 {
		return nil
	}
	var out []Finding
	for _, c := range l.image {
		if c.Images == nil || !slices.Contains(l.config, c) {
			continue
		}
		if len(out) == maxReasons {
			break
		}
		why := c.Images.Why
		if i := slices.IndexFunc(c.Images.Moves, j.policy.Image.escalates); i >= 0 {
			m := &c.Images.Moves[i]
			why = "it moves " + m.From.Short() + " to " + m.To.Short()
			if m.Downgrade {
				why = "it moves " + m.From.Short() + " back to " + m.To.Short()
			}
		}
		out = append(out, Finding{
			Code: CodeImageBoth, Verdict: Allowed,
			Text: oneLine(c.Path) + " needs both quorums" + withDetail(why),
		})
	}
	return out
}

// signatures checks that every commit of a pull request is signed by one of the
// gate's signers. Which commits there are is known from git where the signatures were
// verified; contributors, who are named once for all of their commits, cannot leave
// out one of these, and the signatures none of theirs.
func (j *judge) signatures(pr *PullRequest) []Finding {
	of := make(map[SHA]*CommitSignature, len(pr.Signatures))
	var out []Finding
	add := func(code Code, v Verdict, commit SHA, remedy string, text func() string) {
		out = append(out, Finding{Code: code, Verdict: v, Commit: commit, Remedy: remedy, Text: j.textf(text)})
	}
	unknown := func(commit SHA, what string) {
		add(CodeSignatureUnknown, Unknown, commit, "", func() string { return "the signature of " + commit.Short() + " " + what })
	}
	for i := range pr.Signatures {
		s := &pr.Signatures[i]
		if of[s.Commit] != nil {
			unknown(s.Commit, "is in the facts twice")
		}
		of[s.Commit] = s
	}
	commits := make([]SHA, 0, len(pr.Contributors)+len(pr.Signatures)+1)
	commits = append(commits, pr.Head)
	neutral := true // all of them
	for i := range pr.Signatures {
		commits = append(commits, pr.Signatures[i].Commit)
		neutral = neutral && pr.Signatures[i].State == SignatureNeutral
	}
	for i := range pr.Contributors {
		commits = append(commits, pr.Contributors[i].Commit)
	}
	slices.Sort(commits)
	for _, commit := range slices.Compact(commits) {
		s := of[commit]
		if s == nil {
			unknown(commit, "was not verified")
			continue
		}
		detail := func(text string) func() string {
			return func() string {
				if s.Detail != "" {
					text += ": " + oneLine(s.Detail)
				}
				return commit.Short() + " " + text
			}
		}
		const again = "one of the gate's signers signs it and pushes it again"
		switch s.State {
		case SignatureTrusted:
			signer, ok := j.policy.Image.signer(s.Signer)
			switch {
			case !ok:
				add(CodeSignatureStranger, Blocked, commit, again, detail("is signed by "+oneLine(s.Signer)+", who is no signer of the gate"))
			case signer.GitHubTrusted && !signer.holds(s.User):
				add(CodeSignatureStranger, Blocked, commit, again, detail("is signed by none of "+strings.Join(signer.Users, ", ")))
			case j.explain:
				add(CodeSignatureTrusted, Allowed, commit, "", func() string {
					return commit.Short() + " is signed by " + oneLine(s.Signer) + withKey(s.Key)
				})
			}
		case SignatureNeutral:
			if commit == pr.Head && neutral {
				// What nobody signed moves an image all the same.
				unknown(commit, "cannot be that of an update merge alone")
			}
		case SignatureMissing:
			add(CodeSignatureMissing, Blocked, commit, again, func() string { return commit.Short() + " is not signed" })
		case SignatureStranger:
			add(CodeSignatureStranger, Blocked, commit, again, detail("is not signed by one of the gate's signers"))
		case SignatureInvalid:
			add(CodeSignatureInvalid, Blocked, commit, again, detail("has a signature that does not count"))
		default:
			unknown(commit, "could not be verified"+withDetail(s.Detail))
		}
	}
	for _, s := range j.policy.Image.Signers {
		if e := newElectorate(j.directory, nil, s.Users); len(e.missing) > 0 {
			add(CodeQuorumPeople, Unknown, "", "", func() string {
				return "it is not known who holds the keys of " + oneLine(s.Name) + ": " + strings.Join(e.missing, ", ")
			})
		}
	}
	return out
}

func withKey(fingerprint string) string {
	if fingerprint == "" {
		return ""
	}
	return " with the key " + oneLine(fingerprint)
}

func withDetail(detail string) string {
	if detail == "" {
		return ""
	}
	return ": " + oneLine(detail)
}

// signer finds a signer by name.
func (p *ImagePolicy) signer(name string) (*Signer, bool) {
	i := slices.IndexFunc(p.Signers, func(s Signer) bool { return s.Name == name })
	if name == "" || i < 0 {
		return nil, false
	}
	return &p.Signers[i], true
}

// holds says whether a user is one of those who hold the signer's keys.
func (s *Signer) holds(u *User) bool {
	return u != nil && u.ID > 0 && slices.ContainsFunc(s.Users, func(login string) bool { return strings.EqualFold(login, u.Login) })
}

// signers are those who signed something of the pull request, as far as they are
// known as users.
func (j *judge) signers(pr *PullRequest, add func(UserID)) {
	if j.policy.Image == nil {
		return
	}
	for i := range pr.Signatures {
		s := &pr.Signatures[i]
		if s.User != nil {
			add(s.User.ID)
		}
		signer, ok := j.policy.Image.signer(s.Signer)
		if !ok {
			continue
		}
		for _, login := range signer.Users {
			if u, known := accountOf(j.directory, login); known {
				add(u.ID)
			}
		}
	}
}

// judgeImagePolicy repeats at decision time what loading a configuration refuses.
func judgeImagePolicy(p *ImagePolicy) string {
	valid := func(h Handling) bool { return h == HandleAllow || h == HandleEscalate || h == HandleRefuse }
	switch {
	case len(p.Requirements) == 0:
		return "requires no approval of images"
	case len(p.Signers) == 0:
		return "names nobody who may sign changes of images"
	case !valid(p.Downgrade) || !valid(p.MutableTag):
		return "does not say what to do about downgrades or mutable tags"
	case p.ProvenIn != nil && (p.ProvenIn.Application == "" || p.ProvenIn.Soak <= 0):
		return "does not say where or for how long images have to be proven"
	}
	for i, s := range p.Signers {
		if s.Name == "" || slices.ContainsFunc(p.Signers[:i], func(o Signer) bool { return o.Name == s.Name }) ||
			slices.Contains(s.Users, "") || s.GitHubTrusted && len(s.Users) == 0 {
			return "has a signer without a name of its own, or without users although GitHub is to name them"
		}
	}
	for i, k := range p.Verify {
		if k.Name == "" || len(k.Repositories) == 0 || slices.ContainsFunc(k.Repositories, func(p string) bool { return !ValidPattern(p) }) {
			return "has image keys " + strconv.Itoa(i+1) + " without a name or valid repositories"
		}
	}
	return ""
}
