package gate

import (
	"context"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// followersOwe says whether somebody who follows has not done yet what a report told.
func (g *Gate) followersOwe(k Key) bool {
	return slices.ContainsFunc(g.followers, func(f Follower) bool { return f.Owes(k.Repository, k.Pull) })
}

// oweMore keeps that a pull request is to be reported on again by another process: because
// the report has something that is on its way, or because those who follow, who keep what
// they have to do in memory alone, are not done with it.
func (g *Gate) oweMore(ctx context.Context, k Key, unfinished bool) {
	follow := g.followersOwe(k)
	if !unfinished && !follow {
		return
	}
	g.debts.owe(ctx, k)
	if unfinished {
		return // what ends it wakes the pull request
	}
	g.debts.leave(k)
	if !g.followersOwe(k) {
		g.Followed(ctx, k.Repository, k.Pull) // done meanwhile
	}
}

// Followed says that somebody who follows has done what a report on a pull request told.
func (g *Gate) Followed(ctx context.Context, repository approval.RepositoryName, pull int) {
	if k := (Key{Repository: repository, Pull: pull}); !g.followersOwe(k) {
		g.debts.paid(ctx, k, g.debts.left(k))
	}
}

// gone says that nothing will land of a pull request, or on no protected branch.
func (g *Gate) gone(ctx context.Context, k Key) {
	g.open.closed(ctx, k)
	for _, f := range g.followers {
		f.Closed(k.Repository, k.Pull)
	}
	g.Followed(ctx, k.Repository, k.Pull)
}

// leave says that the newest debt of a pull request is that of those who follow.
func (d *debts) leave(k Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.others == nil {
		d.others = map[Key]uint64{}
	}
	d.others[k] = d.owed[k]
}

// left is that debt, 0 for none. It is told once.
func (d *debts) left(k Key) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	number := d.others[k]
	delete(d.others, k)
	return number
}
