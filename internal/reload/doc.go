// Package reload follows the configuration file and the files that it names, and has a
// changed configuration taken over while Gatekeeper runs.
//
//	every 2 s, SIGHUP ──► digest of what is in the files ──► changed, and at rest for 1 s?
//	   ──► config.Load, which checks everything ──► Apply ──► in force
//	                  │                              │
//	                  └──────────► refused ◄─────────┘  the one before stays, and it is said
//
// The files are compared by what is in them, as often as they are read: Kubernetes replaces
// a mounted ConfigMap or Secret by moving a symbolic link, editors by renaming, and neither
// is told reliably by the kernel on every file system.
//
// A file that is being written could be valid and lack its end, and with it a gate. So a
// change is taken over once the files were the same for a second, and only if they still
// are after they were read.
package reload
