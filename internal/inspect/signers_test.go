package inspect

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/signature"
)

// verdict takes every signature for the same.
type verdict approval.CommitSignature

func (v verdict) Verify(approval.SHA, []byte, time.Time) approval.CommitSignature {
	return approval.CommitSignature(v)
}

// TestSignersOfSeveralGates: a signature is trusted when every gate with signers
// trusts it, and nothing that was not verified gets better by that.
func TestSignersOfSeveralGates(t *testing.T) {
	ours := verdict{State: approval.SignatureTrusted, Signer: "ours"}
	other := verdict{State: approval.SignatureTrusted, Signer: "other"}
	stranger, invalid := verdict{State: approval.SignatureStranger}, verdict{State: approval.SignatureInvalid}
	missing, unknown, neutral := verdict{State: approval.SignatureMissing}, verdict{}, verdict{State: approval.SignatureNeutral}
	broken := object("-----BEGIN SIGNED MESSAGE-----\n")
	readable := object(string(armoredCMS(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Dev"}})))
	for name, c := range map[string]struct {
		gates         []Signers
		state, signer string
	}{
		"no gate":              {nil, StateUnverified, ""},
		"no signers":           {[]Signers{nil, nil}, StateUnverified, ""},
		"trusted":              {[]Signers{ours}, StateTrusted, "ours"},
		"one has no signers":   {[]Signers{nil, ours}, StateTrusted, "ours"},
		"trusted by both":      {[]Signers{ours, other}, StateTrusted, "ours"},
		"by one":               {[]Signers{ours, stranger}, StateStranger, ""},
		"by the other":         {[]Signers{stranger, ours}, StateStranger, ""},
		"invalid":              {[]Signers{stranger, invalid, ours}, StateInvalid, ""},
		"invalid first":        {[]Signers{invalid, stranger}, StateInvalid, ""},
		"not there":            {[]Signers{missing}, StateInvalid, ""},
		"not known":            {[]Signers{ours, unknown}, StateUnverified, ""},
		"nobody says that one": {[]Signers{ours, neutral}, StateUnverified, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := inspection{}
			for _, s := range c.gates {
				in.o.Gates = append(in.o.Gates, Gate{Signers: s})
			}
			got := in.signature("1", readable, time.Now())
			require.Equal(t, []string{c.state, c.signer}, []string{got.State, got.Signer})
			require.Equal(t, StateNone, in.signature("1", object(""), time.Now()).State)
			require.Equal(t, StateMalformed, in.signature("1", broken, time.Now()).State)
		})
	}
}

// allowedSigners are a gate's, with the keys of files.
type allowedSigners struct{ *signature.Allowed }

func (a allowedSigners) Verify(commit approval.SHA, data []byte, at time.Time) approval.CommitSignature {
	r := a.Allowed.Verify(commit, data, at)
	s := approval.CommitSignature{Detail: r.Detail}
	switch r.State {
	case signature.Trusted:
		s.State, s.Signer = approval.SignatureTrusted, r.Signer
	case signature.UntrustedKey:
		s.State = approval.SignatureStranger
	case signature.Unsigned:
		s.State = approval.SignatureMissing
	default:
		s.State = approval.SignatureInvalid
	}
	return s
}

// TestSignersOfAHistory: commits that git signed with real keys, of a pull request and
// on the line.
func TestSignersOfAHistory(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("ssh-keygen is not installed")
	}
	dir, keys := filepath.Join(t.TempDir(), "work"), t.TempDir()
	for _, name := range []string{"ours", "theirs"} {
		require.NoError(t, exec.CommandContext(t.Context(), keygen, "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(keys, name)).Run())
	}
	git(t, "", "init", "--quiet", "--initial-branch=main", dir)
	commit := func(key string, args ...string) {
		if key != "" {
			args = append([]string{"-c", "gpg.format=ssh", "-c", "user.signingkey=" + filepath.Join(keys, key)}, append(args, "-S")...)
		}
		git(t, dir, args...)
	}
	commit("", "commit", "--quiet", "--allow-empty", "-m", "Begin")
	git(t, dir, "switch", "--quiet", "-c", "topic")
	commit("ours", "commit", "--quiet", "--allow-empty", "-m", "One")
	commit("theirs", "commit", "--quiet", "--allow-empty", "-m", "Two")
	commit("", "commit", "--quiet", "--allow-empty", "-m", "Three")
	git(t, dir, "switch", "--quiet", "main")
	commit("", "merge", "--quiet", "--no-ff", "-m", "Merge pull request #1 from acme/topic", "topic")
	commit("ours", "commit", "--quiet", "--allow-empty", "-m", "Direct")
	// The same signature around another message.
	raw := git(t, dir, "cat-file", "commit", "HEAD")
	forged := gitInput(t, dir, strings.Replace(raw, "\n\nDirect", "\n\nForged", 1)+"\n", "hash-object", "-t", "commit", "-w", "--stdin")
	git(t, dir, "reset", "--quiet", "--hard", forged)

	public, err := os.ReadFile(filepath.Join(keys, "ours.pub"))
	require.NoError(t, err)
	allowed, err := signature.NewAllowed([]signature.Signer{{Name: "renovate", SSH: []signature.KeyFile{{Path: "ours.pub", Content: public}}}})
	require.NoError(t, err)
	s := &story{t: t, dir: dir}
	landings, summary := s.inspect("", "main", Options{Gates: []Gate{{Name: "prod", Signers: allowedSigners{allowed}}}})
	require.Len(t, landings, 3)
	states := func(l Landing) (out []string) {
		for _, s := range l.Signatures {
			out = append(out, strings.TrimSpace(s.State+" "+s.Signer))
		}
		return out
	}
	require.Equal(t, []string{"none"}, states(landings[0]))
	require.Equal(t, []string{"trusted renovate", "stranger", "none", "none"}, states(landings[1]))
	require.Equal(t, []string{"invalid"}, states(landings[2]))
	require.Equal(t, map[string]int{"trusted": 1, "stranger": 1, "invalid": 1}, summary.Verified)
	require.Equal(t, "1 stranger, 1 trusted, 1 unsigned", signedText(landings[1]))
	var text strings.Builder
	require.NoError(t, NewTable(&text, Style{}).Summary(summary, "main"))
	require.Contains(t, text.String(), "  verified   invalid 1   stranger 1   trusted 1\n")

	landings, summary = s.inspect("", "main", Options{})
	require.Equal(t, []string{"unverified", "unverified", "none", "none"}, states(landings[1]))
	require.Empty(t, summary.Verified)
}
