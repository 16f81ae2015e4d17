// Package revert makes Git tell the truth after a rollback: a pull request that gives
// the files of one Application the content that was deployed again.
//
//	Request ──Open──► one commit on gatekeeper/rollback/<ID of the order>
//	                    └─► one pull request
//
// The order's ID is in the name of the branch, so a rollback has one branch and one
// pull request, however often it is asked for, also after that pull request was merged
// or closed. The branch is never moved: what is on it and is not the App's own commit
// for this order is somebody's work, and is refused with ErrForeign.
//
// Nothing is believed of such a pull request because of who opened it. It is recognised
// as approved by what it leaves: the content that the record says was approved and
// deployed (pkg/approval). The objects are in the repository already, so the commit
// names them and nothing is uploaded.
//
// GitHub signs the commit in the name of the App's bot, since it gets no author
// (GitHub docs, "Commit signature verification for bots", read in November 2026).
package revert
