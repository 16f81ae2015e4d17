package gate

import (
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// manyFailures is how many failures of one candidate in a row are worth saying what to
// do. Trying goes on: what fails may mend itself, as a cluster that is down does.
const manyFailures = 5

// messageLimit keeps what Argo CD says readable on a pull request.
const messageLimit = 300

// isLive says whether a candidate is what was synced last, so that nothing is to be done.
// A person who synced it once more and failed is not helped by our trying as well.
func isLive(last *deployed, c approval.Candidate) bool {
	return last != nil && last.succeeded && last.intent.Candidate.Equal(c) &&
		(last.failures == 0 || last.person && last.failed.Equal(c))
}

// leftHalfway says whether a sync of something else failed after the last one
// that succeeded. It may have been applied in part, so going back to what was
// trusted before has something to ship although nothing differs from there.
func leftHalfway(last *deployed, c approval.Candidate) bool {
	return last != nil && last.failures > 0 && !last.failed.Equal(c)
}

// goesBack says whether a candidate that is no news is to be synced nevertheless: after
// something else was left half way, and again when that failed as well.
func goesBack(last *deployed, c approval.Candidate) bool {
	return leftHalfway(last, c) || last != nil && last.failures > 0 && last.succeeded && last.intent.Candidate.Equal(c)
}

// withFailure adds to a state what the last sync left behind, if it failed.
func withFailure(app approval.Application, state string, last *deployed) string {
	if last == nil || last.failures == 0 {
		return state
	}
	text := "the last sync, to " + revisions(last.failed)
	if last.person {
		text += " by " + last.failedBy
	}
	if last.failure.Result == history.ResultMismatch {
		text += ", deployed something else than was intended"
	} else {
		text += ", failed"
	}
	if last.failures > 1 {
		text += ", " + strconv.Itoa(last.failures) + " times in a row"
	}
	if message := messageOf(last.failure.Message); message != "" {
		text += ": " + message
	}
	if !last.succeeded || !last.failed.Equal(last.intent.Candidate) {
		text += "; a part of it may be live"
	}
	if last.failures >= manyFailures {
		text += "; land what mends it, or go back: gatekeeper rollback " + app.Key()
	}
	if state == "" {
		return text
	}
	return state + "; " + text
}

// messageOf is Argo CD's message, shortened.
func messageOf(message string) string {
	return shortened(strings.Join(strings.Fields(strings.ToValidUTF8(message, "\uFFFD")), " "), messageLimit)
}
