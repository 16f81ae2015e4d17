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
// # Several processes
//
// Open keeps the inbox in a SQLite file of one process. OpenPostgres keeps it in PostgreSQL,
// beside the record, for several; both do the same, and one suite of tests shows it. Then
//
//	every replica:  webhook ──► Put ──► 2xx
//	                              └───── Listen ─────┐
//	the leader:     Lead ──► a Term       Pending ◄──┘ wakes within milliseconds
//	                           │             └─► judged ──► Announcer.Remember
//	                           │                               │ Flush
//	                           └─► SaveJudgements, Vouch ◄─────┘   └──► Done
//	a follower:     PendingBefore, then Judgement, then the API server is answered
//
// Any replica keeps deliveries; to keep the same one twice changes nothing. One of them
// leads and takes them up. A former leader that does not know yet that it was deposed may
// take up the same one, which is harmless: a delivery is a hint, so both read the same facts
// anew; what both record is decided by the record's compare-and-swap, what both keep of a
// review or a head does not depend on the order or on how often it is kept, and Done and
// Failed say what they say however often it is said.
//
// What the leader thinks of an Application it writes down under its Term, and a former
// leader's word fails with ErrDeposed from the moment at which the next one calls Lead. A
// delivery is Done only after what became of it was flushed. So a follower which finds that
// nothing is pending, and reads the judgement after that, never goes by an older one: it
// looks at PendingBefore first. If it finds no judgement, one that is too old, or one of
// another UID, it knows nothing, and what is not known is refused.
//
// Listen only saves time. Whoever takes up deliveries looks for them every few seconds all
// the same.
//
// # Losing it
//
// Unlike the record, the file is made on open when it is missing; in PostgreSQL it is made
// with the record. To lose it
// loses hints: every Application is judged anew at a start and every few minutes
// all the same, and an open pull request is told at its next event. It loses what
// was witnessed too: then an approval is counted only where it can be proved in
// another way, so less is allowed and never more. And it loses for how long images
// ran Healthy elsewhere, so that their soak time begins again.
package inbox
