package approval

// Stage says how far what a pull request landed has come in one Application. The zero
// Stage is not known: facts are missing, or the pull request concerns something else.
type Stage string

// The stages.
const (
	// StageWaiting is not deployed, and nothing deploys it now.
	StageWaiting Stage = "waiting"
	// StageSyncing is being deployed by a sync of Gatekeeper's.
	StageSyncing Stage = "syncing"
	// StageFailed: the newest sync of it did not succeed, also while the same is tried
	// again.
	StageFailed Stage = "failed"
	// StageLive: it is deployed, and the newest of what was deployed with it.
	StageLive Stage = "live"
	// StagePast: something newer is deployed, on top of it.
	StagePast Stage = "past"
)

// Rollout is how far what a pull request landed has come in one Application.
type Rollout struct {
	Stage Stage
	// Newest is the number of the newest pull request of the repository in the sync
	// that deployed this one; 0 when that is not known.
	Newest int
	// Revision is what is live of the repository; empty when nothing was deployed yet.
	Revision SHA
	// Sequence is the entry of the record with the decision; 0 when there is none.
	Sequence uint64
}
