package deployment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// mark is what the store keeps of a Deployment.
type mark struct {
	id  int64
	sha approval.SHA
	// state is that of the last status; empty when there is none.
	state state
	// digest is of the whole status, at is when it was written.
	digest string
	at     time.Time
	// unsure is true while a status was sent of which no answer is known.
	unsure bool
}

// markForm is the first word of a mark, so that another form is not misread.
const markForm = "1"

func (m mark) String() string {
	word, sure := string(m.state), "sure"
	if word == "" {
		word = "-"
	}
	if m.unsure {
		sure = "unsure"
	}
	return strings.Join([]string{markForm, word, string(m.sha), strconv.FormatInt(m.at.Unix(), 10), m.digest, sure}, " ")
}

// parseMark is false for text that is none.
func parseMark(id int64, text string) (mark, bool) {
	parts := strings.Split(text, " ")
	if len(parts) != 6 || parts[0] != markForm {
		return mark{}, false
	}
	sha, err := approval.ParseSHA(parts[2])
	if err != nil {
		return mark{}, false
	}
	at, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil {
		return mark{}, false
	}
	m := mark{id: id, sha: sha, digest: parts[4], at: time.Unix(at, 0), unsure: parts[5] != "sure"}
	m.state = knownState(parts[1])
	return m, m.state != "" || parts[1] == "-"
}

// knownState is empty for states that are never written here.
func knownState(word string) state {
	switch s := state(word); s {
	case pending, inProgress, success, failure, inactive:
		return s
	default:
		return ""
	}
}

// storeName is the name under which marks of a gate are kept.
func storeName(gate string) string { return "deployment/" + hash(gate) }

// hash tells texts apart by their lengths as well.
func hash(parts ...string) string {
	h := sha256.New()
	for _, s := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(s), s) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// digest is of all that a status says.
func (w wanted) digest(s state) string {
	return hash(string(s), w.description, w.environment, w.log)
}
