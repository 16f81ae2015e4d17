package contract

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/contract/wanted"
)

// TestEverythingCompiles keeps a schema that cannot be used from being found by a test that needs it.
func TestEverythingCompiles(t *testing.T) {
	p, err := read()
	require.NoError(t, err)
	compiles := func(of string, s *schema) {
		if s == nil {
			return
		}
		_, err := s.compile()
		require.NoError(t, err, of)
	}
	for _, o := range p.operations {
		compiles(o.String(), o.body)
		compiles(o.String(), o.otherError)
		for _, s := range o.query {
			compiles(o.String(), s)
		}
		for _, param := range o.params {
			compiles(o.String(), param.schema)
		}
		for status, a := range o.answers {
			compiles(o.String()+" "+status, a.body)
		}
	}
	for id, s := range p.events {
		compiles(id, s)
	}
}

// TestFilesMatchTheList fails when the list was changed without make contracts.
func TestFilesMatchTheList(t *testing.T) {
	list, err := wanted.Read()
	require.NoError(t, err)
	p, err := read()
	require.NoError(t, err)
	var operations []wanted.Operation
	for _, o := range p.operations {
		operations = append(operations, wanted.Operation{Method: o.Method, Path: o.Path})
	}
	require.ElementsMatch(t, list.Operations, operations)
	require.Len(t, p.events, len(list.Events))
	c, err := New()
	require.NoError(t, err)
	for _, e := range list.Events {
		found, ok := c.event(e.Name, e.Action)
		require.True(t, ok, "%s %s", e.Name, e.Action)
		require.NotNil(t, found)
	}
}

// TestSources fails when the files come from other packages than the ones the documentation names.
func TestSources(t *testing.T) {
	c, err := New()
	require.NoError(t, err)
	api, hooks := c.Sources()
	require.Equal(t, Source{Package: "@octokit/openapi", Version: "23.0.2", Licence: "MIT, see LICENSE.octokit",
		SHA256: api.SHA256}, api)
	require.Equal(t, Source{Package: "@octokit/openapi-webhooks", Version: "12.1.0", Licence: "MIT, see LICENSE.octokit",
		SHA256: hooks.SHA256}, hooks)
	require.Regexp(t, "^[0-9a-f]{64}$", api.SHA256)
	require.Regexp(t, "^[0-9a-f]{64}$", hooks.SHA256)
	licence, err := os.ReadFile("LICENSE.octokit")
	require.NoError(t, err)
	require.Contains(t, string(licence), "MIT")
	require.Contains(t, string(licence), "Copyright")
}

// TestFilesStaySmall keeps the descriptions from growing into something nobody would review.
func TestFilesStaySmall(t *testing.T) {
	var total int64
	for _, name := range []string{"api.json", "webhooks.json", "LICENSE.octokit", "wanted/wanted.txt"} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		total += info.Size()
	}
	require.Less(t, total, int64(600_000))
}

// TestAmendments fails for an amendment that does not do what it says, or that names nothing.
func TestAmendments(t *testing.T) {
	p, err := read()
	require.NoError(t, err)
	tolerated := p.compiler.tolerated
	require.Len(t, tolerated, len(amendments()))
	for _, a := range amendments() {
		require.True(t, tolerated.has(a.sample), a.where)
		require.Regexp(t, `^20\d\d-\d\d-\d\d: `, a.reason)
		c, err := New()
		require.NoError(t, err)
		words := strings.Fields(a.sample.Of)
		if words[0] == "event" {
			_, ok := c.event(words[1], words[2])
			require.True(t, ok, a.sample.Of)
		} else {
			require.NotNil(t, c.Operation(words[0], words[1]), a.sample.Of)
		}
	}
	require.False(t, tolerated.has(Violation{Unknown, "GET /app", "status 200 body /status", undocumented}))
	require.False(t, tolerated.has(Violation{Wrong, "GET /app", "status 404 body /status", "is number, not string"}))
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		_, err := read()
		require.NoError(b, err)
	}
}
