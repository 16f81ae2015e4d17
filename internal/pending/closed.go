package pending

import "github.com/argo-gatekeeper/gatekeeper/pkg/approval"

// Owes is false: a report is kept at once.
func (*Inbox) Owes(approval.RepositoryName, int) bool { return false }

// Closed forgets the report on a pull request that waits for nobody any more.
func (in *Inbox) Closed(repository approval.RepositoryName, pull int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.reports, Pull{repository, pull})
}
