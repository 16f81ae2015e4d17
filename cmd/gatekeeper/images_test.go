package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/images"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/soak"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/collect"
	"github.com/argo-gatekeeper/gatekeeper/pkg/registry"
)

// signedCommit is a commit object with an SSH signature, its name, and the file of the
// public key.
func signedCommit(t *testing.T) (approval.SHA, []byte, string) {
	t.Helper()
	dir := t.TempDir()
	key, message := filepath.Join(dir, "key"), filepath.Join(dir, "commit")
	run := func(args ...string) {
		out, err := exec.CommandContext(t.Context(), "ssh-keygen", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	run("-q", "-t", "ed25519", "-N", "", "-f", key)
	head := "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor O <o@example.com> 1760000000 +0000\ncommitter O <o@example.com> 1760000000 +0000\n"
	require.NoError(t, os.WriteFile(message, []byte(head+"\nbump\n"), 0o600))
	run("-Y", "sign", "-q", "-n", "git", "-f", key, message)
	signature, err := os.ReadFile(message + ".sig")
	require.NoError(t, err)
	object := head + "gpgsig " + strings.ReplaceAll(strings.TrimSuffix(string(signature), "\n"), "\n", "\n ") + "\n\nbump\n"
	sum := sha1.Sum(fmt.Appendf(nil, "commit %d\x00%s", len(object), object))
	return approval.SHA(hex.EncodeToString(sum[:])), []byte(object), key + ".pub"
}

// signersOf takes the keys that are in the files now.
func signersOf(list []config.Signer) (images.Signers, error) {
	cfg := config.Config{}
	keys, err := cfg.PublicKeysOf(config.Gate{Image: &config.Image{Signers: list}})
	if err != nil {
		return images.Signers{}, err
	}
	return signers(cfg, keys, list)
}

// TestKeysOnRecord: what is verified is verified by the keys whose digest is on record, also when
// somebody puts others into the files at that moment, or later without a word.
func TestKeysOnRecord(t *testing.T) {
	commit, object, key := signedCommit(t)
	_, _, other := signedCommit(t)
	public := func() []byte {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
		require.NoError(t, err)
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	build := filepath.Join(t.TempDir(), "build.pub")
	require.NoError(t, os.WriteFile(build, public(), 0o600))
	gate := config.Gate{Name: "prod", Image: &config.Image{
		Signers: []config.Signer{{Name: "bot", SSH: []string{key}}},
		Verify:  []config.ImageKeys{{Name: "build", Keys: []string{build}, Repositories: []string{"ghcr.io/acme/**"}}},
	}}
	cfg := config.Config{File: config.File{Gates: []config.Gate{gate}}, Policies: []approval.Policy{{Gate: "prod", Image: &approval.ImagePolicy{}}}}
	keys, err := cfg.PublicKeys()
	require.NoError(t, err)
	known := func(gates map[string]images.Gate) registry.Keys {
		asked, ok := gates["prod"].Registry.(registries)
		require.True(t, ok)
		found, err := asked.keys.Load("build")
		require.NoError(t, err)
		return found
	}
	before, err := imageGates(cfg, keys, nil, nil)
	require.NoError(t, err)
	trusted := known(before)

	text, err := os.ReadFile(other)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(key, text, 0o600))
	require.NoError(t, os.WriteFile(build, public(), 0o600))
	meanwhile, err := imageGates(cfg, keys, nil, nil)
	require.NoError(t, err)
	at := time.Unix(1760000100, 0)
	for _, gates := range []map[string]images.Gate{before, meanwhile} {
		require.Equal(t, approval.SignatureTrusted, gates["prod"].Verifier.Verify(commit, object, at).State)
		require.Equal(t, trusted, known(gates))
	}

	next, err := cfg.PublicKeys()
	require.NoError(t, err)
	require.NotEqual(t, rulesOf(cfg, keys, nil).Keys, rulesOf(cfg, next, nil).Keys)
	after, err := imageGates(cfg, next, nil, nil)
	require.NoError(t, err)
	require.Equal(t, approval.SignatureStranger, after["prod"].Verifier.Verify(commit, object, at).State)
	require.NotEqual(t, trusted, known(after))
}

func TestSigners(t *testing.T) {
	commit, object, key := signedCommit(t)
	_, _, other := signedCommit(t)
	at := time.Unix(1760000100, 0)
	own, err := signersOf([]config.Signer{{Name: "bot", SSH: []string{key}}, {Name: "app", GitHubTrusted: true, Users: []string{"octo"}}})
	require.NoError(t, err)
	got := own.Verify(commit, object, at)
	require.Equal(t, []string{"trusted", "bot"}, []string{string(got.State), got.Signer})
	require.Equal(t, approval.SignatureInvalid, own.Verify(commit[1:]+"0", object, at).State, "another commit's object")

	strangers, err := signersOf([]config.Signer{{Name: "bot", SSH: []string{other}}})
	require.NoError(t, err)
	got = strangers.Verify(commit, object, at)
	require.Equal(t, approval.SignatureStranger, got.State)
	require.Empty(t, got.Signer)

	nobody, err := signersOf([]config.Signer{{Name: "app", GitHubTrusted: true}})
	require.NoError(t, err)
	require.Equal(t, approval.SignatureStranger, nobody.Verify(commit, object, at).State, "keys of nobody trust nobody")

	_, err = signersOf([]config.Signer{{Name: "bot", SSH: []string{"absent.pub"}}})
	require.ErrorContains(t, err, "absent.pub")
}

// TestGitHubWord: whose signature it is, as GitHub says it.
func TestGitHubWord(t *testing.T) {
	commit, object, _ := signedCommit(t)
	octo := approval.User{ID: 5, Login: "Octo", Type: approval.UserTypePerson}
	list := []approval.Signer{{Name: "bot", Users: []string{"octo"}}, {Name: "app", Users: []string{"cat", "octo"}, GitHubTrusted: true}}
	for name, c := range map[string]struct {
		said    collect.Verification
		signers []approval.Signer
		want    approval.SignatureState
	}{
		"verified":                {collect.Verification{Commit: commit, Verified: true, Reason: "valid", Committer: octo}, list, approval.SignatureTrusted},
		"not verified":            {collect.Verification{Commit: commit, Reason: "unknown_key", Committer: octo}, list, approval.SignatureInvalid},
		"verified for a reason":   {collect.Verification{Commit: commit, Verified: true, Reason: "unsigned", Committer: octo}, list, approval.SignatureInvalid},
		"GitHub could not say":    {collect.Verification{Commit: commit, Reason: "gpgverify_unavailable", Committer: octo}, list, ""},
		"somebody else":           {collect.Verification{Commit: commit, Verified: true, Reason: "valid", Committer: approval.User{ID: 6, Login: "mallory", Type: approval.UserTypePerson}}, list, approval.SignatureStranger},
		"nobody":                  {collect.Verification{Commit: commit, Verified: true, Reason: "valid"}, list, approval.SignatureStranger},
		"a bot":                   {collect.Verification{Commit: commit, Verified: true, Reason: "valid", Committer: approval.User{ID: 5, Login: "octo", Type: "Bot"}}, list, approval.SignatureStranger},
		"of a signer with keys":   {collect.Verification{Commit: commit, Verified: true, Reason: "valid", Committer: octo}, list[:1], approval.SignatureStranger},
		"of another commit alone": {collect.Verification{Commit: commit[1:] + "0", Verified: true, Reason: "valid", Committer: octo}, list, ""},
	} {
		t.Run(name, func(t *testing.T) {
			word := githubWord{map[approval.SHA]collect.Verification{c.said.Commit: c.said}, c.signers}
			got := word.Verify(commit, object, time.Time{})
			if c.want != approval.SignatureTrusted {
				require.NotEqual(t, approval.SignatureTrusted, got.State)
				require.Empty(t, got.Signer)
				require.Nil(t, got.User)
			}
			require.Equal(t, c.want, got.State, got.Detail)
			if c.want == approval.SignatureTrusted {
				require.Equal(t, "app", got.Signer)
				require.Equal(t, octo, *got.User)
			}
		})
	}
}

// TestOneNameOfAnImage: what is verified and what proved itself is what is deployed,
// however it is written.
func TestOneNameOfAnImage(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for text, want := range map[string]string{
		"app:v1":                                   "docker.io/library/app:v1",
		"library/app:v1":                           "docker.io/library/app:v1",
		"docker.io/app:v1":                         "docker.io/library/app:v1",
		"index.docker.io/app:v1":                   "docker.io/library/app:v1",
		"acme/app:v1":                              "docker.io/acme/app:v1",
		"localhost/app:v1":                         "localhost/app:v1",
		"localhost:5000/app:v1":                    "localhost:5000/app:v1",
		"ghcr.io/acme/app:v1":                      "ghcr.io/acme/app:v1",
		"ghcr.io/acme/app@" + digest:               "ghcr.io/acme/app@" + digest,
		"ghcr.io/acme/app:v1@" + digest:            "ghcr.io/acme/app:v1@" + digest,
		"GHCR.io/acme/app:v1":                      "",
		"ghcr.io/Acme/app:v1":                      "",
		"ghcr.io/acme/app:v1@SHA256:" + digest[7:]: "",
		"ghcr.io/acme/app@" + strings.ToUpper(digest[:8]) + digest[8:]: "",
		"ghcr.io/acme/../app:v1":  "",
		"ghcr.io//acme/app:v1":    "",
		"https://ghcr.io/acme:v1": "",
		" ghcr.io/acme/app:v1":    "",
	} {
		pod := "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: \"" + text + "\"\n"
		e := imagediff.Look(imagediff.File{Path: "p.yaml", After: []byte(pod), Modes: imagediff.Modes{After: "100644"}}, imagediff.Rules{})
		require.Len(t, e.Brings, 1, text)
		to := e.Brings[0].To
		image := approval.Image{Repository: to.Repository, Tag: to.Tag, Digest: to.Digest}
		if want == "" {
			require.Equal(t, approval.Image{}, image, "what cannot be told is not verified under another name: %s", text)
			continue
		}
		require.Equal(t, want, image.String())
		written, err := soak.ParseImage(text)
		require.NoError(t, err)
		asked, err := soak.ParseImage(image.String())
		require.NoError(t, err)
		require.Equal(t, written, asked, "a pod with %s is asked for", text)
	}
}

// TestRegistryClient: nobody but the registries of what a gate verifies is asked.
func TestRegistryClient(t *testing.T) {
	cfg := config.Config{}
	client, err := registryClient(cfg)
	require.NoError(t, err)
	require.Nil(t, client)

	cfg.File.Gates = []config.Gate{{Name: "a", Image: &config.Image{Verify: []config.ImageKeys{{Name: "k", Repositories: []string{"ghcr.io/acme/**"}}}}}, {Name: "b"}}
	client, err = registryClient(cfg)
	require.NoError(t, err)
	for _, image := range []string{"evil.example.com/acme/web:v1", "ghcr.io/evil/web:v1", "ghcr.io/acme.evil/web:v1"} {
		e := registries{client: client}.Look(cancelled(t), approval.Image{Repository: strings.Split(image, ":")[0], Tag: "v1"}, approval.ImageKeys{Name: "k"})
		require.Empty(t, e.Digest)
		require.Empty(t, e.Signed)
		require.NotContains(t, e.Why, "context", "it was asked: %s", image)
	}
	e := registries{client: client}.Look(cancelled(t), approval.Image{Repository: "ghcr.io/acme/web", Tag: "v1"}, approval.ImageKeys{Name: "k"})
	require.Empty(t, e.Signed)
	require.Contains(t, e.Why, "context canceled", "this one would have been asked")
}

// cancelled is a context with which no request is made.
func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
