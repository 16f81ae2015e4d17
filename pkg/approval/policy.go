package approval

import (
	"path"
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

func (s Selector) matches(a Application) bool {
	return wildcard(s.Project, a.Project) && s.matchesServer(a) && wildcard(s.Namespace, a.DestinationNamespace)
}

// matchesServer takes a destination whose server is not known (an Application
// may name its cluster instead) for a match: it could be the protected one.
func (s Selector) matchesServer(a Application) bool {
	return a.Server == "" || wildcard(s.Server, a.Server)
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
	if len(r.Paths) == 0 {
		return true
	}
	for _, pattern := range r.Paths {
		if matchPath(strings.Split(pattern, "/"), strings.Split(p, "/")) {
			return true
		}
	}
	return false
}

// CoversAll says whether everything that a Read names is in scope: the file
// itself, or whatever a folder may hold at any depth.
func (r ProtectedRepository) CoversAll(read string) bool {
	if len(r.Paths) == 0 {
		return true
	}
	if !strings.HasSuffix(read, "/") {
		return r.Covers(read)
	}
	folder := strings.Trim(read, "/")
	for _, pattern := range r.Paths {
		// Only a pattern that ends in "**" covers a whole folder: every other
		// one leaves out some name or some depth.
		prefix, ok := strings.CutSuffix(pattern, "**")
		if !ok {
			continue
		}
		prefix = strings.TrimSuffix(prefix, "/")
		if prefix == "" {
			return true
		}
		segments, folders := strings.Split(prefix, "/"), strings.Split(folder, "/")
		for n := 1; n <= len(folders) && folder != ""; n++ {
			if matchPath(segments, folders[:n]) {
				return true
			}
		}
	}
	return false
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
func matchPath(pattern, name []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for i := 0; i <= len(name); i++ {
				if matchPath(pattern[1:], name[i:]) {
					return true
				}
			}
			return false
		}
		if len(name) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], name[0]); err != nil || !ok {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}
