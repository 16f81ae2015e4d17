package doctor

import (
	"context"
	"errors"
	"fmt"
)

func gatekeeperChecks() []Check {
	return []Check{
		{
			Code: "gatekeeper.record", Area: Gatekeeper, Severity: Critical, slow: true,
			Title: "the record is there and intact",
			Explain: `Reads the whole record and checks its chain, as ledger verify does: no entry was changed,
removed or reordered. That takes some seconds for a million entries. A record that was cut
off at its end is consistent in itself.`,
			run: func(ctx context.Context, p *probe) (outcome, error) {
				if err := p.need("Record", p.Record != nil); err != nil {
					return outcome{}, err
				}
				entries, err := p.Record(ctx)
				if broken, ok := errors.AsType[*Broken](err); ok {
					var o outcome
					o.find(note{reason: broken.Error(), fix: broken.Fix, command: broken.Command})
					return o, nil
				}
				if err != nil {
					return outcome{}, err
				}
				return good("intact, " + plural(int(min(entries, 1<<62)), "entry"))
			},
		},
		{
			Code: "gatekeeper.data", Area: Gatekeeper, Severity: Critical,
			Title: "the data directory can be written",
			Explain: `What cannot be recorded is not done, so without it nothing is synced. Asked of the operating
system for the user that doctor runs as; nothing is written. Run doctor where Gatekeeper
runs, as its user.`,
			run: func(_ context.Context, p *probe) (outcome, error) {
				d, err := p.directory()
				if err != nil {
					return outcome{}, err
				}
				if !d.Writable {
					var o outcome
					o.find(note{about: d.Path, reason: "it cannot be written by this user", fix: "give it to Gatekeeper's user", command: "chown -R gatekeeper " + d.Path})
					return o, nil
				}
				return good(d.Path)
			},
		},
		{
			Code: "gatekeeper.disk", Area: Gatekeeper, Severity: Warning,
			Title: "there is disk space for the record and the mirrors",
			Explain: `Less than 1 GiB or 5 % free is a finding. When the disk is full nothing is recorded and so
nothing is synced.`,
			run: func(_ context.Context, p *probe) (outcome, error) {
				d, err := p.directory()
				if err != nil {
					return outcome{}, err
				}
				free := fmt.Sprintf("%.1f GiB of %.1f GiB are free", gib(d.Free), gib(d.Size))
				if d.Free < leastFree || d.Free < d.Size/20 {
					var o outcome
					o.find(note{about: d.Path, reason: free, fix: "make the volume larger"})
					return o, nil
				}
				return good(free)
			},
		},
	}
}

const leastFree = 1 << 30

func gib(bytes uint64) float64 { return float64(bytes) / (1 << 30) }

func (p *probe) directory() (Directory, error) {
	if err := p.need("Directory", p.Directory != nil); err != nil {
		return Directory{}, err
	}
	return p.Directory()
}

// Broken says that a source was looked at and is broken, which is a finding and not
// an unknown.
type Broken struct{ What, Fix, Command string }

// Error says what is broken.
func (b *Broken) Error() string { return b.What }
