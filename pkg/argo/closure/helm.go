package closure

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"path"
	"strings"
)

const (
	// maxArchive bounds a packed chart, maxUnpacked what is looked through in it.
	maxArchive  = 8 << 20
	maxUnpacked = 64 << 20
)

// chart follows the dependencies of the chart in a folder. requirements.yaml is where
// they were before Helm 3, which still reads it (helm pkg/chart/loader/load.go).
func (v *view) chart(f folder) error {
	for _, file := range []string{"Chart.yaml", "requirements.yaml"} {
		name := path.Join(f.name, file)
		content, found, err := v.text(name)
		if err != nil {
			return err
		}
		if !found {
			if file == "Chart.yaml" {
				return nil // no chart
			}
			continue
		}
		fields, err := parse(content)
		if err != nil {
			v.widen("%s cannot be understood: %v", name, err)
			continue
		}
		for key, value := range fields {
			if !strings.EqualFold(key, "dependencies") {
				continue
			}
			if err := v.dependencies(f, name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *view) dependencies(f folder, from string, value any) error {
	items, ok := list(value)
	if !ok {
		v.widen("%s: dependencies is not a list", from)
		return nil
	}
	for _, item := range items {
		fields, ok := item.(map[string]any)
		if !ok {
			v.widen("%s has a dependency that is not an object", from)
			continue
		}
		if err := v.dependency(f, from, fields); err != nil {
			return err
		}
	}
	return nil
}

// dependency follows one. One on "file://" is a folder, relative to the chart (helm
// internal/resolver/resolver.go, GetLocalPath). Without a repository it is in charts/.
// Everything else is fetched, unless charts/ has a chart of that name: Argo CD runs "helm
// dependency build" only when Helm misses one (reposerver/repository/repository.go,
// helmTemplate; helm pkg/action/install.go, CheckDependencies).
func (v *view) dependency(f folder, from string, fields map[string]any) error {
	name, repository, ok := "", "", true
	for key, value := range fields {
		text, isText := value.(string)
		switch {
		case key == "name":
			name, ok = text, ok && isText
		case key == "repository":
			repository, ok = text, ok && (isText || value == nil)
		case strings.EqualFold(key, "name"), strings.EqualFold(key, "repository"):
			ok = false
		}
	}
	if !ok || name == "" {
		v.widen("%s has a dependency that is not of a form that Gatekeeper knows", from)
		return nil
	}
	if local, isLocal := strings.CutPrefix(repository, "file://"); isLocal {
		joined, ok := v.join(f.name, local, from)
		if !ok {
			return nil
		}
		_, _, err := v.need(joined)
		return err
	}
	if repository == "" {
		return nil
	}
	there, err := v.vendored(f, name)
	if err == nil && !there {
		v.elsewhere("%s depends on %s of %s, which is fetched from elsewhere; commit it to charts/", from, name, withoutUser(repository))
	}
	return err
}

// withoutUser keeps credentials out of records and logs.
func withoutUser(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + "://" + rest
}

// vendored says whether Helm finds a chart of that name in charts/ (helm
// pkg/chart/loader/load.go, LoadFiles).
func (v *view) vendored(f folder, name string) (bool, error) {
	if harmless, err := v.ignoresNothing(f); err != nil || !harmless {
		return false, err
	}
	charts := path.Join(f.name, "charts")
	at, ok, err := v.resolve(charts)
	if err != nil || !ok || !at.isFolder() {
		return false, err
	}
	t, err := v.tree(at.entry.SHA)
	if err != nil {
		return false, err
	}
	for _, e := range t.entries {
		if strings.HasPrefix(e.Name, "_") || strings.HasPrefix(e.Name, ".") {
			continue // Helm leaves them out
		}
		found, err := v.chartName(path.Join(charts, e.Name))
		if err != nil {
			return false, err
		}
		if found == name {
			return true, nil
		}
	}
	return false, nil
}

// chartName is the name of a chart in charts/, empty when it cannot be told.
func (v *view) chartName(at string) (string, error) {
	p, ok, err := v.resolve(at)
	if err != nil || !ok || !p.found {
		return "", err
	}
	var content []byte
	switch {
	case p.isFolder():
		found := false
		if content, found, err = v.text(path.Join(at, "Chart.yaml")); err != nil || !found {
			return "", err
		}
	case path.Ext(at) == ".tgz":
		packed, err := v.content(p.entry, maxArchive)
		if errors.Is(err, ErrContent) {
			return "", nil // too large to look into, so it is none that is known
		}
		if err != nil {
			return "", err
		}
		content = packedChart(packed)
	default:
		return "", nil
	}
	fields, err := parse(content)
	if err != nil {
		return "", nil //nolint:nilerr // a chart that cannot be understood has no known name
	}
	name, _ := fields["name"].(string)
	for key := range fields {
		if key != "name" && strings.EqualFold(key, "name") {
			return "", nil
		}
	}
	return name, nil
}

// packedChart is the Chart.yaml of a packed chart, "<chart>/Chart.yaml" in it; nothing
// when there is none or more than one.
func packedChart(packed []byte) []byte {
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil
	}
	var content []byte
	files := tar.NewReader(io.LimitReader(unzipped, maxUnpacked))
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return content
		}
		if err != nil {
			return nil
		}
		parts := strings.Split(strings.ReplaceAll(header.Name, `\`, "/"), "/")
		if len(parts) != 2 || parts[1] != "Chart.yaml" {
			continue
		}
		if content != nil || header.Size > maxFile {
			return nil
		}
		if content, err = io.ReadAll(files); err != nil {
			return nil
		}
	}
}

// ignoresNothing says whether the chart's .helmignore leaves charts/ alone: it is absent
// or has no other lines than "helm create" writes (helm pkg/chartutil/create.go,
// defaultIgnore).
func (v *view) ignoresNothing(f folder) (bool, error) {
	content, found, err := v.text(path.Join(f.name, ".helmignore"))
	if err != nil || !found {
		return err == nil, err
	}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		switch line {
		case "", ".DS_Store", ".git/", ".gitignore", ".bzr/", ".bzrignore", ".hg/", ".hgignore", ".svn/",
			"*.swp", "*.bak", "*.tmp", "*.orig", "*~", ".project", ".idea/", "*.tmproj", ".vscode/":
		default:
			if !strings.HasPrefix(line, "#") {
				return false, nil
			}
		}
	}
	return true, nil
}
