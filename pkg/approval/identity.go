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

// isSHA is asked for every object of a line, so it makes no error, and looks at
// eight digits at once.
func isSHA(s SHA) bool {
	const high = 0x8080808080808080
	return len(s) == 40 && digits(s[:8])&digits(s[8:16])&digits(s[16:24])&digits(s[24:32])&digits(s[32:40])&high == high
}

// digits sets the high bit of a byte for each of eight characters that is a digit.
// The other bits mean nothing. A byte below 0x80 has its high bit set after 0x80-c
// was added exactly when it was c or more, and nothing is carried into the next one.
// A digit has passed one or three of the four bounds, anything else an even number.
func digits(s SHA) uint64 {
	const each = 0x0101010101010101
	word := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	return ((word + (0x80-'0')*each) ^ (word + (0x80-'9'-1)*each) ^ (word + (0x80-'a')*each) ^ (word + (0x80-'f'-1)*each)) &^ word
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
func (r RepositoryName) Equal(o RepositoryName) bool {
	return r == o || strings.EqualFold(string(r), string(o))
}

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
