package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"
)

const (
	// portAttempts bounds how often a component is started again because another
	// process took its port between its choice and its use.
	portAttempts = 5
	// readyPoll is how often readiness is asked for: often enough that waiting adds
	// little to the start, seldom enough not to compete for two cores.
	readyPoll = 25 * time.Millisecond
	// readyTimeout bounds the start of one component on a slow or busy machine.
	readyTimeout = 2 * time.Minute
)

// Ports are chosen below the range from which Linux takes the source ports of
// outgoing connections (net.ipv4.ip_local_port_range, 32768 and up by default). A
// port of that range that a listener gave back a moment ago may be anybody's source
// port by the time the component asks for it; seen in one of ten starts.
const (
	firstPort = 20000
	lastPort  = 32767
)

// freePorts returns n different ports of 127.0.0.1 that nobody uses at the moment.
func freePorts(ctx context.Context, n int) ([]int, error) {
	var config net.ListenConfig
	ports := make([]int, 0, n)
	var taken error
	for range 100 * n {
		if len(ports) == n {
			break
		}
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		listener, err := config.Listen(ctx, "tcp4", loopback(port))
		if err != nil {
			taken = err
			continue
		}
		// All stay open until the last is chosen, so they differ.
		defer func() { _ = listener.Close() }()
		ports = append(ports, port)
	}
	if len(ports) < n {
		return nil, fmt.Errorf("choose a free port: %w", taken)
	}
	return ports, nil
}

// loopback returns the address of a port on this machine.
func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// component is a process that serves on ports of its own.
type component struct {
	name string
	// ports is how many it needs.
	ports int
	// command builds the command for the chosen ports.
	command func(ports []int) Command
	// ready returns nil when the component answers, and why not otherwise. Nil means
	// that the component counts as ready once it runs.
	ready func(ctx context.Context, ports []int) error
}

// startComponent starts a component, waits until it is ready and returns its ports.
// It chooses other ports when one has been taken.
func (s *Sandbox) startComponent(ctx context.Context, c component) ([]int, error) {
	for attempt := 1; ; attempt++ {
		ports, err := freePorts(ctx, c.ports)
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", c.name, err)
		}
		process, err := s.StartProcess(ctx, c.command(ports))
		if err != nil {
			return nil, err
		}
		if err := awaitReady(ctx, process, ports, c.ready); err != nil {
			process.Kill()
			if attempt < portAttempts && portTaken(process.Logs()) {
				s.progress.Line("%s: a port was taken in between; starting it again", c.name)
				s.forget(process)
				continue
			}
			return nil, err
		}
		s.progress.Line("%s ready", c.name)
		return ports, nil
	}
}

// portTaken reports whether a log says that a listener could not be opened.
func portTaken(log string) bool {
	return strings.Contains(log, "address already in use")
}

// awaitReady polls until ready returns nil, the process ends, or time is up.
func awaitReady(ctx context.Context, process *Process, ports []int, ready func(context.Context, []int) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	// The last answer explains a timeout better than the probe that it cut off.
	var last error
	for ready != nil {
		err := ready(ctx, ports)
		if err == nil {
			break
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-process.Done():
			return process.exited()
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w; last lines of its log:\n%s",
				process.Name(), context.Cause(ctx), orNoAnswer(last), lastLines(process.Logs(), 20))
		case <-tick.C:
		}
	}
	select {
	case <-process.Done():
		return process.exited()
	default:
		return nil
	}
}

// errNoAnswer stands for a probe that never came to an end.
var errNoAnswer = errors.New("no answer")

func orNoAnswer(err error) error {
	if err == nil {
		return errNoAnswer
	}
	return err
}
