// Command build builds the programs that the sandbox and the lint step run, and
// prints the folder of each tool module.
//
//	go run ./test/e2e/tools/build               everything
//	go run ./test/e2e/tools/build lint          one module
//	go run ./test/e2e/tools/build -list         the names of the modules
//
// Progress goes to standard error; standard output has one line for each module,
// its name and its folder, for scripts.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/tools"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	flags.SetOutput(stderr)
	list := flags.Bool("list", false, "print the names of the tool modules and exit")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read the arguments: %w", err)
	}
	names := flags.Args()
	if len(names) == 0 {
		for _, module := range tools.Table() {
			names = append(names, module.Name)
		}
	}
	if *list {
		for _, name := range names {
			if _, err := fmt.Fprintln(stdout, name); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
		return nil
	}
	builder, err := tools.NewBuilder(".", stderr)
	if err != nil {
		return err
	}
	for _, name := range names {
		dirs, err := builder.Ensure(ctx, name)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(stdout, name, dirs[name]); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}
