package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// ErrAbsent says that the machine has no PostgreSQL server.
var ErrAbsent = errors.New("there is no PostgreSQL server on this machine (Debian: apt-get install postgresql)")

// Cluster is a running PostgreSQL. Its methods are for one test at a time.
type Cluster struct {
	binaries string
	folder   string
	settings []string
	owner    *syscall.Credential
	// Port is that of the socket, and of TCP if listen_addresses is among the settings.
	Port int

	mu      sync.Mutex
	process *os.Process
	// ended is closed once the process has ended, after why was set.
	ended chan struct{}
	why   error
}

// Superuser is the role that owns everything; on the Unix socket it needs no password.
const Superuser = "postgres"

// Start starts a cluster and stops it when the test ends. Settings are those of
// postgresql.conf, as name=value.
func Start(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	c, err := New(t.Context(), settings...)
	Absent(t, err)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Absent skips the test if the error says that there is no PostgreSQL, or fails it
// where CI=true.
func Absent(t testing.TB, err error) {
	t.Helper()
	switch {
	case !errors.Is(err, ErrAbsent):
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// New starts a cluster, for a whole test binary for example.
func New(ctx context.Context, settings ...string) (c *Cluster, err error) {
	binaries, err := find()
	if err != nil {
		return nil, err
	}
	// A socket's path has to be short.
	folder, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	c = &Cluster{binaries: binaries, folder: folder, settings: settings, Port: 5432}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}()
	if err := c.hand(); err != nil {
		return nil, err
	}
	for _, setting := range settings {
		if strings.HasPrefix(setting, "listen_addresses=") {
			if c.Port, err = freePort(ctx); err != nil {
				return nil, err
			}
		}
	}
	initdb := exec.CommandContext(ctx, filepath.Join(binaries, "initdb"),
		"-D", c.data(), "-U", Superuser, "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner}
	initdb.Dir = folder
	if output, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, output)
	}
	if err := c.Run(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// find looks for the newest server.
func find() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", fmt.Errorf("look for PostgreSQL: %w", err)
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", ErrAbsent
	}
	return filepath.Dir(path), nil
}

func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // 0 for what is no number
	return n
}

// hand gives the folder to whom the server runs as: it refuses to run as root.
func (c *Cluster) hand() error {
	if os.Geteuid() != 0 {
		return nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		if account, err = user.Lookup("nobody"); err != nil {
			return fmt.Errorf("look for an account to run PostgreSQL as: %w", err)
		}
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return fmt.Errorf("the account %s: %w", account.Username, err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return fmt.Errorf("the account %s: %w", account.Username, err)
	}
	c.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(c.folder, int(uid), int(gid)); err != nil {
		return fmt.Errorf("give PostgreSQL its folder: %w", err)
	}
	return nil
}

func freePort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

func (c *Cluster) data() string { return filepath.Join(c.folder, "data") }

// Folder is where the server can read and write, and its socket is.
func (c *Cluster) Folder() string { return c.folder }

// Give makes a file that the server owns, and that nobody else can read.
func (c *Cluster) Give(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(c.folder, name)
	err := os.WriteFile(path, content, 0o600)
	if err == nil && c.owner != nil {
		err = os.Chown(path, int(c.owner.Uid), int(c.owner.Gid))
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// DSN is a connection string for the socket, which asks for no password.
func (c *Cluster) DSN(role, database string) string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s", c.folder, c.Port, role, database)
}

// Set adds settings for the next Run.
func (c *Cluster) Set(settings ...string) { c.settings = append(c.settings, settings...) }

// Run starts the server, after it was killed for example, and waits until it takes
// connections.
func (c *Cluster) Run(ctx context.Context) error {
	args := []string{"-D", c.data(), "-k", c.folder, "-p", strconv.Itoa(c.Port), "-c", "listen_addresses=", "-c", "max_connections=60", "-c", "shared_buffers=32MB"}
	for _, setting := range c.settings {
		args = append(args, "-c", setting)
	}
	log, err := os.OpenFile(filepath.Join(c.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	started, ended := make(chan error, 1), make(chan struct{})
	var command *exec.Cmd
	go func() {
		defer func() { _ = log.Close() }()
		// The kernel sends the signal of the parent's death when this thread ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		command = exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(c.binaries, "postgres"), args...)
		command.Stdout, command.Stderr, command.Dir = log, log, c.folder
		command.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner, Pdeathsig: syscall.SIGQUIT}
		err := command.Start()
		started <- err
		if err == nil {
			c.why = command.Wait()
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	c.mu.Lock()
	c.process, c.ended = command.Process, ended
	c.mu.Unlock()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		select {
		case <-ended:
			output, _ := os.ReadFile(log.Name())
			c.process = nil
			return fmt.Errorf("PostgreSQL ended: %w: %s", c.why, output)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), c.Stop())
		case <-time.After(10 * time.Millisecond):
		}
		// The file's last line says what it is doing.
		status, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
		if err == nil && bytes.Contains(status, []byte("\nready")) && bytes.HasPrefix(status, []byte(strconv.Itoa(command.Process.Pid)+"\n")) {
			return nil
		}
	}
	return errors.Join(errors.New("PostgreSQL takes no connections"), c.Stop())
}

// Kill ends the server and all that work for it, without a warning.
func (c *Cluster) Kill(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	// Held first, so that it starts nobody else meanwhile.
	err := c.process.Signal(syscall.SIGSTOP)
	children := c.children(t)
	for _, child := range children {
		err = errors.Join(err, gone(syscall.Kill(child, syscall.SIGKILL)))
	}
	if err = errors.Join(err, c.process.Kill()); err != nil {
		t.Fatal(err)
	}
	<-c.ended
	c.process = nil
	// Until the last one is gone, the memory that they share is in use.
	for _, child := range children {
		for alive(child) {
			<-time.After(time.Millisecond)
		}
	}
}

// alive is false for a process that has ended, even if nobody has asked how.
func alive(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

// Pause stops the server and all that work for it, until Resume.
func (c *Cluster) Pause(t testing.TB) { c.signal(t, syscall.SIGSTOP) }

// Resume lets the server go on.
func (c *Cluster) Resume(t testing.TB) { c.signal(t, syscall.SIGCONT) }

func (c *Cluster) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.process.Signal(signal)
	for _, child := range c.children(t) {
		err = errors.Join(err, gone(syscall.Kill(child, signal)))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func gone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// children are the processes that the server has started.
func (c *Cluster) children(t testing.TB) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// proc(5): the name in parentheses, then the state, then the parent.
		_, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')'):], []byte(" "))
		fields := bytes.Fields(rest)
		if len(fields) < 2 || string(fields[1]) != strconv.Itoa(c.process.Pid) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, pid)
	}
	return found
}

// Stop ends the server as one should; what is connected is cut off.
func (c *Cluster) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return nil
	}
	err := c.process.Signal(syscall.SIGINT)
	select {
	case <-c.ended:
	case <-time.After(3 * time.Minute): // the last checkpoint waits for the disk
		err = errors.Join(err, errors.New("PostgreSQL did not stop"), c.process.Kill())
		<-c.ended
	}
	c.process = nil
	return err
}

// Close stops the server and removes everything.
func (c *Cluster) Close() error { return errors.Join(c.Stop(), os.RemoveAll(c.folder)) }

// SQL runs statements as the superuser and returns what they print, unaligned.
func (c *Cluster) SQL(t testing.TB, database, statements string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), c.tool("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", c.folder, "-p", strconv.Itoa(c.Port), "-U", Superuser, "-d", database)
	command.Stdin = strings.NewReader(statements)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", statements, err, output)
	}
	return strings.TrimSpace(string(output))
}

// Tool prepares one of PostgreSQL's programs, pg_dump for example, to run against the
// cluster.
func (c *Cluster) Tool(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), c.tool(name), args...)
	command.Env = append(os.Environ(), "PGHOST="+c.folder, "PGPORT="+strconv.Itoa(c.Port), "PGUSER="+Superuser)
	return command
}

func (c *Cluster) tool(name string) string { return filepath.Join(c.binaries, name) }
