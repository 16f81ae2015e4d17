package registry

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNotListed: what is not listed is not connected to.
func TestNotListed(t *testing.T) {
	w := newWorld(t, true)
	elsewhere := newWorld(t, true)
	d := w.image("1")
	elsewhere.image("1")
	keys := newSigner().keys(t, "x")
	w.forget()
	elsewhere.forget()

	client := w.newClient(func(o *Options) { o.Registries[0].Repositories = []string{"acme/other", "team/*"} })
	for _, repo := range []string{w.repo(), w.host + "/team/a/b", w.host + "/team", elsewhere.repo(), "nginx", "localhost/app", "169.254.169.254/app"} {
		_, err := client.Resolve(t.Context(), repo+":1")
		require.Equal(t, ReasonNotListed, reasonOf(t, err), repo)
		res := client.Verify(t.Context(), repo, d, keys)
		require.Equal(t, ReasonNotListed, res.Reason, repo)
		require.Equal(t, StateRefused, res.State)
		require.Equal(t, ReasonNotListed, client.Recheck(t.Context(), repo+":1", d, keys).Reason)
	}
	require.Empty(t, w.asked())
	require.Empty(t, elsewhere.asked())
}

func TestPatterns(t *testing.T) {
	for pattern, c := range map[string]struct{ yes, no []string }{
		"acme/app":    {[]string{"acme/app"}, []string{"acme/app/x", "acme/application", "x/acme/app", "acme"}},
		"acme/*":      {[]string{"acme/app", "acme/x"}, []string{"acme", "acme/a/b", "acmee/app"}},
		"acme/app-*":  {[]string{"acme/app-x"}, []string{"acme/app", "acme/app-x/y"}},
		"acme/**":     {[]string{"acme/app", "acme/a/b/c"}, []string{"acme", "acmee/a", "x/acme/a"}},
		"acme/*/x/**": {[]string{"acme/a/x/y", "acme/b/x/y/z"}, []string{"acme/a/x", "acme/a/y/z"}},
		"**":          {[]string{"a", "a/b/c"}, nil},
	} {
		l, err := newListing(Registry{Host: "ghcr.io", Repositories: []string{pattern}})
		require.NoError(t, err, pattern)
		for _, p := range c.yes {
			require.True(t, l.allows(p), "%s %s", pattern, p)
		}
		for _, p := range c.no {
			require.False(t, l.allows(p), "%s %s", pattern, p)
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	good := Registry{Host: "ghcr.io", Repositories: []string{"**"}}
	for name, o := range map[string]Options{
		"none":                  {},
		"no repositories":       {Registries: []Registry{{Host: "ghcr.io"}}},
		"twice":                 {Registries: []Registry{good, good}},
		"twice by another name": {Registries: []Registry{{Host: "docker.io", Repositories: []string{"**"}}, {Host: "index.docker.io", Repositories: []string{"**"}}}},
		"host with a path":      {Registries: []Registry{{Host: "ghcr.io/acme", Repositories: []string{"**"}}}},
		"host with a scheme":    {Registries: []Registry{{Host: "https://ghcr.io", Repositories: []string{"**"}}}},
		"upper case":            {Registries: []Registry{{Host: "GHCR.io", Repositories: []string{"**"}}}},
		"port":                  {Registries: []Registry{{Host: "ghcr.io:70000", Repositories: []string{"**"}}}},
		"plain HTTP elsewhere":  {Registries: []Registry{{Host: "registry.example.com", Repositories: []string{"**"}, Insecure: true}}},
		"plain HTTP by name":    {Registries: []Registry{{Host: "localhost:5000", Repositories: []string{"**"}, Insecure: true}}},
		"plain HTTP redirect":   {Registries: []Registry{{Host: "127.0.0.1:5000", Repositories: []string{"**"}, Insecure: true, Redirects: []string{"10.0.0.1"}}}},
		"pattern inside":        {Registries: []Registry{{Host: "ghcr.io", Repositories: []string{"a/**/b"}}}},
		"pattern glued":         {Registries: []Registry{{Host: "ghcr.io", Repositories: []string{"acme**"}}}},
		"pattern of a class":    {Registries: []Registry{{Host: "ghcr.io", Repositories: []string{"acme/[a-z]"}}}},
		"pattern upper case":    {Registries: []Registry{{Host: "ghcr.io", Repositories: []string{"Acme/app"}}}},
		"pattern empty":         {Registries: []Registry{{Host: "ghcr.io", Repositories: []string{""}}}},
		"negative":              {Registries: []Registry{good}, Timeout: -1},
	} {
		_, err := New(o)
		require.Error(t, err, name)
	}
	_, err := New(Options{Registries: []Registry{good}})
	require.NoError(t, err)
}

func TestAddresses(t *testing.T) {
	for s, want := range map[string]struct{ forbidden, public bool }{
		"140.82.121.33":          {false, true},
		"2606:50c0:8000::154":    {false, true},
		"10.1.2.3":               {false, false},
		"192.168.0.1":            {false, false},
		"172.16.0.1":             {false, false},
		"127.0.0.1":              {false, false},
		"::1":                    {false, false},
		"::ffff:127.0.0.1":       {false, false},
		"::ffff:10.0.0.1":        {false, false},
		"100.64.0.1":             {false, false},
		"198.18.0.1":             {false, false},
		"0.1.2.3":                {false, false},
		"255.255.255.255":        {false, false},
		"fd12::1":                {false, false},
		"64:ff9b::a00:1":         {false, false},
		"2002:a00:1::":           {false, false},
		"2001::1":                {false, false},
		"fec0::1":                {false, false},
		"169.254.169.254":        {true, false},
		"::ffff:169.254.169.254": {true, false},
		"fe80::1":                {true, false},
		"fe80::1%eth0":           {true, false},
		"fd00:ec2::254":          {true, false},
		"0.0.0.0":                {true, false},
		"::":                     {true, false},
		"224.0.0.1":              {true, false},
		"ff02::1":                {true, false},
	} {
		a := netip.MustParseAddr(s)
		require.Equal(t, want.forbidden, isForbidden(a), s)
		require.Equal(t, want.public, isPublic(a), s)
	}
}

// TestForbiddenAddress: a listed registry whose name is a metadata service's address
// is not connected to.
func TestForbiddenAddress(t *testing.T) {
	c, err := New(Options{Registries: []Registry{{Host: "169.254.169.254", Repositories: []string{"**"}}}})
	require.NoError(t, err)
	_, err = c.Resolve(t.Context(), "169.254.169.254/a:1")
	require.Equal(t, ReasonRedirect, reasonOf(t, err))
	require.ErrorIs(t, err, errAddress)
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory[int, string](3)
	for i := range 10 {
		m.put(i, strings.Repeat("x", i))
		m.put(i, "again")
		require.LessOrEqual(t, len(m.values), 3)
	}
	for i, want := range []bool{7: true, 8: true, 9: true} {
		v, ok := m.get(i)
		require.Equal(t, want, ok, i)
		require.Equal(t, want, v == "again", i)
	}
}

// TestMayAsk: to whom a registry may send us, before any connection is made.
func TestMayAsk(t *testing.T) {
	l, err := newListing(Registry{Host: "registry.example.com:5000", Repositories: []string{"**"}, Redirects: []string{"mirror.example.com"}})
	require.NoError(t, err)
	clear, err := newListing(Registry{Host: "127.0.0.1:5000", Repositories: []string{"**"}, Insecure: true})
	require.NoError(t, err)
	for _, c := range []struct {
		listing         *listing
		url             string
		manifest, other bool // whether it may be asked for manifests, and for blobs and tokens
	}{
		{l, "https://registry.example.com:5000/v2/a", true, true},
		{l, "https://mirror.example.com/v2/a", true, true},
		{l, "https://mirror.example.com:443/v2/a", true, true},
		{l, "https://MIRROR.example.com/v2/a", true, true},
		{l, "https://mirror.example.com:444/v2/a", false, true},
		{l, "https://registry.example.com/v2/a", false, true},
		{l, "https://cdn.example.net/x", false, true},
		{l, "http://registry.example.com:5000/v2/a", false, false},
		{l, "http://cdn.example.net/x", false, false},
		{l, "https://user@registry.example.com:5000/v2/a", false, false},
		{l, "https:///x", false, false},
		{clear, "http://127.0.0.1:5000/v2/a", true, true},
		{clear, "https://cdn.example.net/x", false, true},
		{clear, "http://127.0.0.1:5001/x", false, false},
		{clear, "http://cdn.example.net/x", false, false},
	} {
		u, err := url.Parse(c.url)
		require.NoError(t, err)
		require.Equal(t, c.manifest, c.listing.mayAsk(u, false) == nil, c.url)
		require.Equal(t, c.other, c.listing.mayAsk(u, true) == nil, c.url)
	}
}
