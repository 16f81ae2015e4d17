package gate

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestCrashes plays random histories: pull requests land and are approved, calls
// fail, answers are lost, requests arrive late, somebody else syncs, two gates
// work at once, and processes die between any two calls. Whatever happened,
// in the end what was approved was synced, once, and the record says so.
//
// GATE_SEEDS sets how many histories are played.
func TestCrashes(t *testing.T) {
	t.Parallel()
	playSeeds(t, 100, play, "crash", "late", "lost", "stale", "foreign", "abandoned", "failed", "found in history", "late outcome")
}

// playSeeds plays as many histories as are asked for. From the given number on, which is
// the default, each kind of trouble must have come up.
func playSeeds(t *testing.T, seeds int, play func(*testing.T, uint64, tally), troubles ...string) {
	t.Helper()
	enough := seeds
	if n, err := strconv.Atoi(os.Getenv("GATE_SEEDS")); err == nil {
		seeds = n
	}
	if testing.Short() {
		seeds = 30
	}
	var mu sync.Mutex
	total := tally{}
	t.Run("seeds", func(t *testing.T) {
		for seed := range seeds {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				mine := tally{}
				play(t, uint64(seed), mine)
				mu.Lock()
				defer mu.Unlock()
				for what, n := range mine {
					total[what] += n
				}
			})
		}
	})
	t.Logf("%v", total)
	if seeds < enough {
		return
	}
	for _, trouble := range troubles {
		require.NotZero(t, total[trouble], trouble)
	}
}

// tally shows that the histories are not all peaceful.
type tally map[string]int

func play(t *testing.T, seed uint64, mine tally) {
	s := &story{setup: newSetup(t), rng: rand.New(rand.NewPCG(seed, 7)), tally: mine, ever: map[approval.SHA]bool{}}
	s.begin()
	for range 60 {
		s.step()
	}
	s.settleDown()
	s.judge()
}
