package signature

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestGitHubTrust(t *testing.T) {
	alice, web := entity(t, "alice"), entity(t, "github")
	user := approval.User{ID: 7, Login: "alice", Type: approval.UserTypePerson}
	g, err := NewGitHubTrust([]approval.User{user}, []string{fingerprint(web.PrimaryKey)})
	require.NoError(t, err)
	p := payload("github")
	good := withHeader(p, "gpgsig", sign(t, alice, p))
	byGitHub := withHeader(p, "gpgsig", sign(t, web, p))
	named := forge{version: 4, algo: algoEdDSA, hash: 8, hashed: slices.Concat(createdAt(signed), issuerOf(alice)), unhashed: keyIDOf(web)}
	merged := strings.Replace(p, "committer Alice <alice@example.com>", "committer GitHub <noreply@GitHub.com>", 1)
	says := GitHubSays{Verified: true, Reason: "valid", Signer: user, Committer: user}
	for name, c := range map[string]struct {
		object string
		change func(*GitHubSays)
		want   State
	}{
		"valid":                           {good, func(*GitHubSays) {}, Trusted},
		"renamed account":                 {good, func(s *GitHubSays) { s.Signer.Login = "alice2" }, Trusted},
		"login taken over":                {good, func(s *GitHubSays) { s.Signer.ID = 8 }, UntrustedKey},
		"by somebody else":                {good, func(s *GitHubSays) { s.Signer = approval.User{ID: 8, Login: "mallory"} }, UntrustedKey},
		"nobody named":                    {good, func(s *GitHubSays) { s.Signer, s.Committer = approval.User{}, approval.User{} }, Unknown},
		"REST, which names the committer": {good, func(s *GitHubSays) { s.Signer = approval.User{} }, Trusted},
		"another committer, in REST":      {good, func(s *GitHubSays) { s.Signer, s.Committer = approval.User{}, approval.User{ID: 8, Login: "alice"} }, UntrustedKey},
		"signer without a number":         {good, func(s *GitHubSays) { s.Signer = approval.User{Login: "alice"} }, Unknown},
		"GitHub's key":                    {byGitHub, func(*GitHubSays) {}, UntrustedKey},
		"GitHub says that it signed":      {good, func(s *GitHubSays) { s.SignedByGitHub = true }, UntrustedKey},
		"committer web-flow":              {good, func(s *GitHubSays) { s.Committer.Login = "Web-Flow" }, UntrustedKey},
		"signer web-flow":                 {good, func(s *GitHubSays) { s.Signer.Login = "web-flow" }, UntrustedKey},
		"committer's address":             {withHeader(merged, "gpgsig", sign(t, alice, merged)), func(*GitHubSays) {}, UntrustedKey},
		"two keys named":                  {withHeader(p, "gpgsig", armorOf(t, pgpSignature, newFormat(tagSignature, named.body(t, alice, p)))), func(*GitHubSays) {}, Malformed},
		"not verified":                    {good, func(s *GitHubSays) { s.Verified = false }, Invalid},
		"nothing said":                    {good, func(s *GitHubSays) { *s = GitHubSays{Commit: s.Commit} }, Invalid},
		"verified for another reason":     {good, func(s *GitHubSays) { s.Reason = "bad_email" }, Invalid},
		"not verified, but valid":         {good, func(s *GitHubSays) { s.Verified = false; s.Reason = "valid" }, Invalid},
		"expired":                         {good, func(s *GitHubSays) { s.Verified, s.Reason = false, "expired_key" }, Expired},
		"could not be verified":           {good, func(s *GitHubSays) { s.Reason = "gpgverify_unavailable" }, Unknown},
		"about another commit":            {good, func(s *GitHubSays) { s.Commit = nameOf(p) }, Unknown},
		"unsigned":                        {p, func(*GitHubSays) {}, Unsigned},
		"signed twice":                    {withHeader(good, "gpgsig", sign(t, alice, p)), func(*GitHubSays) {}, Malformed},
		"X.509, which GitHub verified":    {withHeader(p, "gpgsig", "-----BEGIN SIGNED MESSAGE-----\nMAA=\n-----END SIGNED MESSAGE-----\n"), func(*GitHubSays) {}, Trusted},
		"unknown kind":                    {withHeader(p, "gpgsig", "hello"), func(*GitHubSays) {}, Malformed},
		"damaged":                         {withHeader(p, "gpgsig", "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----"), func(*GitHubSays) {}, Malformed},
	} {
		s := says
		s.Commit = nameOf(c.object)
		c.change(&s)
		v := g.Judge(nameOf(c.object), []byte(c.object), s)
		require.Equal(t, c.want.String(), v.State.String(), "%s: %s", name, v.Detail)
		if v.Trusted() {
			require.Equal(t, "alice", v.Signer, name)
			require.Equal(t, "GitHub says that alice signed it", v.Detail)
		}
	}
	v := g.Judge(nameOf(p), []byte(good), says)
	require.Equal(t, Malformed, v.State, "bytes of another commit")

	for want, c := range map[string]struct {
		users []approval.User
		keys  []string
	}{
		"give 1 to":                     {nil, PublishedWebFlowKeys()},
		`"" is no account`:              {[]approval.User{{ID: 3}}, PublishedWebFlowKeys()},
		`"promoter" is no account`:      {[]approval.User{{ID: 3, Login: "promoter", Type: "Bot"}}, PublishedWebFlowKeys()},
		`"promoter[bot]" is no account`: {[]approval.User{{Login: "promoter[bot]"}}, PublishedWebFlowKeys()},
		`"web-flow" is no account`:      {[]approval.User{{ID: 19864447, Login: "web-flow", Type: "User"}}, PublishedWebFlowKeys()},
		"no key of GitHub is given":     {[]approval.User{user}, nil},
		`"EEBB952194" is no ID`:         {[]approval.User{user}, []string{"EEBB952194"}},
	} {
		_, err := NewGitHubTrust(c.users, c.keys)
		require.ErrorContains(t, err, want)
	}
	// By login alone.
	g, err = NewGitHubTrust([]approval.User{{Login: "ALICE"}}, PublishedWebFlowKeys())
	require.NoError(t, err)
	says.Commit = nameOf(good)
	require.Equal(t, "ALICE", g.Judge(says.Commit, []byte(good), says).Signer)
	says.Signer.Login = "alice2"
	require.Equal(t, UntrustedKey, g.Judge(says.Commit, []byte(good), says).State)
	// The keys that GitHub publishes.
	for _, id := range PublishedWebFlowKeys() {
		raw, err := hex.DecodeString(id)
		require.NoError(t, err)
		f := forge{version: 4, algo: algoEdDSA, hash: 8, hashed: createdAt(signed), unhashed: sub(subIssuer, raw...)}
		object := withHeader(p, "gpgsig", armorOf(t, pgpSignature, newFormat(tagSignature, f.body(t, alice, p))))
		says := GitHubSays{Commit: nameOf(object), Verified: true, Reason: "valid", Signer: user, Committer: user}
		v := g.Judge(says.Commit, []byte(object), says)
		require.Equal(t, UntrustedKey, v.State)
		require.Equal(t, id, v.Key)
	}
}
