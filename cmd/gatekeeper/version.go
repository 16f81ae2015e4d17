package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Set at build time with -ldflags "-X main.version=v1.2.3". What is not set is
// taken from what go build records of the module and the git checkout; a build
// without a checkout, as in a Dockerfile, sets all three. commitTime is RFC 3339.
var version, commit, commitTime string

type versionInfo struct {
	Version string `json:"version"`
	// Commit is empty when the program was built outside a git checkout.
	Commit     string `json:"commit,omitempty"`
	CommitTime string `json:"commitTime,omitempty"`
	// Dirty: something was changed after the commit.
	Dirty    bool   `json:"dirty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func currentVersion() versionInfo {
	info, _ := debug.ReadBuildInfo()
	return versionOf(info, version, commit, commitTime)
}

// versionOf puts together what the linker was told and what go build recorded.
// info is nil where it recorded nothing.
func versionOf(info *debug.BuildInfo, version, commit, commitTime string) versionInfo {
	v := versionInfo{Version: version, Commit: commit, CommitTime: commitTime, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info != nil {
		if v.Version == "" {
			v.Version = info.Main.Version
		}
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		// Either the linker was told of the commit, or go build knows all of it: a mix
		// would say something of one commit with another's name.
		if v.Commit == "" && v.CommitTime == "" {
			v.Commit, v.CommitTime = settings["vcs.revision"], settings["vcs.time"]
		}
		v.Dirty = v.Commit == settings["vcs.revision"] && settings["vcs.modified"] == "true"
	}
	if strings.HasSuffix(v.Version, "-dirty") || strings.HasSuffix(v.Version, "+dirty") {
		v.Dirty = true
	}
	// Everybody prints one form, whoever wrote it.
	if t, err := time.Parse(time.RFC3339, v.CommitTime); err == nil {
		v.CommitTime = t.UTC().Format(time.RFC3339)
	}
	if v.Version == "" {
		v.Version = "(devel)"
	}
	return v
}

func (v versionInfo) text() string {
	line := []string{"gatekeeper", v.Version}
	if v.Commit != "" {
		line = append(line, "commit", v.Commit)
	}
	if v.CommitTime != "" {
		line = append(line, "of", v.CommitTime)
	}
	if v.Dirty {
		line = append(line, "with changes")
	}
	return strings.Join(append(line, v.Go, v.Platform), " ")
}

func versionCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v := currentVersion()
			switch output {
			case "json":
				e := json.NewEncoder(c.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(v)
			case "text":
				_, err := fmt.Fprintln(c.OutOrStdout(), v.text())
				return err
			default:
				return fmt.Errorf("--output %q is not text or json: %w", output, errUsage)
			}
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return c
}
