package closure

import (
	"errors"
	"path"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

// noSource marks a folder that is not the one that a source names.
const noSource = -1

// folder is one that is read whole, by one of its names.
type folder struct {
	// name is how it was referred to, real where it is; they differ behind symbolic
	// links. Empty is the root.
	name, real string
	// source is the index of the source whose folder it is, or noSource.
	source int
}

// start follows a read that the spec or an override names; base says that it is the
// folder of the source.
func (v *view) start(read string, source int, base bool) error {
	name, isFolder := strings.CutSuffix(read, "/")
	if !base {
		v.doubt(read, source, isFolder)
	}
	if !isFolder {
		_, _, err := v.need(name)
		return err
	}
	p, ok, err := v.resolve(name)
	switch {
	case err != nil || !ok:
		return err
	case !p.isFolder():
		v.add(p.path)
		return nil
	}
	if !base {
		source = noSource
	} else if name != p.path {
		v.linked[source] = name
	}
	v.folder(name, p.path, source)
	return nil
}

// doubt widens for a read that may mean something else than its text says. "kustomize
// edit add component" takes patterns (kustomize kustomize/commands/edit/add,
// addcomponent.go). And where the folder of the source is behind a symbolic link, ".." is
// above the link for Argo CD's own paths (util/io/path/resolved.go) but above the link's
// target for kustomize (kyaml/filesys, ConfirmDir).
func (v *view) doubt(read string, source int, isFolder bool) {
	if isFolder && strings.ContainsAny(read, "*?[{\\") {
		v.widen("%s may be a pattern", read)
	}
	if base, ok := v.linked[source]; ok && !strings.HasPrefix(read, base+"/") {
		v.widen("%s may be relative to %s, which is behind a symbolic link", read, base)
	}
}

// folder notes that a folder is read whole, and queues it.
func (v *view) folder(name, real string, source int) {
	if name == "." {
		name = ""
	}
	if real == "" {
		v.add(wholeRepository)
	} else {
		v.add(real + "/")
	}
	v.whole[real] = true
	for _, n := range []string{name, real} {
		next := folder{n, real, source}
		if !v.visited[next] {
			v.visited[next] = true
			v.queue = append(v.queue, next)
		}
	}
}

// visit follows what the files of a folder refer to.
func (v *view) visit(f folder) error {
	for _, follow := range []func(folder) error{v.overrides, v.contents, v.chart, v.kustomizations, v.jsonnet} {
		err := follow(f)
		if errors.Is(err, ErrContent) {
			v.widen("%s: %v", nameOf(f.name), err)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func nameOf(folder string) string {
	if folder == "" {
		return "the root of the repository"
	}
	return folder
}

// overrides follows .argocd-source.yaml and .argocd-source-<app>.yaml in the folder of a
// source. Argo CD names an Application outside of its own namespace
// "<namespace>_<name>" (reposerver/repository/repository.go, mergeSourceParameters;
// pkg/apis/application/v1alpha1/types.go, InstanceName).
func (v *view) overrides(f folder) error {
	if f.source == noSource {
		return nil
	}
	for _, file := range []string{
		".argocd-source.yaml", ".argocd-source-" + v.app.Name + ".yaml",
		".argocd-source-" + v.app.Namespace + "_" + v.app.Name + ".yaml",
	} {
		name := path.Join(f.name, file)
		content, found, err := v.text(name)
		if errors.Is(err, ErrContent) {
			v.widenAll("%s: %v", name, err)
			continue
		}
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if err := v.override(f.source, name, content); err != nil {
			return err
		}
	}
	return nil
}

// contents looks through a folder for what leads out of it. Where the whole repository
// is read there is no out.
func (v *view) contents(f folder) error {
	if v.walked[f.real] || v.all() {
		return nil
	}
	v.walked[f.real] = true
	at, ok, err := v.resolve(f.real)
	if err != nil || !ok {
		return err
	}
	return v.walk(f.real, at.entry.SHA, func(name string, e Entry) error {
		switch e.Mode {
		case modeSubmodule:
			v.submodule(name)
		case modeLink:
			_, _, err := v.need(name)
			return err
		}
		return nil
	})
}

// walk calls do for every entry below a folder that is none itself.
func (v *view) walk(name string, sha approval.SHA, do func(name string, e Entry) error) error {
	if len(name) > maxPath {
		v.widen("the path %s is longer than %d bytes", shorten(name), maxPath)
		return nil
	}
	t, err := v.tree(sha)
	if err != nil {
		return err
	}
	for _, e := range t.entries {
		if err := v.step(); err != nil {
			return err
		}
		below := path.Join(name, e.Name)
		if e.Mode == modeFolder {
			err = v.walk(below, e.SHA, do)
		} else {
			err = do(below, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// named follows a path that a kustomization names, relative to the folder it is in.
func (v *view) named(base, name, from string) error {
	if name == "" {
		return nil
	}
	if argo.MayBeRemote(name) {
		v.elsewhere("%s refers to %s, which may be fetched from elsewhere", from, name)
		return nil
	}
	joined, ok := v.join(base, name, from)
	if !ok {
		return nil
	}
	_, _, err := v.need(joined)
	return err
}
