package policytest

import (
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func isTrue(b *bool) bool { return b != nil && *b }

func (b *builder) readsUnknown(t *Test) bool {
	return isTrue(overlay(t.Application, b.file.Defaults.Application).ReadsUnknown)
}

// application is what would be synced: what the test says, and for the rest one
// that the gate protects.
func (b *builder) application(t *Test, at config.At, p approval.Policy, h *history) approval.Application {
	said, where := overlay(t.Application, b.file.Defaults.Application), at.Down("application")
	a := approval.Application{
		UID: "2f1c6a1e-0000-4000-8000-000000000001", Namespace: "argocd", Name: "app", ResourceVersion: "1", SpecDigest: "example",
		Project: literal(p.Applications[0].Project, "project"), Server: literal(p.Applications[0].Server, "https://kubernetes.default.svc"),
		DestinationNamespace: literal(p.Applications[0].Namespace, "app"), Health: "Healthy",
		Automated: isTrue(said.Automated), Deleting: isTrue(said.Deleting), Unsupported: said.Unsupported,
	}
	set := func(into *string, value string) {
		if value != "" {
			*into = value
		}
	}
	set(&a.Project, said.Project)
	set(&a.Server, said.Server)
	set(&a.DestinationNamespace, said.Namespace)
	sources, sourcesAt := said.Sources, where.Down("sources")
	if t.Application.Sources == nil {
		sourcesAt = config.At{"defaults", "application", "sources"}
	}
	if sources == nil {
		for _, r := range p.Repositories {
			if l := h.lines[strings.ToLower(string(r.Name))]; len(l.Landings) > 0 {
				sources = append(sources, Source{Repository: string(r.Name)})
			}
		}
	}
	for i, s := range sources {
		a.Sources = append(a.Sources, b.source(s, sourcesAt.Down(i), p, h))
	}
	a.MultiSource = len(a.Sources) > 1
	readsAt := where.Down("reads")
	if t.Application.Reads == nil {
		readsAt = config.At{"defaults", "application", "reads"}
	}
	for i, read := range said.Reads {
		if len(a.Sources) == 0 {
			b.doc.Mistake(readsAt.Down(i), "the Application has no source, so it reads nothing")
			break
		}
		if r, ok := b.read(read, a.Sources[0].Repository, readsAt.Down(i)); ok {
			a.Sources[0].Reads = append(a.Sources[0].Reads, r)
		}
	}
	return a
}

// spec is what is known about the Application's spec.
func (b *builder) spec(t *Test, at config.At) *approval.SpecEvidence {
	said := overlay(t.Application, b.file.Defaults.Application)
	where := at.Down("application", "spec")
	if t.Application.Spec == "" && t.Application.SpecChanged == nil {
		where = config.At{"defaults", "application", "spec"}
	}
	if t.Application.SpecChanged != nil && t.Application.Spec == "" {
		said.Spec = "" // a default says nothing about a spec that changed
	}
	if len(said.SpecChanged) > 0 && said.Spec == "" {
		return &approval.SpecEvidence{By: "the test", Changed: said.SpecChanged}
	}
	if t.Application.SpecChanged != nil {
		b.doc.Mistake(where, "spec says how this very spec was approved, and specChanged that it was not; write one of them")
	}
	switch said.Spec {
	case "", "adopted":
		return &approval.SpecEvidence{Approved: approval.SpecAdopted, By: "the test"}
	case "committed":
		return &approval.SpecEvidence{Approved: approval.SpecCommitted, By: "the test"}
	case "never":
		return &approval.SpecEvidence{}
	case "unknown":
		return nil
	default:
		b.one(where, "spec", said.Spec, "adopted", "committed", "never", "unknown")
		return nil
	}
}

// literal is something that a selector's pattern matches.
func literal(pattern, otherwise string) string {
	if pattern == "" || pattern == "*" {
		return otherwise
	}
	return strings.ReplaceAll(pattern, "*", "x")
}

func (b *builder) source(s Source, at config.At, p approval.Policy, h *history) approval.Source {
	out := approval.Source{Kind: approval.SourceGit, RepoURL: "https://github.com/" + s.Repository, Repository: approval.RepositoryName(s.Repository), TargetRevision: s.Revision}
	switch s.Kind {
	case "", "git":
	case "helm", "oci":
		out.Kind, out.RepoURL = approval.SourceKind(s.Kind), "https://charts.example.com"
		return out
	default:
		b.one(at.Down("kind"), "the kind of source", s.Kind, "git", "helm", "oci")
	}
	if _, err := approval.ParseRepositoryName(s.Repository); err != nil {
		b.doc.Mistake(at, "a git source needs repository: owner/name, for example %s", p.Repositories[0].Name)
		return out
	}
	protected, ok := p.Repository(out.Repository)
	if out.TargetRevision == "" {
		if out.TargetRevision = "main"; ok {
			out.TargetRevision = protected.Branch
		}
	}
	for i, read := range s.Reads {
		if r, ok := b.read(read, out.Repository, at.Down("reads", i)); ok {
			out.Reads = append(out.Reads, r)
		}
	}
	if len(s.Reads) == 0 {
		out.Reads = reads(protected, h)
	}
	if len(out.Reads) == 0 {
		out.Reads = []approval.Read{{Repository: out.Repository, Path: "/"}}
	}
	return out
}

// reads are the paths in scope that a test changes, or else what the scope itself
// names.
func reads(r approval.ProtectedRepository, h *history) []approval.Read {
	var out []approval.Read
	add := func(path string) {
		read := approval.Read{Repository: r.Name, Path: path}
		if r.CoversAll(path) && !slices.Contains(out, read) {
			out = append(out, read)
		}
	}
	if l := h.lines[strings.ToLower(string(r.Name))]; l != nil {
		for _, landing := range l.Landings {
			for _, c := range landing.Changes {
				add(c.Path)
			}
		}
	}
	if len(out) == 0 {
		for _, p := range r.Paths {
			name := strings.NewReplacer("**", "x", "*", "x", "?", "x").Replace(strings.TrimSuffix(p, "/**"))
			if strings.HasSuffix(p, "/**") {
				name += "/"
			}
			add(name)
		}
	}
	return out
}

// read is a path, in another repository as owner/name:path.
func (b *builder) read(s string, repository approval.RepositoryName, at config.At) (approval.Read, bool) {
	path := s
	if name, rest, ok := strings.Cut(s, ":"); ok {
		parsed, err := approval.ParseRepositoryName(name)
		if err != nil {
			b.doc.Mistake(at, "%q is not owner/name:path; the part before the colon is a repository", s)
			return approval.Read{}, false
		}
		repository, path = parsed, rest
	}
	if path != "/" && !plainPath(strings.TrimSuffix(path, "/")) {
		b.doc.Mistake(at, "%q is not a path; a folder ends with a slash, \"/\" alone is the whole repository", s)
		return approval.Read{}, false
	}
	return approval.Read{Repository: repository, Path: path}, true
}
