package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/images"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/collect"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/signature"
	"github.com/argo-gatekeeper/gatekeeper/pkg/registry"
)

// imageGates makes what each gate with an image quorum looks for, with these keys. It makes no
// request.
func imageGates(cfg config.Config, keys config.PublicKeys, collector *collect.Collector, soaks map[string]proving) (map[string]images.Gate, error) {
	client, err := registryClient(cfg)
	if err != nil {
		return nil, err
	}
	out := map[string]images.Gate{}
	for i, g := range cfg.File.Gates {
		if g.Image == nil {
			continue
		}
		gate, err := imageGate(cfg, keys, g, cfg.Policies[i], client, collector)
		if err != nil {
			return nil, fmt.Errorf("set up the images of gate %s: %w", g.Name, err)
		}
		if proving, ok := soaks[g.Name]; ok {
			gate.Soaks = proving
		}
		out[g.Name] = gate
	}
	return out, nil
}

func imageGate(cfg config.Config, trusted config.PublicKeys, g config.Gate, p approval.Policy, client *registry.Client, collector *collect.Collector) (images.Gate, error) {
	rules, err := imageRules(g.Image)
	if err != nil {
		return images.Gate{}, err
	}
	out := images.Gate{Rules: rules}
	if out.Verifier, err = signers(cfg, trusted, g.Image.Signers); err != nil {
		return images.Gate{}, err
	}
	if slices.ContainsFunc(p.Image.Signers, func(s approval.Signer) bool { return s.GitHubTrusted }) {
		out.Witness = githubWitness{collector, p.Image.Signers}
	}
	if len(g.Image.Verify) > 0 {
		keys := make([]registry.KeyFiles, len(g.Image.Verify))
		for i, k := range g.Image.Verify {
			keys[i].Name = k.Name
			for _, file := range k.Keys {
				content, err := trusted.Of(cfg.Path(file))
				if err != nil {
					return images.Gate{}, err
				}
				keys[i].Files = append(keys[i].Files, registry.KeyFile{Path: file, Content: content})
			}
		}
		ring, err := registry.NewKeyring(keys...)
		if err != nil {
			return images.Gate{}, err
		}
		out.Registry = registries{client, ring}
	}
	return out, nil
}

// imageRules say where a gate's files have images.
func imageRules(i *config.Image) (imagediff.Rules, error) {
	rules := imagediff.Rules{Values: i.Values}
	for _, text := range i.Paths {
		pattern, err := imagediff.ParsePattern(text)
		if err != nil {
			return imagediff.Rules{}, err
		}
		rules.Paths = append(rules.Paths, pattern)
	}
	return rules, nil
}

// signers takes the keys of a gate's signers.
func signers(cfg config.Config, trusted config.PublicKeys, list []config.Signer) (images.Signers, error) {
	read := func(names []string) ([]signature.KeyFile, error) {
		var files []signature.KeyFile
		for _, name := range names {
			content, err := trusted.Of(cfg.Path(name))
			if err != nil {
				return nil, err
			}
			files = append(files, signature.KeyFile{Path: name, Content: content})
		}
		return files, nil
	}
	var out []signature.Signer
	for _, s := range list {
		if s.GitHubTrusted {
			continue
		}
		signer := signature.Signer{Name: s.Name}
		for _, part := range []struct {
			names []string
			into  *[]signature.KeyFile
		}{{s.OpenPGP, &signer.OpenPGP}, {s.SSH, &signer.SSH}, {s.AllowedSigners, &signer.AllowedSigners}} {
			files, err := read(part.names)
			if err != nil {
				return images.Signers{}, err
			}
			*part.into = files
		}
		out = append(out, signer)
	}
	if len(out) == 0 {
		return images.NewSigners(&signature.Allowed{}), nil // GitHub is trusted alone
	}
	allowed, err := signature.NewAllowed(out)
	if err != nil {
		return images.Signers{}, err
	}
	return images.NewSigners(allowed), nil
}

// githubWitness takes GitHub's word for the signers that the gate says so of.
type githubWitness struct {
	collector *collect.Collector
	signers   []approval.Signer
}

// Ask implements images.Witness.
func (w githubWitness) Ask(ctx context.Context, repository approval.RepositoryName, pull int) (images.Verifier, error) {
	said, err := w.collector.Verifications(ctx, repository, pull)
	if err != nil {
		return nil, err
	}
	by := make(map[approval.SHA]collect.Verification, len(said))
	for _, v := range said {
		by[v.Commit] = v
	}
	return githubWord{by, w.signers}, nil
}

type githubWord struct {
	said    map[approval.SHA]collect.Verification
	signers []approval.Signer
}

// Verify implements images.Verifier. GitHub looks for the key among those of the
// account that has the committer's address, so that account is who signed.
func (w githubWord) Verify(commit approval.SHA, object []byte, _ time.Time) approval.CommitSignature {
	v, ok := w.said[commit]
	if !ok {
		return approval.CommitSignature{Detail: "GitHub does not list the commit"}
	}
	for _, s := range w.signers {
		if !s.GitHubTrusted || !slices.ContainsFunc(s.Users, func(login string) bool { return strings.EqualFold(login, v.Committer.Login) }) {
			continue
		}
		trust, err := signature.NewGitHubTrust([]approval.User{v.Committer}, signature.PublishedWebFlowKeys())
		if err != nil {
			return approval.CommitSignature{State: approval.SignatureStranger, Detail: err.Error()}
		}
		fact := images.Signature(trust.Judge(commit, object, signature.GitHubSays{
			Commit: commit, Verified: v.Verified, Reason: v.Reason, Signer: v.Committer, Committer: v.Committer,
		}))
		if fact.State == approval.SignatureTrusted {
			fact.Signer, fact.User = s.Name, &v.Committer
		}
		return fact
	}
	return approval.CommitSignature{State: approval.SignatureStranger, Detail: "GitHub says that " + v.Committer.Login + " committed it"}
}

// registryClient may ask the registries of the repositories that a gate verifies, and
// no others.
func registryClient(cfg config.Config) (*registry.Client, error) {
	repositories := map[string][]string{}
	var hosts []string
	for _, g := range cfg.File.Gates {
		if g.Image == nil {
			continue
		}
		for _, k := range g.Image.Verify {
			for _, r := range k.Repositories {
				host, path, _ := strings.Cut(r, "/")
				if repositories[host] == nil {
					hosts = append(hosts, host)
				}
				repositories[host] = append(repositories[host], path)
			}
		}
	}
	if len(hosts) == 0 {
		return nil, nil //nolint:nilnil // no gate verifies images, so nobody asks
	}
	o := registry.Options{DockerConfig: cfg.Path(cfg.File.Registries.DockerConfigFile)}
	for _, host := range hosts {
		r := registry.Registry{Host: host, Repositories: repositories[host]}
		for _, h := range cfg.File.Registries.Hosts {
			if h.Host == host {
				r.CAFile, r.Redirects, r.Insecure = cfg.Path(h.CAFile), h.Redirects, h.Plaintext
			}
		}
		o.Registries = append(o.Registries, r)
	}
	client, err := registry.New(o)
	if err != nil {
		return nil, fmt.Errorf("set up asking registries: %w", err)
	}
	return client, nil
}

// registries says what is known of images.
type registries struct {
	client *registry.Client
	keys   *registry.Keyring
}

// Look implements images.Registry.
func (r registries) Look(ctx context.Context, image approval.Image, keys approval.ImageKeys) approval.ImageEvidence {
	var e approval.ImageEvidence
	found, err := r.client.Resolve(ctx, image.String())
	if err != nil {
		e.Why = err.Error()
		return e
	}
	e.Digest = string(found.Digest)
	ring, err := r.keys.Load(keys.Name)
	if err != nil {
		e.Why = err.Error()
		return e
	}
	res := r.client.Verify(ctx, image.Repository, found.Digest, ring)
	e.Key = res.KeyID
	e.Why, _, _ = strings.Cut(res.Text, "; ") // what to do is said by the finding
	switch res.State {
	case registry.StateVerified:
		e.Signed, e.Why = approval.ImageSignedYes, ""
	case registry.StateRefused:
		e.Signed = approval.ImageSignedNo
	case registry.StateUnknown:
	}
	return e
}

// connectImages completes facts; it makes no request.
func connectImages(cfg config.Config, keys config.PublicKeys, h hub, firsts images.Firsts, soaks map[string]proving, log *slog.Logger) (*images.Collector, error) {
	gates, err := imageGates(cfg, keys, h.collector, soaks)
	if err != nil {
		return nil, err
	}
	return images.New(images.Options{
		Gates: gates, Firsts: firsts, Logger: log,
		Mirrors: func(ctx context.Context, name approval.RepositoryName) (images.Mirror, error) {
			return h.repositories.get(ctx, name)
		},
	})
}
