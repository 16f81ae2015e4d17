package argo

import (
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// wholeRepository is the path of a read that may touch anything.
const wholeRepository = "/"

// reads collects what one source is rendered from, as far as the spec names it.
type reads struct {
	refs   map[string]approval.Source
	source approval.Source
	found  []approval.Read
}

func (r *reads) add(repository approval.RepositoryName, path string) {
	read := approval.Read{Repository: repository, Path: path}
	if !slices.Contains(r.found, read) {
		r.found = append(r.found, read)
	}
}

// collect fills in what the source reads. A source with a ref but no path renders
// nothing; the files that others take from it are among their reads.
func (r *reads) collect(source node) {
	base := ""
	renders := r.source.Kind == approval.SourceGit && (source.text("path") != "" || r.source.Ref == "")
	if renders {
		folder, ok := r.folder(source, "path", source.text("path"))
		if !ok {
			return
		}
		base = folder
		r.add(r.source.Repository, asFolder(base))
	}
	r.helm(source.object("helm"), base)
	r.kustomize(source.object("kustomize"), base)
	r.directory(source.object("directory"))
	plugin := source.object("plugin")
	plugin.known("name", "env", "parameters")
	if plugin.exists() && renders {
		r.add(r.source.Repository, wholeRepository)
	}
}

// folder normalises the path of a source. Argo CD refuses absolute ones
// (util/app/path/path.go, Path).
func (r *reads) folder(n node, key, folder string) (string, bool) {
	if strings.HasPrefix(folder, "/") {
		n.problems.addf("%s %q is absolute", n.at(key), shorten(folder))
		return "", false
	}
	return within(n, key, "", folder)
}

// within resolves p against base, inside a repository. A leading slash means the
// root. The result has no leading or trailing slash; the root is empty.
func within(n node, key, base, p string) (string, bool) {
	if strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.Contains(p, `\`) {
		n.problems.addf("%s %q has characters that no path should have", n.at(key), shorten(p))
		return "", false
	}
	if !strings.HasPrefix(p, "/") {
		p = base + "/" + p
	}
	p = path.Clean(strings.TrimLeft(p, "/"))
	if p == ".." || strings.HasPrefix(p, "../") {
		n.problems.addf("%s leads out of the repository", n.at(key))
		return "", false
	}
	if p == "." {
		p = ""
	}
	return p, true
}

func asFolder(p string) string {
	if p == "" {
		return wholeRepository
	}
	return p + "/"
}

// helm reads value files and the files of fileParameters. Argo CD resolves both
// alike (util/io/path/resolved.go, ResolveValueFilePathOrUrl).
func (r *reads) helm(helm node, base string) {
	helm.known("valueFiles", "parameters", "releaseName", "values", "valuesObject", "fileParameters", "version",
		"passCredentials", "ignoreMissingValueFiles", "skipCrds", "namespace", "kubeVersion", "apiVersions",
		"skipTests", "skipSchemaValidation")
	helm.text("values")
	helm.object("valuesObject")
	for _, parameter := range helm.objects("parameters") {
		parameter.known("name", "value", "forceString")
	}
	for _, file := range helm.strings("valueFiles") {
		r.file(helm, "valueFiles", file, base)
	}
	for _, parameter := range helm.objects("fileParameters") {
		parameter.known("name", "path")
		r.file(parameter, "path", parameter.text("path"), base)
	}
}

// file reads one file that a Helm option names: "$ref/path" is in the repository of
// the source with that ref, everything else in the source's own, or in its chart.
func (r *reads) file(n node, key, file, base string) {
	repository, inChart := r.source.Repository, r.source.Kind != approval.SourceGit
	if ref, rest, ok := strings.Cut(strings.TrimPrefix(file, "$"), "/"); ok && strings.HasPrefix(file, "$") {
		if target, known := r.refs[ref]; known {
			if target.Kind != approval.SourceGit {
				n.problems.addf("%s %q refers to a source that is not in git", n.at(key), shorten(file))
				return
			}
			repository, inChart, file = target.Repository, false, "/"+rest
		}
	}
	if strings.HasPrefix(file, "$") && len(r.refs) > 0 {
		n.problems.addf("%s %q refers to a source that is not there", n.at(key), shorten(file))
		return
	}
	if u, err := url.Parse(file); err == nil && u.Scheme != "" {
		n.problems.addf("%s %q is fetched from a URL, so no revision says what it holds", n.at(key), shorten(withoutCredentials(file)))
		return
	}
	if variable, uses := variables(file); uses {
		if variable != "" {
			n.problems.addf("%s %q uses $%s, whose value could lead anywhere", n.at(key), shorten(file), shorten(variable))
			return
		}
		// The value holds no slash, but which file it names is not known here.
		if !inChart {
			r.add(repository, wholeRepository)
		}
		return
	}
	if inChart {
		return // Part of the chart, whose version the spec pins.
	}
	resolved, ok := within(n, key, base, file)
	switch {
	case !ok:
	case resolved == "":
		n.problems.addf("%s %q is not a file", n.at(key), shorten(file))
	case strings.ContainsAny(resolved, "*?[{"):
		literal, _, _ := strings.Cut(resolved, firstOf(resolved, "*?[{"))
		r.add(repository, asFolder(strings.TrimSuffix(literal[:strings.LastIndex(literal, "/")+1], "/")))
	default:
		r.add(repository, resolved)
	}
}

func firstOf(s, chars string) string {
	i := strings.IndexAny(s, chars)
	return s[i : i+1]
}

// variables looks for Argo CD's build environment in a path. It returns the first
// variable whose value is not known to be free of slashes and colons
// (reposerver/repository/repository.go, newEnv).
func variables(file string) (unsafe string, uses bool) {
	os.Expand(file, func(name string) string {
		uses = true
		switch name {
		case "$", "ARGOCD_APP_NAME", "ARGOCD_APP_NAMESPACE", "ARGOCD_APP_PROJECT_NAME",
			"ARGOCD_APP_REVISION", "ARGOCD_APP_REVISION_SHORT", "ARGOCD_APP_REVISION_SHORT_8":
		default:
			if unsafe == "" {
				unsafe = name
			}
		}
		return ""
	})
	// A "$" that begins no name is kept or dropped, depending on what follows.
	if strings.Contains(file, "$") && !uses {
		return "$", true
	}
	return unsafe, uses
}

// kustomize reads the components and patches that the spec adds. Everything that
// the kustomization itself names is not visible here.
func (r *reads) kustomize(kustomize node, base string) {
	kustomize.known("namePrefix", "nameSuffix", "images", "commonLabels", "version", "commonAnnotations",
		"forceCommonLabels", "forceCommonAnnotations", "namespace", "commonAnnotationsEnvsubst", "replicas", "patches",
		"components", "ignoreMissingComponents", "labelWithoutSelector", "labelIncludeTemplates", "kubeVersion", "apiVersions")
	if !kustomize.exists() {
		return
	}
	for _, component := range kustomize.strings("components") {
		if MayBeRemote(component) {
			kustomize.problems.addf("%s.components %q may be fetched from elsewhere", kustomize.path, shorten(component))
		} else if folder, ok := within(kustomize, "components", base, component); ok {
			r.add(r.source.Repository, asFolder(folder))
		}
	}
	for _, patch := range kustomize.objects("patches") {
		patch.known("path", "patch", "target", "options")
		file := patch.text("path")
		if file == "" {
			continue
		}
		if MayBeRemote(file) {
			patch.problems.addf("%s %q may be fetched from elsewhere", patch.at("path"), shorten(file))
		} else if resolved, ok := within(patch, "path", base, file); ok {
			r.add(r.source.Repository, resolved)
		}
	}
}

// MayBeRemote says whether kustomize could take a path for a URL or a git repository.
// It tries the local file first, but a path that is missing at one revision would then
// be fetched: "github.com/acme/base" is a legal path and a legal repository
// (kustomize api/internal/git/repospec.go).
func MayBeRemote(p string) bool {
	if strings.HasPrefix(p, "/") || strings.Contains(p, "//") || strings.ContainsAny(p, ":?@#%&=") {
		return true
	}
	first, _, nested := strings.Cut(strings.TrimPrefix(p, "./"), "/")
	return nested && strings.Contains(strings.TrimLeft(first, "."), ".")
}

// directory reads the jsonnet libraries, which are relative to the repository's
// root (reposerver/repository/repository.go, makeJsonnetVm).
func (r *reads) directory(directory node) {
	directory.known("recurse", "jsonnet", "exclude", "include")
	jsonnet := directory.object("jsonnet")
	jsonnet.known("extVars", "tlas", "libs")
	for _, lib := range jsonnet.strings("libs") {
		if folder, ok := within(jsonnet, "libs", "", lib); ok {
			r.add(r.source.Repository, asFolder(folder))
		}
	}
}
