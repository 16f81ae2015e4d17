package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/argo-gatekeeper/gatekeeper/internal/packaging/oci"
)

func push(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("push", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("layout", "bin/image", "folder of the layout")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read the arguments: %w", err)
	}
	if flags.NArg() < 2 {
		return fmt.Errorf("a repository and at least one tag are needed: %w", errUsage)
	}
	built, err := oci.ReadLayout(*dir)
	if err != nil {
		return err
	}
	digest, err := oci.Push(ctx, built, flags.Arg(0), flags.Args()[1:])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, digest)
	return err
}
