// Package again tests the script "run", which runs the end-to-end tests.
//
// They play hundreds of stories with real processes for a quarter of an hour, on machines
// that somebody else uses too. So at most three that fail are run once more, each in a new
// sandbox, with the output of both runs shown under FLAKED: that is a defect to look for,
// and does not make the run red. AGAIN=0 has none of it.
//
// Never forgiven, and red at once:
//
//   - what must never happen: a message that begins with Breach (an unapproved revision was
//     synced, something was synced twice), also when it happened once in a thousand runs
//   - a data race, a panic, a time-out, a package that does not build, a test program that
//     ends in the middle
//   - more than three failures
//   - a failed test that cannot be run again by its name
package again

// Breach begins the message of an assertion of what must never happen, in any run.
const Breach = "BREACH: "
