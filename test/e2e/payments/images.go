package payments

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/ociregistry"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// The people of a world with an image quorum. Frank and grace are the release team
// whose approvals of images count. Renovate is the machine user that proposes new
// versions; grace looks after it and holds its key.
const (
	Frank    = "frank"
	Grace    = "grace"
	Renovate = "renovate"
)

// ReleaseTeam approves images.
const ReleaseTeam = "acme/release"

// Images give a world a registry with signed images, and its gate an image quorum.
type Images struct {
	// Soak is for how long an image has to run in stage first; 0 for not at all.
	Soak time.Duration
	// RequireDigest is that of the gate.
	RequireDigest bool
}

// Version is one version of a service's image, as a values file names it.
type Version struct {
	Tag string
	// Digest may be empty.
	Digest string
}

// FirstVersion is live when a world with images begins.
const FirstVersion = "1.4.2"

// CommitKey signs commits.
type CommitKey struct{ signer ssh.Signer }

// NewCommitKey makes an SSH key.
func NewCommitKey() (*CommitKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for commits: %w", err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, fmt.Errorf("make a key for commits: %w", err)
	}
	return &CommitKey{signer}, nil
}

// Sign signs a commit as git does with gpg.format=ssh. A nil key does not sign.
func (k *CommitKey) Sign() func(payload []byte) (string, error) {
	if k == nil {
		return nil
	}
	return func(payload []byte) (string, error) {
		sig, err := sshsig.Sign(bytes.NewReader(payload), k.signer, sshsig.HashSHA512, "git")
		if err != nil {
			return "", fmt.Errorf("sign a commit: %w", err)
		}
		return string(sshsig.Armor(sig)), nil
	}
}

// imageWorld is what a world with images has besides.
type imageWorld struct {
	registry *ociregistry.Registry
	build    *ociregistry.Key
	renovate *CommitKey
	first    map[string]Version // by service
}

// registry starts the registry, with the first version of every service in it.
func (w *World) registry(ctx context.Context) error {
	if w.options.Images == nil {
		return nil
	}
	build, err := ociregistry.NewKey()
	if err != nil {
		return err
	}
	renovate, err := NewCommitKey()
	if err != nil {
		return err
	}
	w.images = &imageWorld{registry: ociregistry.Start(), build: build, renovate: renovate, first: map[string]Version{}}
	public, err := build.Public()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"cosign.pub": public, "renovate.pub": ssh.MarshalAuthorizedKey(renovate.signer.PublicKey()),
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), content, 0o600); err != nil {
			return fmt.Errorf("write a public key: %w", err)
		}
	}
	for _, service := range Services() {
		v, err := w.Build(ctx, service, FirstVersion)
		if err != nil {
			return err
		}
		w.images.first[service] = w.Written(v)
	}
	return nil
}

// Registry is where the images are.
func (w *World) Registry() *ociregistry.Registry { return w.images.registry }

// Written is a version as this world's values files name it: with its digest where
// the gate requires that.
func (w *World) Written(v Version) Version {
	if !w.options.Images.RequireDigest {
		v.Digest = ""
	}
	return v
}

// Build pushes a new image of a service under a tag and signs it.
func (w *World) Build(ctx context.Context, service, tag string) (Version, error) {
	v, err := w.PushUnsigned(ctx, service, tag)
	if err != nil {
		return Version{}, err
	}
	return v, w.SignImage(ctx, service, v.Digest)
}

// PushUnsigned pushes a new image of a service under a tag. It is another image each
// time.
func (w *World) PushUnsigned(ctx context.Context, service, tag string) (Version, error) {
	content := service + " " + tag + " build " + strconv.FormatInt(w.runs.Add(1), 10)
	digest, err := w.images.registry.Push(ctx, Organization+"/"+service, tag, content)
	return Version{tag, digest}, err
}

// SignImage signs an image with the key that the gate knows.
func (w *World) SignImage(ctx context.Context, service, digest string) error {
	return w.images.registry.Sign(ctx, Organization+"/"+service, digest, w.images.build)
}

// ImageRepository is where the images of a service are.
func (w *World) ImageRepository(service string) string {
	return w.images.registry.Host() + "/" + Organization + "/" + service
}

// ImageReference is how a service's pods name a version.
func (w *World) ImageReference(service string, v Version) string {
	reference := w.ImageRepository(service) + ":" + v.Tag
	if v.Digest != "" {
		reference += "@" + v.Digest
	}
	return reference
}

// ImageValues is the values file of a service with a version of its image.
func (w *World) ImageValues(environment, service string, v Version) string {
	old := "  repository: registry.example.com/payments/" + service + "\n  tag: \"1.4.2\"\n"
	image := "  repository: " + w.ImageRepository(service) + "\n  tag: \"" + v.Tag + "\"\n"
	if v.Digest != "" {
		image += "  digest: " + v.Digest + "\n"
	}
	return strings.Replace(Values(environment, service, FirstLimit), old, image, 1)
}

// Files is the repository at its first commit.
func (w *World) Files() map[string]string {
	f := files()
	if w.options.Images == nil {
		return f
	}
	for _, environment := range []string{"dev", "stage", "prod"} {
		for _, service := range []string{Payments, Ledger} {
			f[ValuesFile(environment, service)] = w.ImageValues(environment, service, w.images.first[service])
		}
	}
	return f
}

// RenovateKey is the key of the gate's signer.
func (w *World) RenovateKey() *CommitKey { return w.images.renovate }

// Bump opens a pull request of renovate that moves a service to a version, signed
// with a key; nil leaves it unsigned.
func (w *World) Bump(environment, service string, v Version, key *CommitKey) (Pull, error) {
	return w.ProposeSigned(Renovate, ValuesFile(environment, service), w.ImageValues(environment, service, v), key,
		"Update "+service+" in "+environment+" to "+v.Tag)
}

// ProposeSigned is ProposeFile with a signature; a nil key leaves it unsigned.
func (w *World) ProposeSigned(author, path, content string, key *CommitKey, title string) (Pull, error) {
	return w.GitHub.As(author).OpenPull(Repository, standin.PullOptions{
		Title: title, Change: standin.Change{Files: map[string]string{path: content}, Message: title, Sign: key.Sign()},
	})
}

// AwaitImage waits until a service runs exactly one revision with one image in the
// Deployment and in every ready pod, and Argo CD calls it Healthy.
func (w *World) AwaitImage(ctx context.Context, environment, service, revision, reference string) (Live, error) {
	var l Live
	err := Await(ctx, service+" to run "+reference, func(ctx context.Context) (bool, string, error) {
		var err error
		if l, err = w.Live(ctx, environment, service); err != nil {
			return false, "", err
		}
		return l.settled(revision) && l.Image == reference && len(l.PodImages) == 1 && l.PodImages[reference] > 0, l.String(), nil
	})
	return l, err
}

// imageConfig is the part of the configuration about images; it follows the last
// gate.
func (w *World) imageConfig() string {
	o := w.options.Images
	if o == nil {
		return ""
	}
	text := fmt.Sprintf(`    image:
      requirements:
        - name: release
          approvals: 1
          teams: [%s]
      signers:
        - name: renovate
          ssh: [renovate.pub]
          users: [%s]
      requireDigest: %t
      verify:
        - name: build
          repositories: ["%s/%s/**"]
          keys: [cosign.pub]
`, ReleaseTeam, Grace, o.RequireDigest, w.images.registry.Host(), Organization)
	if o.Soak > 0 {
		text += fmt.Sprintf(`      provenIn:
        from: "{{ .Service }}-prod"
        application: "{{ .Service }}-stage"
        soak: %s
`, o.Soak)
	}
	return text + fmt.Sprintf(`registries:
  hosts:
    - host: "%s"
      plaintext: true
`, w.images.registry.Host())
}
