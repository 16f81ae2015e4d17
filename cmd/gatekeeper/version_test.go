package main

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionOf(t *testing.T) {
	checkout := &debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-20260102030405-0123456789ab"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	machine := runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	for _, tt := range []struct {
		name                string
		info                *debug.BuildInfo
		version, commit, at string
		want                string
		dirty               bool
	}{
		{"a release", nil, "v1.2.3", "abc", "2026-05-06T09:08:09+02:00", "gatekeeper v1.2.3 commit abc of 2026-05-06T07:08:09Z " + machine, false},
		{"go build in a checkout", checkout, "", "", "", "gatekeeper v0.0.0-20260102030405-0123456789ab commit 0123456789abcdef of 2026-01-02T03:04:05Z with changes " + machine, true},
		{"git describe said dirty", nil, "v1.2.3-1-gabc-dirty", "abc", "", "gatekeeper v1.2.3-1-gabc-dirty commit abc with changes " + machine, true},
		{"the linker's commit is not mixed with the checkout's", checkout, "v1.2.3", "abc", "", "gatekeeper v1.2.3 commit abc " + machine, false},
		{"go install", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "", "", "", "gatekeeper v1.2.3 " + machine, false},
		{"nothing known", nil, "", "", "", "gatekeeper (devel) " + machine, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := versionOf(tt.info, tt.version, tt.commit, tt.at)
			require.Equal(t, tt.want, v.text())
			require.Equal(t, tt.dirty, v.Dirty)
		})
	}
}
