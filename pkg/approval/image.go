package approval

import "time"

// ImagePolicy is what must hold before the images of a gate move. Who approves
// them is asked for apart from the config quorum.
type ImagePolicy struct {
	// Requirements are the image quorum. They must all hold.
	Requirements []Requirement `json:"requirements"`
	// Signers may sign the commits of a change that moves images. Every commit of
	// its pull request must be signed by one of them.
	Signers []Signer `json:"signers"`
	// Downgrade and MutableTag say what is done about a move to an older version,
	// and to a tag that is made to be moved, like latest.
	Downgrade  Handling `json:"downgrade"`
	MutableTag Handling `json:"mutableTag"`
	// RequireDigest refuses images without a digest.
	RequireDigest bool `json:"requireDigest,omitempty"`
	// Verify are the keys with which images must be signed. When there is any,
	// every image that moves must be in a repository of one of them.
	Verify []ImageKeys `json:"verify,omitempty"`
	// ProvenIn asks for images that another Application has run; nil for none.
	ProvenIn *ProvenIn `json:"provenIn,omitempty"`
}

// Handling says what is done about a move that is out of the ordinary. The zero
// Handling refuses.
type Handling string

// The ways to handle a move.
const (
	// HandleAllow lets the image quorum decide.
	HandleAllow Handling = "allow"
	// HandleEscalate asks for the config quorum besides.
	HandleEscalate Handling = "escalate"
	// HandleRefuse lets nobody approve it.
	HandleRefuse Handling = "refuse"
)

// Signer is somebody whose signatures are taken.
type Signer struct {
	Name string `json:"name"`
	// Users are the logins of those who hold the keys. They do not count as
	// approvers of what the signer signed.
	Users []string `json:"users,omitempty"`
	// GitHubTrusted takes GitHub's word that one of the users signed, instead of
	// verifying the signature.
	GitHubTrusted bool `json:"githubTrusted,omitempty"`
}

// ImageKeys says with which keys the images of some repositories are signed.
type ImageKeys struct {
	// Repositories are patterns of normalised names, such as
	// "ghcr.io/acme/**".
	Repositories []string `json:"repositories"`
	// Name names the keys.
	Name string `json:"name"`
}

// covers says whether the keys are those for a repository.
func (k ImageKeys) covers(repository string) bool {
	return repository != "" && len(k.Repositories) > 0 && newScope(k.Repositories).covers(repository)
}

// KeysFor are the keys for an image; false when the gate names none.
func (p ImagePolicy) KeysFor(i Image) (ImageKeys, bool) {
	for _, k := range p.Verify {
		if k.covers(i.Repository) {
			return k, true
		}
	}
	return ImageKeys{}, false
}

// ProvenIn says where and for how long an image must have been healthy.
type ProvenIn struct {
	// Application is a template of the Application's name, see docs/images.md.
	Application string `json:"application"`
	// Soak is how long, without interruption.
	Soak time.Duration `json:"soak"`
}

// Image is one version of a container image.
type Image struct {
	// Repository is normalised ("docker.io/library/app"); empty when the file does
	// not say it.
	Repository string `json:"repository,omitempty"`
	Tag        string `json:"tag,omitempty"`
	// Digest is written with its algorithm, "sha256:...".
	Digest string `json:"digest,omitempty"`
}

// String writes an image as a reference.
func (i Image) String() string {
	s := i.Repository
	if s == "" {
		s = "?"
	}
	if i.Tag != "" {
		s += ":" + i.Tag
	}
	if i.Digest != "" {
		s += "@" + i.Digest
	}
	return s
}

// Short is String with a short digest, for people.
func (i Image) Short() string {
	i.Digest = short(i.Digest)
	return oneLine(i.String())
}

// ImageChange is what the change of one file does to images.
type ImageChange struct {
	// Only is true when the file provably changes nothing but the versions of
	// images.
	Only bool `json:"only,omitempty"`
	// Touches is true when it may change an image and something else.
	Touches bool `json:"touches,omitempty"`
	// Moves are the images that the file has now and had not before. One that cannot
	// be told has a zero To.
	Moves []ImageMove `json:"moves,omitempty"`
	// Takes are the images that it had before and has not any more, the zero Image for
	// those that could not be told.
	Takes []Image `json:"takes,omitempty"`
	// Whole is true when Moves are all images of the file, since it could not be told
	// what it had before.
	Whole bool `json:"whole,omitempty"`
	// Why says why it is not Only.
	Why string `json:"why,omitempty"`
}

// ImageMove is one image that gets another version, or is new.
type ImageMove struct {
	// Place is where it is in the file, for people.
	Place     string `json:"place"`
	From      Image  `json:"from"`
	To        Image  `json:"to"`
	Downgrade bool   `json:"downgrade,omitempty"`
	Mutable   bool   `json:"mutable,omitempty"`
}

// SignatureState is what became of verifying a signature. The zero state says that
// it is not known, and blocks.
type SignatureState string

// The states of a commit's signature.
const (
	// SignatureTrusted: it is by a signer of the gate, and valid.
	SignatureTrusted SignatureState = "trusted"
	// SignatureNeutral: the commit is a clean update merge, which brings nothing
	// that is not signed or on the base branch.
	SignatureNeutral SignatureState = "neutral"
	// SignatureMissing: the commit is not signed.
	SignatureMissing SignatureState = "unsigned"
	// SignatureStranger: the key is none of the gate's.
	SignatureStranger SignatureState = "stranger"
	// SignatureInvalid: it is broken, expired, revoked, weak, or of another kind.
	SignatureInvalid SignatureState = "invalid"
)

// CommitSignature is what is known of the signature of one commit of a pull
// request.
type CommitSignature struct {
	Commit SHA            `json:"commit"`
	State  SignatureState `json:"state"`
	// Signer is the name of the gate's signer when the state is trusted.
	Signer string `json:"signer,omitempty"`
	// Key is the fingerprint.
	Key string `json:"key,omitempty"`
	// User is who signed as GitHub says it; nil when GitHub was not asked.
	User *User `json:"user,omitempty"`
	// Detail says more, in one line.
	Detail string `json:"detail,omitempty"`
}

// ImageEvidence is what is known about one image that a landing moves to.
type ImageEvidence struct {
	Image Image `json:"image"`
	// Digest is what the registry has now, First what it had when Gatekeeper first
	// saw the image wanted there. Both are empty when that is not known.
	Digest string `json:"digest,omitempty"`
	First  string `json:"first,omitempty"`
	// Signed says whether the digest is signed with the gate's keys, and Key with
	// which one.
	Signed ImageSigned `json:"signed,omitempty"`
	Key    string      `json:"key,omitempty"`
	// Soak is how long it has been healthy elsewhere; nil when that is not known.
	Soak *Soak `json:"soak,omitempty"`
	// Why says what could not be known, or what is wrong.
	Why string `json:"why,omitempty"`
}

// ImageSigned is the outcome of verifying an image's signature. The zero value says
// that it is not known, and blocks.
type ImageSigned string

// The outcomes.
const (
	ImageSignedYes ImageSigned = "verified"
	ImageSignedNo  ImageSigned = "not_signed"
)

// Soak is how an image fared in another Application.
type Soak struct {
	// Application is the "namespace/name" where it was looked for.
	Application string    `json:"application"`
	State       SoakState `json:"state"`
	// Ran is for how long it has been healthy without interruption; the longest
	// time when it did so more than once.
	Ran time.Duration `json:"ran"`
	Why string        `json:"why,omitempty"`
}

// SoakState is whether an image was proven. The zero state is not known, and
// blocks.
type SoakState string

// The states.
const (
	SoakProven  SoakState = "proven"
	SoakRunning SoakState = "running"
	// SoakNot: it does not run there, or is not healthy.
	SoakNot SoakState = "not_running"
)
