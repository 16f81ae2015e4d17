package approval_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const fullSHA = "0123456789abcdef0123456789abcdef01234567"

func TestParseSHA(t *testing.T) {
	got, err := approval.ParseSHA(fullSHA)
	require.NoError(t, err)
	require.Equal(t, approval.SHA(fullSHA), got)
	require.Equal(t, "0123456", got.Short())

	for _, s := range []string{
		"", "0123456", fullSHA[:39], fullSHA + "0", strings.ToUpper(fullSHA), "HEAD", "main", " " + fullSHA[1:], fullSHA[:39] + "g",
		fullSHA + "\n", strings.Repeat("é", 20), strings.Repeat("0", 64), fullSHA[:38] + "~1",
	} {
		got, err := approval.ParseSHA(s)
		require.Error(t, err, s)
		require.Empty(t, got, s)
	}
	require.Equal(t, "abc", approval.SHA("abc").Short())
}

func TestParseNames(t *testing.T) {
	for _, s := range []string{"acme/deploy", "Acme-1/de.ploy_2", "a/b", "a/.github"} {
		name, err := approval.ParseRepositoryName(s)
		require.NoError(t, err, s)
		require.Equal(t, s, name.Owner()+"/"+name.Name())
		require.True(t, name.Equal(approval.RepositoryName(strings.ToUpper(s))))

		team, err := approval.ParseTeamName(s)
		require.NoError(t, err, s)
		require.Equal(t, s, team.Organization()+"/"+team.Slug())
	}
	for _, s := range []string{
		"", "acme", "/deploy", "acme/", "acme/deploy/x", "acme//x", "../deploy", "acme/..", "acme/.", "acme/de ploy", "acme/de%2fploy",
		"acme/deploy?x", "acme/deploy#x", "acme/deploy\n", "acmé/deploy", "acme/" + strings.Repeat("x", 101), `acme\deploy`,
	} {
		name, err := approval.ParseRepositoryName(s)
		require.Error(t, err, s)
		require.Empty(t, name)
		team, err := approval.ParseTeamName(s)
		require.Error(t, err, s)
		require.Empty(t, team)
	}
	require.False(t, approval.RepositoryName("acme/deploy").Equal("acme/deploy2"))
}

var (
	wellFormedSHA  = regexp.MustCompile(`\A[0-9a-f]{40}\z`)
	wellFormedName = regexp.MustCompile(`\A[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}\z`)
)

func FuzzParseSHA(f *testing.F) {
	f.Add(fullSHA)
	f.Add("main")
	f.Add(strings.Repeat("é", 20))
	f.Fuzz(func(t *testing.T, s string) {
		got, err := approval.ParseSHA(s)
		require.Equal(t, wellFormedSHA.MatchString(s), err == nil, "%q", s)
		if err == nil {
			require.Equal(t, s, string(got))
		} else {
			require.Empty(t, got)
		}
		require.LessOrEqual(t, len(approval.SHA(s).Short()), 7)
	})
}

func FuzzParseRepositoryName(f *testing.F) {
	for _, s := range []string{"acme/deploy", "acme/..", "a/b/c", "a/", "../x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		owner, name, _ := strings.Cut(s, "/")
		dots := owner == "." || owner == ".." || name == "." || name == ".."
		want := wellFormedName.MatchString(s) && !dots

		got, err := approval.ParseRepositoryName(s)
		require.Equal(t, want, err == nil, "%q", s)
		_, err = approval.ParseTeamName(s)
		require.Equal(t, want, err == nil, "%q", s)
		if want {
			require.Equal(t, s, got.Owner()+"/"+got.Name())
		} else {
			require.Empty(t, got)
		}
	})
}
