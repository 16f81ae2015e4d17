// Package inbox keeps webhook deliveries until they are processed, and the few
// facts of them that GitHub itself does not keep.
//
//	webhook ──► Put ──► 2xx        the delivery is on disk before GitHub is answered
//	             │
//	             └─► Pending ──► Done      what it hinted at was enqueued
//	                    ▲  └──► Failed     tried again, parked after five attempts
//	                    └─ Put of the same delivery by GitHub's redelivery
//
// # The witness
//
// A delivery is a hint: whatever it says is read again. Three things are kept
// from it. The commit on which a review was submitted and the arrival of a head
// cannot be read later, because GitHub moves a review's commit and forgets who
// pushed what when. The commit of a merge saves a search.
//
// # What people ask for
//
// A comment or a press of a button that may be a command is kept under an ID of its own,
// before its delivery is done, with how far it was carried out, until it is answered and
// for Retention after that. Comments that approved a pull request are kept with the head
// that they are of: GitHub does not know it.
//
// # What saves calls
//
// Pushes, the accounts of commits, and facts that GitHub's API told and that cannot
// change are kept too. Nothing is allowed because of a push that is kept; GitHub is
// asked first. They are bounded, see Trim.
//
// # Losing it
//
// Unlike the record, the file is made on open when it is missing. To lose it
// loses hints: every Application is judged anew at a start and every few minutes
// all the same, and an open pull request is told at its next event. It loses what
// was witnessed too: then an approval is counted only where it can be proved in
// another way, so less is allowed and never more. And it loses for how long images
// ran Healthy elsewhere, so that their soak time begins again.
package inbox
