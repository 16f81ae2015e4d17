// Package commands carries out what people ask for on pull requests, by comments and by
// the buttons of check runs, and answers them there.
//
//	webhook ──► inbox (Ask) ──► Processor ──┬─ read the comment, the pull request,
//	              one entry for a comment   │  what the person may do: everything anew
//	                                        ├─ 👀
//	                                        ├─ each command: an order, or an answer
//	                                        ├─ one reply to all of them
//	                                        └─ 🚀 or 👎
//
// # Exactly once
//
// After each step its result is saved; what was cut off goes on there. Two steps have an
// effect that must not happen twice. An order is recorded under an ID that is made of
// that of the comment, and the record takes an ID once, in the same compare-and-swap
// that appends it (see operate.Origin). What the reply says of an order is read from the
// record, so that it is the same whoever finds out. A reply is looked for before it is
// written a second time.
//
// # Who may
//
// A comment counts as that of its author if GitHub says so now: it is there, was not
// changed since it was written, and a person wrote it, not an App in their name. What
// the person may do in the repository is GitHub's answer to a question about exactly
// that account; who may give an order is the gate's policy with the teams of now. What
// GitHub says of an author beside a comment (author_association) is not used.
//
// # Failing
//
// What cannot be read is tried again for a few minutes, and then refused, with a reply
// that says so. Nothing is done on half of an answer.
package commands
