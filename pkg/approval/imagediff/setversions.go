package imagediff

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
	sigs "sigs.k8s.io/yaml"
)

// Want is a version that an image shall have.
type Want struct {
	// Repository is that of the image; normalising it is not needed.
	Repository string
	To         Version
	// File and Path limit it to one file and to one place, written as in Move.Path;
	// the mapping that has tag and digest will do as well. A place whose file does not
	// say the repository is found by Path alone.
	File, Path string
	// All means every place of the repository, also when they differ now.
	All bool
	// Pin adds the digest to references that have only a tag.
	Pin bool
}

// Setting is what SetVersions did. The zero Setting did nothing.
type Setting struct {
	// Files are those that change, with both versions. Classify says of them that they
	// are image, and Moves is what it finds.
	Files []File
	Moves []Move
	// Kept are the places that have the wanted version already.
	Kept []Site
	// Missing are the wants for which there is no place.
	Missing []Want
	// Nameless are the places whose file does not say the repository, for people who
	// look for what is missing.
	Nameless []Site
	// Unread are the files in which nothing could be looked for, and why.
	Unread []FileClass
}

// The reasons for which nothing is set. Errors say more.
var (
	// ErrWant: a wanted version cannot be one.
	ErrWant = errors.New("not an image version")
	// ErrSeveral: an image is named in several places with different versions, and it
	// is not said which are meant.
	ErrSeveral = errors.New("the image is named in several places with different versions")
	// ErrPlace: a place cannot have the wanted version by a change of images alone.
	ErrPlace = errors.New("the version cannot be set there by a change of images alone")
)

// SetVersions writes the wanted versions into files. Only the bytes of the values
// change: comments, quotes, spaces and line ends stay, and what a place does not have
// now, a tag or a digest, it does not get (but see Want.Pin). Values that would not be
// read as text by every program are quoted.
//
// What it returns was checked by Classify: the files are image, and the moves are
// exactly the wanted ones. When anything else would come out nothing is returned but
// an error. Time and memory are bounded by the size of the files.
func SetVersions(contents []Content, wants []Want, rules Rules) (Setting, error) {
	var out Setting
	var sites []*site
	texts := map[string]*text{}
	total := 0
	for _, c := range contents {
		if total += len(c.Data); total > maxTotal/2 {
			return Setting{}, fmt.Errorf("the files have more than %d MiB", maxTotal>>21)
		}
		if _, twice := texts[c.Path]; twice {
			return Setting{}, fmt.Errorf("the file %s is there twice", oneLine(c.Path))
		}
		found, t, why := sitesOf(c, &rules)
		if why != "" {
			out.Unread = append(out.Unread, FileClass{c.Path, ClassConfig, why})
		}
		texts[c.Path] = t
		sites = append(sites, found...)
	}
	for _, s := range sites {
		if s.Repository == "" {
			out.Nameless = append(out.Nameless, s.Site)
		}
	}
	meant := map[*site]Want{}
	for _, w := range wants {
		found, err := w.find(sites)
		if err != nil {
			return Setting{}, err
		}
		if len(found) == 0 {
			out.Missing = append(out.Missing, w)
		}
		for _, s := range found {
			if _, twice := meant[s]; twice {
				return Setting{}, fmt.Errorf("%w: %s is wanted twice", ErrWant, s)
			}
			meant[s] = w
		}
	}
	if err := out.write(contents, texts, sites, meant, rules); err != nil {
		return Setting{}, err
	}
	return out, nil
}

// find are the places that a want means.
func (w Want) find(sites []*site) ([]*site, error) {
	repository, ok := normalise(w.Repository)
	name := oneLine(w.Repository)
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %s is no repository", ErrWant, quote(w.Repository))
	case w.To == Version{}:
		return nil, fmt.Errorf("%w: no version of %s is named", ErrWant, name)
	case w.To.Tag != "" && !validTag(w.To.Tag):
		return nil, fmt.Errorf("%w: %s is no tag", ErrWant, quote(w.To.Tag))
	case w.To.Digest != "" && !validDigest(w.To.Digest):
		return nil, fmt.Errorf("%w: %s is no digest", ErrWant, quote(w.To.Digest))
	}
	var found []*site
	for _, s := range sites {
		switch {
		case w.File != "" && s.File != w.File, w.Path != "" && !s.at(w.Path):
		case w.Path != "" && s.Repository != "" && s.Repository != repository:
			return nil, fmt.Errorf("%w: %s names %s, not %s", ErrPlace, s, s.Repository, name)
		case s.Repository == repository, s.Repository == "" && w.Path != "":
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	lowest := slices.MinFunc(found, func(a, b *site) int { return cmp.Compare(a.rank, b.rank) }).rank
	found = slices.DeleteFunc(found, func(s *site) bool { return s.rank > lowest })
	if w.All {
		return found, nil
	}
	for _, s := range found[1:] {
		if s.Version != found[0].Version {
			return nil, fmt.Errorf("%w: %s has %s; say which one is meant, or that all are", ErrSeveral, name, listed(found))
		}
	}
	return found, nil
}

func listed(sites []*site) string {
	var list []string
	for i, s := range sites {
		if i == 10 {
			list = append(list, fmt.Sprintf("and %d more", len(sites)-i))
			break
		}
		list = append(list, fmt.Sprintf("%s at %s", s.Version, s))
	}
	return strings.Join(list, ", ")
}

// write makes the new files and checks them.
func (out *Setting) write(contents []Content, texts map[string]*text, sites []*site, meant map[*site]Want, rules Rules) error {
	expected := map[string][]*site{}
	for _, s := range sites {
		w, ok := meant[s]
		if !ok {
			continue
		}
		why := s.doubt
		if why == "" {
			why = s.set(w.To, w.Pin)
		}
		if why != "" {
			return fmt.Errorf("%w: %s: %s", ErrPlace, s, why)
		}
		if !slices.ContainsFunc(s.leaves, func(l leaf) bool { return l.to != l.value }) {
			out.Kept = append(out.Kept, s.Site)
			continue
		}
		expected[s.File] = append(expected[s.File], s)
	}
	for _, c := range contents {
		wanted := expected[c.Path]
		if len(wanted) == 0 {
			continue
		}
		after, err := rewrite(texts[c.Path], wanted)
		if err != nil {
			return err
		}
		f := File{Path: c.Path, Before: c.Data, After: after, Modes: Modes{c.Mode, c.Mode}}
		r := Classify([]File{f}, rules)
		if r.Class != ClassImage {
			return fmt.Errorf("%w: %s: %s", ErrPlace, oneLine(c.Path), r.Files[0].Why)
		}
		if err := exactly(r.Moves, wanted); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrPlace, oneLine(c.Path), err)
		}
		out.Files, out.Moves = append(out.Files, f), append(out.Moves, r.Moves...)
	}
	return nil
}

// rewrite replaces the bytes of the values.
func rewrite(t *text, sites []*site) ([]byte, error) {
	type edit struct {
		start, end int
		to         string
	}
	var edits []edit
	for _, s := range sites {
		for _, l := range s.leaves {
			if l.to == l.value {
				continue
			}
			start, end, ok := t.span(&t.docs[s.Document], l.node)
			if !ok {
				return nil, fmt.Errorf("%w: %s: the value is not written as it reads", ErrPlace, s)
			}
			edits = append(edits, edit{start, end, scalarText(l.to, l.node.Style)})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
	var b []byte
	at := 0
	for _, e := range edits {
		if e.start < at {
			return nil, errors.New("two values overlap")
		}
		b = append(append(b, t.data[at:e.start]...), e.to...)
		at = e.end
	}
	return append(b, t.data[at:]...), nil
}

// scalarText writes a value with the quotes that were there, or with quotes where
// there were none and a program would take it for something else than text. Tags,
// digests and references have no characters that need escapes.
func scalarText(value string, style yaml.Style) string {
	switch style &^ yaml.TaggedStyle {
	case yaml.DoubleQuotedStyle:
		return `"` + value + `"`
	case yaml.SingleQuotedStyle:
		return "'" + value + "'"
	default:
		if isPlainText(value) {
			return value
		}
		return `"` + value + `"`
	}
}

// isPlainText says whether both parsers read a value without quotes as this text.
func isPlainText(value string) bool {
	data := []byte("- " + value + "\n")
	var first []any
	var second yaml.Node
	if sigs.Unmarshal(data, &first) != nil || yaml.Load(data, &second) != nil || len(first) != 1 ||
		len(second.Content) != 1 || len(second.Content[0].Content) != 1 {
		return false
	}
	return isString(second.Content[0].Content[0], first[0]) && first[0] == value
}

// exactly says whether the moves are those of these places, and how they differ.
func exactly(moves []Move, sites []*site) error {
	if len(moves) != len(sites) {
		return fmt.Errorf("%d images would move instead of %d", len(moves), len(sites))
	}
	left := slices.Clone(sites)
	for _, m := range moves {
		i := slices.IndexFunc(left, func(s *site) bool { return s.Document == m.Document && s.at(m.Path) })
		if i < 0 {
			return fmt.Errorf("%s would move as well", m.Path)
		}
		s := left[i]
		left = slices.Delete(left, i, i+1)
		if m.From != s.Version || m.To != s.version() || m.Repository != s.Repository {
			return fmt.Errorf("%s would move from %s to %s instead of from %s to %s", m.Path, m.From, m.To, s.Version, s.version())
		}
		for _, e := range m.Edits {
			if !slices.ContainsFunc(s.leaves, func(l leaf) bool { return pathText(l.path) == e.Path && l.to != l.value }) {
				return fmt.Errorf("%s would change as well", e.Path)
			}
		}
	}
	return nil
}

// ParseReference reads "[host[:port]/]path[:tag][@digest]". The repository is
// normalised: "app" is "docker.io/library/app".
func ParseReference(s string) (repository string, v Version, ok bool) {
	r, ok := parseReference(s)
	if !ok {
		return "", Version{}, false
	}
	return r.repository, r.version, true
}

// NormaliseRepository gives a repository its full name, false when it is none.
func NormaliseRepository(s string) (string, bool) { return normalise(s) }
