// Package conversation is how Gatekeeper listens and answers on a pull request: it reads
// a comment and who wrote it, the pull request, and what a person may do in the
// repository, and it writes reactions and replies.
//
// Everything is read anew at each call; nothing is kept. What GitHub does not say
// clearly is an error.
//
// # One reply
//
// GitHub takes the same comment twice. A reply begins with a line that is not shown and
// names what it answers; FindReply looks for it among the comments that our own App
// wrote, which nobody else can write, after a process was killed between writing a reply
// and remembering that.
package conversation
