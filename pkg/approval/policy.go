package approval

import "strings"

// Policy is one gate: what it protects and what must hold there.
type Policy struct {
	Gate string `json:"gate"`
	// Applications select what the gate protects; one match is enough. An empty
	// list protects nothing and is refused when a configuration is loaded.
	Applications []Selector            `json:"applications"`
	Repositories []ProtectedRepository `json:"repositories"`
	// Config is the quorum of every change that is not provably image-only.
	Config Quorum `json:"config"`
	// Image is what must hold before images move; nil when the gate takes such a
	// change for one of configuration.
	Image *ImagePolicy `json:"image,omitempty"`
	// DistinctApprovers lets one person fill only one requirement.
	DistinctApprovers bool `json:"distinctApprovers,omitempty"`
	// Checks must have succeeded on the reviewed head of every change in scope.
	Checks  []RequiredCheck `json:"checks,omitempty"`
	Exclude Exclusions      `json:"exclude,omitzero"`
	Veto    Veto            `json:"veto,omitzero"`
	// ApprovedSpec asks that the Application's spec was adopted, or is what an
	// approved commit says.
	ApprovedSpec bool `json:"approvedSpec,omitempty"`
	// Windows are when syncs are allowed and denied.
	Windows []Window `json:"windows,omitempty"`
	// Sync says what others than Gatekeeper may ask of Argo CD.
	Sync SyncRules `json:"sync,omitzero"`
	// Holders may hold and release by a comment; empty means whoever may approve.
	Holders Named `json:"holders,omitzero"`
	// Adopters may adopt specs by a comment; empty means nobody.
	Adopters Named `json:"adopters,omitzero"`
	// BreakGlass is nil for a gate that nobody may override.
	BreakGlass *BreakGlass `json:"breakGlass,omitempty"`
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

// Protects says whether the gate covers the Application.
func (p Policy) Protects(a Application) bool {
	for _, s := range p.Applications {
		if s.matches(&a) {
			return true
		}
	}
	return false
}

// matches takes what is not known for a match, since it could be what is
// protected: an Application may name its cluster instead of its server, and
// without a destination namespace its manifests name their own.
func (s Selector) matches(a *Application) bool {
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
	part, pattern, more := strings.Cut(pattern, "*")
	if !more {
		return part == s
	}
	if !strings.HasPrefix(s, part) {
		return false
	}
	s = s[len(part):]
	for {
		if part, pattern, more = strings.Cut(pattern, "*"); !more {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
}

// Repository finds the protected repository by name.
func (p Policy) Repository(name RepositoryName) (ProtectedRepository, bool) {
	if r := p.protected(name); r != nil {
		return *r, true
	}
	return ProtectedRepository{}, false
}

// protected is the protected repository of that name, nil when there is none.
func (p *Policy) protected(name RepositoryName) *ProtectedRepository {
	for i := range p.Repositories {
		if r := &p.Repositories[i]; r.Name.Equal(name) {
			return r
		}
	}
	return nil
}
