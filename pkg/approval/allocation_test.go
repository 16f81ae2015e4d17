package approval_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestDecideAllocations holds the time of a decision without a clock. Memory is what
// grows dearest with the length of a line, so a decision takes it once for all
// landings: about forty times for the five requirements, the reviewers and the
// answer. One allocation for each landing, review or change would show at once.
//
// It does not run beside other tests: it counts what the whole process allocates.
func TestDecideAllocations(t *testing.T) {
	shapes := map[string]func(*setting){
		"all approved": func(*setting) {},
		"the last waits": func(s *setting) {
			s.line().Landings[len(s.line().Landings)-1].Pull.Reviews = nil
		},
		"none approved": func(s *setting) {
			for i := range s.line().Landings {
				s.line().Landings[i].Pull.Reviews = nil
			}
		},
	}
	for name, shape := range shapes {
		count := func(landings int) float64 {
			s := settingOf(landings, 3)
			shape(s)
			return testing.AllocsPerRun(20, func() { approval.Decide(s.Policy, s.Facts) })
		}
		few, many := count(50), count(500)
		require.LessOrEqual(t, few, 60.0, name)
		require.LessOrEqual(t, many, few+10, "%s: it grows with the line", name)
	}
}
