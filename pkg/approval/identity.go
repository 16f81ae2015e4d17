package approval

import (
	"fmt"
	"strings"
)

// SHA is the full name of a git object: 40 lower-case hexadecimal digits.
// The zero SHA names nothing.
type SHA string

// ParseSHA accepts a full object name and nothing shorter. Abbreviations,
// branches and ranges are refused because Argo CD would resolve them at
// another time than we do.
func ParseSHA(s string) (SHA, error) {
	if !isSHA(SHA(s)) {
		return "", fmt.Errorf("%q is not a full commit SHA (40 lower-case hexadecimal digits)", s)
	}
	return SHA(s), nil
}

// isSHA is asked for every object of a line, so it makes no error.
func isSHA(s SHA) bool {
	if len(s) != 40 {
		return false
	}
	for i := range 40 {
		if c := s[i]; c-'0' > 9 && c-'a' > 5 { // both wrap around below
			return false
		}
	}
	return true
}

// Short is the seven-digit form that people read.
func (s SHA) Short() string {
	if len(s) < 7 {
		return string(s)
	}
	return string(s[:7])
}

// RepositoryName is "owner/name" as GitHub spells it. Names are compared
// without regard to case; the numeric ID in Line is the identity.
type RepositoryName string

// ParseRepositoryName refuses everything that could change the path of an API
// request: go-github v60 builds paths from these parts without escaping "..".
func ParseRepositoryName(s string) (RepositoryName, error) {
	owner, name, ok := strings.Cut(s, "/")
	if !ok || !validNamePart(owner) || !validNamePart(name) {
		return "", fmt.Errorf("%q is not a repository name of the form owner/name", s)
	}
	return RepositoryName(s), nil
}

func validNamePart(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > 100 {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
		default:
			return false
		}
	}
	return true
}

// Owner is the part before the slash.
func (r RepositoryName) Owner() string { owner, _, _ := strings.Cut(string(r), "/"); return owner }

// Name is the part after the slash.
func (r RepositoryName) Name() string { _, name, _ := strings.Cut(string(r), "/"); return name }

// Equal compares as GitHub does, without regard to case.
func (r RepositoryName) Equal(o RepositoryName) bool { return strings.EqualFold(string(r), string(o)) }

// TeamName is "org/slug".
type TeamName string

// ParseTeamName checks the form "org/slug".
func ParseTeamName(s string) (TeamName, error) {
	org, slug, ok := strings.Cut(s, "/")
	if !ok || !validNamePart(org) || !validNamePart(slug) {
		return "", fmt.Errorf("%q is not a team of the form org/slug", s)
	}
	return TeamName(s), nil
}

// Organization is the part before the slash.
func (t TeamName) Organization() string { org, _, _ := strings.Cut(string(t), "/"); return org }

// Slug is the part after the slash.
func (t TeamName) Slug() string { _, slug, _ := strings.Cut(string(t), "/"); return slug }

// UserID is GitHub's numeric account ID. Logins can be renamed and registered
// again by somebody else, so people are compared by this number alone.
type UserID int64

// User is a GitHub account.
type User struct {
	ID    UserID `json:"id"`
	Login string `json:"login"`
	// Type is GitHub's account type: "User", "Bot" or "Organization". Only a
	// User's review can count.
	Type string `json:"type"`
}

// UserTypePerson is GitHub's type of a person's account.
const UserTypePerson = "User"
