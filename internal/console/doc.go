// Package console lets commands give orders to the running process, over a unix socket
// in the data directory.
//
//	gatekeeper adopt … ─► Client ─► console.sock ─► Serve ─► Verbs["adopt"]
//	                  └─► Verbs.Do, when no process runs
//
// Who may open the socket may give orders: it is for the process's own user alone
// (mode 0600), and the record keeps the name that the person wrote. HTTP with JSON,
// POST /v1/VERB; nothing of it is reachable over a network.
//
// # Failing
//
// A process that is killed leaves its socket behind, on which nobody answers: the
// client takes that for no process, and the next process replaces it. Whether there is
// really none is said by the lock on the record, not by the socket.
package console
