package signature

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// PublishedWebFlowKeys are the IDs of the keys with which GitHub signs what is done
// in its web interface and by Apps, from https://github.com/web-flow.gpg as of
// 2026-11: the first until January 2024, the second since.
func PublishedWebFlowKeys() []string { return []string{"4AEE18F83AFDEB23", "B5690EEEBB952194"} }

// GitHubSays is what GitHub's API says about a commit.
type GitHubSays struct {
	// Commit is the commit that the API was asked for and answered about.
	Commit approval.SHA
	// Verified and Reason are those of commit.verification.
	Verified bool
	Reason   string
	// Committer is the account of the committer's address. By it GitHub finds the
	// key of a signature, so that it is who signed whatever is verified.
	Committer approval.User
	// Signer is the account whose key GitHub found: signature.signer in GraphQL.
	// REST does not tell it; the zero User stands for the committer then.
	Signer approval.User
	// SignedByGitHub is signature.wasSignedByGitHub of GraphQL.
	SignedByGitHub bool
}

// GitHubTrust accepts signatures because GitHub says that they are good. Nothing is
// verified here, and this is what is trusted then:
//
//   - GitHub, and everybody who can add a key to the account of a signer: whoever
//     takes over the account signs as that person, and no key file shows it.
//   - Verification for ever: GitHub keeps a commit "verified" after its key expired
//     or was revoked (since 2024; "persistent commit signature verification").
//   - The committer's address, by which GitHub finds the account. The author of
//     the commit may be somebody else.
//
// What GitHub itself signed never counts: its key signs whatever anybody does in
// the web interface, and says nothing about who holds a key. It is told by the key
// that the signature in the object names, by the committer, and by GitHub's word;
// any of them refuses.
//
// Use Allowed where the key files of the signers can be had.
type GitHubTrust struct {
	users []approval.User
	web   []string
}

// NewGitHubTrust takes the accounts whose signatures count and the key IDs (16
// digits) or fingerprints (40) with which GitHub signs: PublishedWebFlowKeys,
// and those of a GitHub Enterprise Server. An account with a number is that
// account whatever it is called; one without is whoever has the login now, which
// can be renamed and registered again by somebody else.
func NewGitHubTrust(users []approval.User, webFlowKeys []string) (*GitHubTrust, error) {
	g := &GitHubTrust{}
	if len(users) == 0 || len(users) > maxSigners {
		return nil, fmt.Errorf("give 1 to %d GitHub accounts whose signatures count", maxSigners)
	}
	for _, u := range users {
		if u.ID < 0 || u.Login == "" || u.Type != "" && u.Type != approval.UserTypePerson || isWebFlow(u) || strings.HasSuffix(u.Login, "[bot]") {
			return nil, fmt.Errorf("%q is no account of a person: GitHub signs with its own key what bots commit", clip(u.Login))
		}
	}
	g.users = slices.Clone(users)
	if len(webFlowKeys) == 0 {
		return nil, errors.New("no key of GitHub is given, so that what GitHub signs itself could not be told: see https://github.com/web-flow.gpg")
	}
	for _, k := range webFlowKeys {
		k = strings.ToUpper(strings.ReplaceAll(k, " ", ""))
		if len(k) != 16 && len(k) != 40 || strings.Trim(k, "0123456789ABCDEF") != "" {
			return nil, fmt.Errorf("%q is no ID (16 hexadecimal digits) or fingerprint (40) of a key", clip(k))
		}
		g.web = append(g.web, keyID(k))
	}
	return g, nil
}

func isWebFlow(u approval.User) bool { return strings.EqualFold(u.Login, "web-flow") }

// Judge decides from the raw commit object and what GitHub says about it.
func (g *GitHubTrust) Judge(commit approval.SHA, object []byte, said GitHubSays) Result {
	s, refused := open(commit, object)
	if refused != nil {
		return *refused
	}
	r := g.judge(commit, s, said)
	r.Type, r.Key = named(s.Signature)
	if r.State != Trusted {
		return r
	}
	r.Detail = fmt.Sprintf("GitHub says that %s signed it", r.Signer)
	return r
}

// retry are the reasons that say nothing about the signature.
var retry = []string{"gpgverify_error", "gpgverify_unavailable"}

func (g *GitHubTrust) judge(commit approval.SHA, s Signed, said GitHubSays) Result {
	kind, key := named(s.Signature)
	who := said.Signer
	if who == (approval.User{}) {
		who = said.Committer
	}
	switch {
	case said.Commit != commit:
		return refuse(Unknown, "GitHub was asked about another commit")
	case slices.Contains(retry, said.Reason):
		return refuse(Unknown, "GitHub could not verify the signature (%s): ask again", said.Reason)
	case kind == "":
		return refuse(Malformed, "the signature is of no kind that is known")
	case kind == OpenPGP && key == "":
		return refuse(Malformed, "the OpenPGP signature does not say which key made it")
	case said.SignedByGitHub, isWebFlow(said.Signer), isWebFlow(said.Committer), strings.EqualFold(s.Committer, "noreply@github.com"),
		kind == OpenPGP && slices.Contains(g.web, keyID(key)):
		return refuse(UntrustedKey, "GitHub signed it itself, as it signs whatever is done in its web interface")
	case said.Reason == "expired_key":
		return refuse(Expired, "GitHub says that the key had expired")
	case !said.Verified || said.Reason != "valid":
		return refuse(Invalid, "GitHub does not call the signature valid: %q", clip(said.Reason))
	case who.ID <= 0 || who.Login == "":
		return refuse(Unknown, "GitHub does not say who signed")
	}
	for _, u := range g.users {
		if u.ID == who.ID || u.ID == 0 && strings.EqualFold(u.Login, who.Login) {
			return Result{State: Trusted, Signer: u.Login}
		}
	}
	return refuse(UntrustedKey, "GitHub says that %q signed it, who is no allowed signer", clip(who.Login))
}

// named is what a signature says about its key, without verifying anything.
func named(armored []byte) (Type, string) {
	switch kind := firstLine(armored); kind {
	case pgpSignature:
		raw, _, refused := readDetached(armored)
		if refused != nil {
			return OpenPGP, ""
		}
		issuer, err := raw.issuer()
		if err != nil {
			return OpenPGP, ""
		}
		return OpenPGP, issuer
	case sshSignature:
		s, _ := readSSH(armored)
		if s.key == nil {
			return SSH, ""
		}
		return SSH, s.fingerprint()
	default:
		return otherKind(kind).Type, ""
	}
}
