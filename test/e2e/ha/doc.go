// Package ha plays with several replicas of the real binary on a real PostgreSQL, beside
// the real Argo CD, and does to them what happens to processes: kill -9, a pause past the
// Lease, a cut connection, a database that starts anew, a new version.
//
// What has to hold is asserted on the cluster and on the record, never on Gatekeeper's own
// word: every approved revision is synced exactly once, nothing else is, nothing is lost,
// somebody leads again within 15 seconds, and the API server gets answers all the time.
package ha
