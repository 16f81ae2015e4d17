package clients

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// refusal is an error as octokit understood it.
type refusal struct {
	Name    string
	Status  int
	Message string
	Data    struct {
		Message string
		Docs    string `json:"documentation_url"`
		Errors  any
	}
	Headers map[string]string
}

// is requires that octokit recognised an answer of the API as such, with a status and a text.
func (r refusal) is(t *testing.T, status int, text string) {
	t.Helper()
	require.Equal(t, "HttpError", r.Name)
	require.Equal(t, status, r.Status, r.Message)
	require.Contains(t, r.Message, text)
	require.NotEmpty(t, r.Data.Docs)
}

func TestOctokitAuthenticatesAsApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(w.s.CreateRepository("acme", "other", standin.RepositoryOptions{}))(t)
	var got struct {
		Self struct {
			ID            int64
			Slug, Owner   string
			Permissions   map[string]string
			Events        []string
			Installations int
		}
		Installations []struct {
			ID      int64
			Account string
		}
		Repositories []string
		Found        []int64
		OfUser       refusal
		Revoked      struct {
			Status int
			After  refusal
		}
		Token struct {
			Prefix, Selection string
			Expires           time.Time
			Permissions       map[string]string
			Cached            bool
		}
		Narrow struct {
			Permissions  map[string]string
			Selection    string
			Repositories []string
		}
		Denied, Unlisted refusal
		ByClientID       int64
	}
	w.octokit("authenticate", nil).result(&got)
	require.Equal(t, w.app.ID, got.Self.ID)
	require.Equal(t, "gatekeeper acme 1", strings.Join([]string{got.Self.Slug, got.Self.Owner, strconv.Itoa(got.Self.Installations)}, " "))
	require.Equal(t, []string{"check_run", "issue_comment", "pull_request", "pull_request_review", "push"}, got.Self.Events)
	require.Len(t, got.Installations, 1)
	require.Equal(t, w.installation, got.Installations[0].ID)
	require.Equal(t, []string{"acme/env"}, got.Repositories)
	require.Equal(t, []int64{w.installation, w.installation}, got.Found)
	got.OfUser.is(t, 404, "Not Found")
	require.Equal(t, 204, got.Revoked.Status)
	got.Revoked.After.is(t, 401, "Bad credentials")
	require.Equal(t, "ghs_", got.Token.Prefix)
	require.True(t, got.Token.Cached)
	require.Equal(t, "selected", got.Token.Selection)
	require.WithinDuration(t, time.Now().Add(time.Hour), got.Token.Expires, clientTime)
	require.Equal(t, got.Self.Permissions, got.Token.Permissions)
	require.Equal(t, map[string]string{"checks": "write", "metadata": "read"}, got.Narrow.Permissions)
	require.Equal(t, []string{"env"}, got.Narrow.Repositories)
	got.Denied.is(t, 403, "Resource not accessible by integration")
	require.Equal(t, "pull_requests=read", got.Denied.Headers["x-accepted-github-permissions"])
	got.Unlisted.is(t, 422, "does not exist or is not accessible")
	require.Equal(t, w.app.ID, got.ByClientID)
	require.Equal(t, 3, w.s.CountCalls("api", "POST /app/installations/"), "full once, narrow and unlisted")
}

func TestOctokitIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	var got struct {
		Before                                                string
		Strange, Unknown, Person, Absent, Wrong, Hidden, Gone refusal
	}
	n := w.octokit("refused", map[string]any{
		"otherKey": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(other)})),
	})
	n.step("uninstall", nil)
	require.NoError(t, w.s.Uninstall(w.installation))
	n.reply(nil)
	n.result(&got)
	require.Equal(t, "acme/env", got.Before)
	got.Strange.is(t, 401, "A JSON web token could not be decoded")
	got.Unknown.is(t, 404, "Integration not found")
	got.Person.is(t, 401, "A JSON web token could not be decoded")
	got.Absent.is(t, 404, "Not Found")
	got.Wrong.is(t, 401, "Bad credentials")
	got.Hidden.is(t, 404, "Not Found")
	got.Gone.is(t, 401, "Bad credentials")
}

// TestOctokitAllowsForClocks runs the stand-in on another time than the client. Octokit knows GitHub's
// refusals of such tokens by their texts, and GitHub's time by the Date header.
func TestOctokitAllowsForClocks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ahead time.Duration
		claim string
	}{
		"GitHub is behind": {-30 * time.Minute, "30 minutes"},
		"GitHub is ahead":  {30 * time.Minute, "30 minutes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *standin.Options) { o.Now = func() time.Time { return time.Now().Add(c.ahead) } })
			var got struct {
				Slug     string
				Warnings []string
			}
			w.octokit("skew", nil).result(&got)
			require.Equal(t, "gatekeeper", got.Slug)
			require.NotEmpty(t, got.Warnings)
			calls := w.s.Calls()
			require.Equal(t, []int{401, 200}, []int{calls[0].Status, calls[1].Status})
		})
	}
}

func TestOctokitFollowsARename(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	n := w.octokit("renamed", map[string]any{"number": opened.Number})
	n.step("rename", nil)
	require.NoError(t, w.s.RenameRepository("acme/env", "environments"))
	n.reply(nil)
	var got struct {
		Before, After, URL, Comment string
		Merged                      bool
		Manual                      struct {
			Status   int
			Location string
			Data     struct{ Message, URL string }
		}
	}
	n.result(&got)
	require.Equal(t, "acme/env acme/environments", got.Before+" "+got.After)
	byID := w.s.APIURL() + "repositories/" + strconv.FormatInt(w.repo.ID, 10)
	require.Equal(t, byID+"/pulls/1", got.URL)
	require.Contains(t, got.Comment, "/acme/environments/pull/1#issuecomment-")
	require.True(t, got.Merged)
	require.Equal(t, 301, got.Manual.Status)
	require.Equal(t, byID, got.Manual.Location)
	require.Equal(t, "Moved Permanently", got.Manual.Data.Message)
	require.Equal(t, byID, got.Manual.Data.URL)
	comments := must(w.s.Comments("acme/environments", opened.Number))(t)
	require.Len(t, comments, 1, "the body went along")
	require.Equal(t, "gatekeeper[bot]", comments[0].Author)
	require.True(t, must(w.s.Pull("acme/environments", opened.Number))(t).Merged)
}
