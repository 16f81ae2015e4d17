package tools

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// heartbeat is how often a long compilation reports that it is alive.
const heartbeat = 15 * time.Second

// goBuild compiles one binary to output. It counts the packages the compiler
// finishes, so that a cold build of several minutes can be told from a hung one.
func (p *Progress) goBuild(ctx context.Context, source string, binary Binary, flags, output string) error {
	cmd := goCommand(ctx, source, "build", "-v", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-ldflags", flags, "-o", output, binary.Package)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("build %s: %w", binary.Name, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("build %s: %w", binary.Name, err)
	}
	complaints, compiled := p.followBuild(stderr, binary.Name)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", binary.Name, err, complaints)
	}
	p.Line("%s: %d packages compiled", binary.Name, compiled)
	return nil
}

// followBuild reads the output of go build -v to its end. A line that is an
// import path is a finished package; every other line is something to report
// when the build fails.
func (p *Progress) followBuild(stderr io.Reader, name string) (complaints string, compiled int) {
	var other strings.Builder
	last := time.Now()
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text := lines.Text()
		if strings.ContainsAny(text, " :\t") {
			if other.Len() < 64<<10 {
				other.WriteString(text + "\n")
			}
			continue
		}
		compiled++
		if time.Since(last) >= heartbeat {
			last = time.Now()
			p.Line("%s: %d packages compiled so far", name, compiled)
		}
	}
	return other.String(), compiled
}

// goOutput runs a go command in dir and returns what it prints.
func goOutput(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := goCommand(ctx, dir, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run go %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// goCommand prepares a go command that sees the module in dir alone: no workspace,
// no cgo, so that the result does not depend on the machine's C library.
func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	// go stops its compilers when it is interrupted; killed at once it would leave
	// them running.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}
