package sandbox

import (
	"errors"
	"os/exec"
	"runtime"
	"sync"
)

// errClosed is returned for a process that is started after Close.
var errClosed = errors.New("the sandbox is closed")

// launcher starts every child process from one operating-system thread.
//
// The kernel sends the parent-death signal when the thread that forked the child
// ends, not when the process ends. The Go runtime ends threads as it likes, so
// the fork must come from a thread that is held for as long as children may live.
type launcher struct {
	requests chan func()
	stop     chan struct{}
	stopped  sync.Once
}

func newLauncher() *launcher {
	l := &launcher{requests: make(chan func()), stop: make(chan struct{})}
	go l.serve()
	return l
}

func (l *launcher) serve() {
	// Never unlocked: the thread must run no other goroutine, which could end it. When
	// this goroutine returns, the runtime ends the thread, unless it is the main one,
	// and the kernel kills every child that is left.
	runtime.LockOSThread()
	for {
		select {
		case request := <-l.requests:
			request()
		case <-l.stop:
			return
		}
	}
}

// start runs cmd.Start on the held thread, in a process group of its own.
func (l *launcher) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = childAttributes()
	result := make(chan error, 1)
	select {
	case l.requests <- func() { result <- cmd.Start() }:
		return <-result
	case <-l.stop:
		return errClosed
	}
}

// close lets the thread go. No child may be alive any more: it may be killed now or
// live on.
func (l *launcher) close() {
	l.stopped.Do(func() { close(l.stop) })
}
