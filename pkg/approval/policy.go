package approval

import (
	"path"
	"slices"
	"strings"
)

// Policy is one gate: what it protects and what must hold there.
type Policy struct {
	Gate string `json:"gate"`
	// Applications select what the gate protects; one match is enough. An empty
	// list protects nothing and is refused when a configuration is loaded.
	Applications []Selector            `json:"applications"`
	Repositories []ProtectedRepository `json:"repositories"`
	// Config is the quorum of every change that is not provably image-only.
	Config Quorum `json:"config"`
}

// Selector matches Applications by project and destination, the two things
// that decide what an Application may reach. Labels and annotations are never
// looked at: an Application's owner can edit them. Empty fields match
// everything, "*" matches any run of characters.
type Selector struct {
	Project   string `json:"project,omitempty"`
	Server    string `json:"server,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

// ProtectedRepository is a repository whose branch the gate judges.
type ProtectedRepository struct {
	Name   RepositoryName `json:"name"`
	Branch string         `json:"branch"`
	// EnrolledAt is the first baseline: what was live when the gate began.
	EnrolledAt SHA `json:"enrolledAt"`
	// Paths limit the gate's scope in this repository; empty means all of it.
	// "**" matches any number of folders, "*" and "?" within one name.
	Paths []string `json:"paths,omitempty"`
}

// Quorum is a list of requirements that must all hold.
type Quorum struct {
	Requirements []Requirement `json:"requirements"`
}

// Requirement asks for a number of approvals from named people.
type Requirement struct {
	Name      string     `json:"name"`
	Approvals int        `json:"approvals"`
	Teams     []TeamName `json:"teams,omitempty"`
	// Users are logins; the directory says which accounts they are.
	Users []string `json:"users,omitempty"`
}

// Protects says whether the gate covers the Application.
func (p Policy) Protects(a Application) bool {
	for _, s := range p.Applications {
		if s.matches(a) {
			return true
		}
	}
	return false
}

// matches takes what is not known for a match, since it could be what is
// protected: an Application may name its cluster instead of its server, and
// without a destination namespace its manifests name their own.
func (s Selector) matches(a Application) bool {
	return wildcard(s.Project, a.Project) &&
		(a.Server == "" || wildcard(s.Server, a.Server)) &&
		(a.DestinationNamespace == "" || wildcard(s.Namespace, a.DestinationNamespace))
}

// wildcard matches s against a pattern in which "*" stands for any run of
// characters, slashes included. The empty pattern matches everything.
func wildcard(pattern, s string) bool {
	if pattern == "" {
		return true
	}
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}

// Repository finds the protected repository by name.
func (p Policy) Repository(name RepositoryName) (ProtectedRepository, bool) {
	for _, r := range p.Repositories {
		if r.Name.Equal(name) {
			return r, true
		}
	}
	return ProtectedRepository{}, false
}

// People are the teams and logins that the policy's requirements name, each
// once, so that the directory can be collected.
func (p Policy) People() (teams []TeamName, logins []string) {
	seenTeam, seenLogin := map[TeamName]bool{}, map[string]bool{}
	for _, r := range p.Config.Requirements {
		for _, t := range r.Teams {
			if !seenTeam[t] {
				seenTeam[t] = true
				teams = append(teams, t)
			}
		}
		for _, u := range r.Users {
			if !seenLogin[strings.ToLower(u)] {
				seenLogin[strings.ToLower(u)] = true
				logins = append(logins, u)
			}
		}
	}
	return teams, logins
}

// Covers says whether a path of the repository is in the gate's scope.
func (r ProtectedRepository) Covers(p string) bool {
	return r.scope().covers(strings.Split(p, "/"))
}

// CoversChange says whether a change is in the gate's scope. Beside what Covers
// says, a symbolic link or a submodule above a path in scope is: it decides what
// is found there.
func (r ProtectedRepository) CoversChange(c Change) bool { return r.scope().coversChange(c) }

// scope holds the patterns of a gate's paths, split into segments. The empty one
// is the whole repository.
type scope [][]string

func (r ProtectedRepository) scope() scope {
	s := make(scope, len(r.Paths))
	for i, pattern := range r.Paths {
		s[i] = strings.Split(pattern, "/")
	}
	return s
}

func (s scope) covers(name []string) bool {
	return len(s) == 0 || slices.ContainsFunc(s, func(pattern []string) bool { return matchPath(pattern, name) })
}

func (s scope) coversChange(c Change) bool {
	name := strings.Split(c.Path, "/")
	if s.covers(name) {
		return true
	}
	if c.Before.isFile() && c.After.isFile() {
		return false
	}
	return slices.ContainsFunc(s, func(pattern []string) bool { return mayMatchBelow(pattern, name) })
}

// within are the changes in scope, in the order of their paths.
func (s scope) within(changes []Change) []Change {
	var in []Change
	for _, c := range changes {
		if s.coversChange(c) {
			in = append(in, c)
		}
	}
	slices.SortStableFunc(in, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return in
}

// isFile is true for a regular file and for an absent path.
func (e Entry) isFile() bool { return e.Mode == "" || e.Mode == "100644" || e.Mode == "100755" }

// CoversAll says whether everything that a Read names is in scope: the file
// itself, or whatever a folder may hold at any depth. A path that is not clean
// is covered by nothing.
func (r ProtectedRepository) CoversAll(read string) bool {
	if read == "/" {
		return len(r.Paths) == 0 || slices.Contains(r.Paths, "**")
	}
	folder, isFolder := strings.CutSuffix(read, "/")
	if !cleanPath(folder) {
		return false
	}
	if len(r.Paths) == 0 {
		return true
	}
	if !isFolder {
		return r.Covers(read)
	}
	folders := strings.Split(folder, "/")
	for _, pattern := range r.Paths {
		// Only a pattern that ends in "**" covers a whole folder: every other
		// one leaves out some name or some depth.
		if pattern == "**" {
			return true
		}
		prefix, ok := strings.CutSuffix(pattern, "/**")
		if !ok {
			continue
		}
		segments := strings.Split(prefix, "/")
		for n := range folders {
			if matchPath(segments, folders[:n+1]) {
				return true
			}
		}
	}
	return false
}

// cleanPath says whether a path is as git writes one: relative, without empty
// parts, "." and "..".
func cleanPath(p string) bool {
	return p != "" && p != "." && p != ".." && !strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "../") && path.Clean(p) == p
}

// ValidPattern says whether a scope pattern is well-formed.
func ValidPattern(pattern string) bool {
	if pattern == "" || strings.HasPrefix(pattern, "/") || strings.HasSuffix(pattern, "/") {
		return false
	}
	for segment := range strings.SplitSeq(pattern, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
		if segment != "**" && strings.Contains(segment, "**") {
			return false
		}
		if _, err := path.Match(segment, ""); err != nil {
			return false
		}
	}
	return true
}

// matchPath matches name against pattern, segment by segment. "**" stands for
// any number of segments, none included: "dir/**" covers dir itself too, so that
// replacing a folder by a symbolic link is in scope.
//
// It tries again from the last "**" alone, like a shell from the last "*", so the
// time is bounded by the product of both lengths: whoever may propose a change
// chooses how deep its paths are.
func matchPath(pattern, name []string) bool {
	p, n := 0, 0
	star, from := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == "**":
			star, from = p, n
			p++
		case p < len(pattern) && matchSegment(pattern[p], name[n]):
			p, n = p+1, n+1
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == "**" {
		p++
	}
	return p == len(pattern)
}

// mayMatchBelow says whether the pattern can match something below name.
func mayMatchBelow(pattern, name []string) bool {
	for i, segment := range name {
		switch {
		case i >= len(pattern):
			return false
		case pattern[i] == "**":
			return true
		case !matchSegment(pattern[i], segment):
			return false
		}
	}
	return len(pattern) > len(name)
}

func matchSegment(pattern, segment string) bool {
	ok, err := path.Match(pattern, segment)
	return ok && err == nil
}
