package debian

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

// packages is a chooser over what packages have, by their names.
func packages(all map[string]map[string]File) *chooser {
	c := &chooser{owner: map[string]int{}, chosen: map[string]File{}, used: map[int]bool{}, libraries: []string{"usr/lib/x86_64-linux-gnu", "usr/lib"}}
	for name, files := range all {
		for path := range files {
			c.owner[path] = len(c.packages)
		}
		c.packages = append(c.packages, unpacked{Package: Package{Name: name, Version: "1"}, files: files})
	}
	return c
}

func link(to string) File { return File{Mode: fs.ModeSymlink | 0o777, Link: to} }

func TestLinksAreFollowed(t *testing.T) {
	c := packages(map[string]map[string]File{
		"git":  {"usr/lib/git-core/git-remote-https": link("git-remote-http"), "usr/lib/git-core/git-remote-http": {Body: []byte("x")}},
		"libc": {"usr/lib64/ld.so": link("/lib/x86_64-linux-gnu/ld.so"), "usr/lib/x86_64-linux-gnu/ld.so": {Body: []byte("y")}},
		"loop": {"usr/a": link("b"), "usr/b": link("a"), "usr/gone": link("nowhere")},
	})
	require.NoError(t, c.take("usr/lib/git-core/git-remote-https"))
	require.NoError(t, c.take("usr/lib64/ld.so"))
	require.Len(t, c.chosen, 4)
	require.ErrorContains(t, c.take("usr/a"), "too many links")
	require.ErrorIs(t, c.take("usr/gone"), errNoPackage)
}

func TestLibraryThatNoPackageHas(t *testing.T) {
	c := packages(map[string]map[string]File{"git": {"usr/bin/git": {Body: []byte("#!/bin/sh\n")}}})
	require.ErrorIs(t, c.library("libcurl.so"), errNoPackage)
	require.ErrorContains(t, c.program("usr/bin/git"), "read usr/bin/git", "a script is no program")
}

func TestLicenceIsNeeded(t *testing.T) {
	c := packages(map[string]map[string]File{"git": {"usr/bin/git": {}}})
	require.NoError(t, c.take("usr/bin/git"))
	require.ErrorContains(t, c.about(), "has no licence")

	c = packages(map[string]map[string]File{
		"lib":  {"usr/lib/x": {}, "usr/share/doc/lib": link("base")},
		"base": {"usr/share/doc/base/copyright": {Body: []byte("free")}},
	})
	require.NoError(t, c.take("usr/lib/x"))
	require.NoError(t, c.about())
	require.Equal(t, "free", string(c.chosen["usr/share/doc/lib/copyright"].Body))
	require.NotContains(t, c.chosen, "usr/share/doc/base/copyright", "nothing else is taken of that package")
}

func TestAuthoritiesAreNeeded(t *testing.T) {
	c := packages(map[string]map[string]File{"ca-certificates": {authorities + "one.crt": {Body: []byte("-----BEGIN CERTIFICATE-----\n")}}})
	require.ErrorContains(t, c.bundle(), "only 1 certificate authorities")
}

func TestFoldersComeFirst(t *testing.T) {
	files := withFolders(map[string]File{"usr/bin/git": {Body: []byte("x")}, "tmp": {Mode: fs.ModeDir | fs.ModeSticky | 0o777}})
	var names []string
	for _, f := range files {
		names = append(names, f.Path)
	}
	require.Equal(t, []string{"tmp", "usr", "usr/bin", "usr/bin/git"}, names)
	require.Equal(t, fs.ModeDir|fs.ModeSticky|0o777, files[0].Mode)
}
