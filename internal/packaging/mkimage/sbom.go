package main

import (
	"debug/buildinfo"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/packaging/sbom"
)

// list prints what a program of any platform is made of.
func list(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	flags.SetOutput(stderr)
	program := flags.String("program", "", "file of gatekeeper")
	tag := flags.String("tag", "", "its version")
	commit := flags.String("commit", "", "full hash of the commit that it was built from")
	at := flags.String("created", "", "time of that commit (RFC 3339)")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read the arguments: %w", err)
	}
	if *program == "" || *tag == "" || *commit == "" || flags.NArg() > 0 {
		return fmt.Errorf("-program, -tag, -commit and -created are needed, and nothing else: %w", errUsage)
	}
	created, err := time.Parse(time.RFC3339, *at)
	if err != nil {
		return fmt.Errorf("read -created: %w", err)
	}
	info, err := buildinfo.ReadFile(*program)
	if err != nil {
		return fmt.Errorf("read how %s was built: %w", *program, err)
	}
	document, err := sbom.Document(sbom.Subject{Version: *tag, Commit: *commit, Created: created, Program: info})
	if err != nil {
		return fmt.Errorf("list what is in %s: %w", *program, err)
	}
	_, err = stdout.Write(document)
	return err
}
