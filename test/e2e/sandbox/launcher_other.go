//go:build unix && !linux

package sandbox

import "syscall"

// childAttributes puts a child into a process group of its own. These systems have
// no parent-death signal: only Close stops the processes.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// awaitExit reports that it could not wait: these systems cannot wait without
// reaping, so what a process left in its group is not killed when it ends by itself.
func awaitExit(int) bool { return false }
