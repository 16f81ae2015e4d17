package closure

import (
	"slices"
	"strings"
)

// jsonnet follows the imports of the jsonnet files in the folder of a source. Argo CD
// evaluates files whose names end in ".jsonnet", those in folders below only with
// directory.recurse (reposerver/repository/repository.go, findManifests).
func (v *view) jsonnet(f folder) error {
	if f.source == noSource || v.all() {
		return nil
	}
	at, ok, err := v.resolve(f.real)
	if err != nil || !ok {
		return err
	}
	return v.walk(f.name, at.entry.SHA, func(name string, _ Entry) error {
		if !strings.HasSuffix(name, ".jsonnet") {
			return nil
		}
		return v.imports(name, v.libraries(f.source))
	})
}

// libraries are the folders of a source in which an import may be found.
func (v *view) libraries(source int) []string {
	var out []string
	for _, r := range slices.Concat(v.app.Sources[source].Reads, v.more) {
		folder, isFolder := strings.CutSuffix(r.Path, "/")
		if isFolder && folder != "" && v.repository.Equal(r.Repository) {
			out = append(out, folder)
		}
	}
	return out
}

// imports follows the imports of one file. Each is looked for next to the file, then in
// the source's folder and in the libraries (go-jsonnet imports.go, FileImporter;
// repository.go, makeJsonnetVm).
func (v *view) imports(first string, libraries []string) error {
	for todo := []string{first}; len(todo) > 0; {
		from := todo[0]
		todo = todo[1:]
		if v.imported[from] {
			continue
		}
		v.imported[from] = true
		content, found, err := v.text(from)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		names, clear := findImports(string(content))
		if !clear {
			v.widen("%s has an import that Gatekeeper cannot read", from)
		}
		for _, i := range names {
			for n, dir := range append([]string{parent(from)}, libraries...) {
				joined, ok := v.join(dir, i.path, from)
				if !ok {
					break
				}
				p, ok, err := v.need(joined)
				if err != nil {
					return err
				}
				if ok && p.found && i.code {
					todo = append(todo, joined)
				}
				if n == 0 && (!ok || p.found) {
					break
				}
			}
		}
	}
	return nil
}

// imported is what one import names; code is false for importstr and importbin.
type imported struct {
	path string
	code bool
}

// findImports finds imports in jsonnet code. Comments and strings are not told from
// code, so it may find too many. clear is false when the word stands before anything
// but a plain string.
func findImports(code string) (found []imported, clear bool) {
	clear = true
	for at := 0; ; {
		i := strings.Index(code[at:], "import")
		if i < 0 {
			return found, clear
		}
		start := at + i
		at = start + len("import")
		if start > 0 && isWord(code[start-1]) {
			continue
		}
		rest := code[at:]
		text := rest
		for _, suffix := range []string{"str", "bin"} {
			text = strings.TrimPrefix(text, suffix)
		}
		if text != "" && isWord(text[0]) {
			continue
		}
		isCode := len(text) == len(rest)
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" || text[0] != '"' && text[0] != '\'' {
			clear = false
			continue
		}
		end := strings.IndexByte(text[1:], text[0])
		if end < 0 || strings.ContainsAny(text[1:1+end], "\\\n") {
			clear = false
			continue
		}
		found = append(found, imported{text[1 : 1+end], isCode})
	}
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
