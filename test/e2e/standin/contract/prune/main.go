// Command prune cuts GitHub's published descriptions down to what the stand-in is checked against:
//
//	prune -openapi octokit-openapi-23.0.2.tgz -webhooks octokit-openapi-webhooks-12.1.0.tgz -out test/e2e/standin/contract
//
// The two files are the npm packages @octokit/openapi and @octokit/openapi-webhooks as they are
// published; make contracts fetches them. What is kept is listed in contract/wanted. The same packages
// and list give the same files.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("prune", flag.ContinueOnError)
	flags.SetOutput(stderr)
	openapi := flags.String("openapi", "", "package file of @octokit/openapi")
	webhooks := flags.String("webhooks", "", "package file of @octokit/openapi-webhooks")
	out := flags.String("out", "", "folder to write api.json, webhooks.json and LICENSE.octokit to")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *openapi == "" || *webhooks == "" || *out == "" || flags.NArg() > 0 {
		flags.Usage()
		return 2
	}
	if err := prune(*openapi, *webhooks, *out, stdout); err != nil {
		_, _ = fmt.Fprintln(stderr, "prune:", err)
		return 1
	}
	return 0
}

func prune(openapi, webhooks, out string, stdout io.Writer) error {
	api, err := readPackage(openapi, "@octokit/openapi")
	if err != nil {
		return err
	}
	hooks, err := readPackage(webhooks, "@octokit/openapi-webhooks")
	if err != nil {
		return err
	}
	if api.licence != hooks.licence {
		return errors.New("the two packages have different licence texts: both must be kept")
	}
	files, err := cut(api, hooks)
	if err != nil {
		return err
	}
	files["LICENSE.octokit"] = []byte(api.licence)
	for _, name := range []string{"api.json", "webhooks.json", "LICENSE.octokit"} {
		if err := os.WriteFile(filepath.Join(out, name), files[name], 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if _, err := fmt.Fprintf(stdout, "%s: %d bytes\n", name, len(files[name])); err != nil {
			return fmt.Errorf("print the size of %s: %w", name, err)
		}
	}
	return nil
}
