// Package election chooses, among the replicas that share a record, the one that works:
// by a Lease of Kubernetes, with client-go's leader election.
//
//	campaigns ──► leads ──► released          it was asked to end: another may begin at once
//	    ▲           │
//	    │           └─────► lost (ErrLost)     it could not renew in time: the process has to end
//	 not fit
//
// The Lease says who works. It does not keep two from writing: a process that was stopped
// and goes on does not know that its Lease ran out. What decides is the compare-and-swap on
// the record's head, and the resource version to which every sync is bound. Leads narrows
// the time in which such a process tries in vain: the Lease counts as its own only as long
// as the last renewal is younger than Times.Renew, which is shorter than the time after
// which others take it.
//
// A replica that cannot do the work does not lead: every renewal asks Options.Fit first. So
// a leader that has lost its database gives the Lease up after Times.Renew, and does not
// take it again before it has the database back.
package election
