package deployment

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/markdown"
)

// Settings say how a gate is shown.
type Settings struct {
	// Environment is GitHub's name for it.
	Environment string
	// Production marks the environment as one that users reach.
	Production bool
	// URL is where people see what runs; empty for none.
	URL string
}

// Links are where people look.
type Links struct {
	// GitHub is the address of GitHub's pages, ArgoCD that of Argo CD's; the latter may
	// be empty. Neither ends in a slash.
	GitHub, ArgoCD string
}

// state is GitHub's name of a deployment's state.
type state string

const (
	pending    state = "pending"
	inProgress state = "in_progress"
	success    state = "success"
	failure    state = "failure"
	inactive   state = "inactive"
)

// ended says whether nothing more is told of a state that stays the same.
func (s state) ended() bool { return s == success || s == inactive }

// key names a Deployment.
type key struct {
	repository approval.RepositoryName
	pull       int
	gate       string
}

// wanted is what a Deployment is to say.
type wanted struct {
	key
	settings    Settings
	sha         approval.SHA
	state       state
	description string
	environment string // URL
	log         string // URL
	// unknown is true when something newer is live, and nothing else is known. Then there
	// is nothing to create, and what has ended stays.
	unknown bool
	// live is the revision of all Applications, empty when they differ.
	live    approval.SHA
	payload payload
}

// payload is what the Deployment keeps for programs.
type payload struct {
	Gatekeeper details `json:"gatekeeper"`
}

type details struct {
	Gate string `json:"gate"`
	Pull int    `json:"pull"`
	// Applications are at most twenty, More is how many there are besides.
	Applications []string `json:"applications"`
	More         int      `json:"more,omitempty"`
	// Sequence is the newest entry of the record with a decision about them.
	Sequence uint64 `json:"sequence,omitempty"`
	// Checkpoint is a signed checkpoint of the record when the Deployment was made.
	Checkpoint string `json:"checkpoint,omitempty"`
}

// maxNamed bounds the Applications in a payload.
const maxNamed = 20

// maxDescription is GitHub's limit, in characters.
const maxDescription = 140

// tally counts Applications by stage.
type tally struct {
	waiting, syncing, failed, live, past int
	// first is the first one that is not live, lead the one that failed first.
	first, lead *approval.ApplicationReport
	newest      int // of a sync that shipped this one and a newer one
	revision    approval.SHA
	differ      bool
}

func count(apps []approval.ApplicationReport) tally {
	var t tally
	for i := range apps {
		a := &apps[i]
		if a.Rollout.Stage == "" {
			continue
		}
		if t.revision == "" {
			t.revision = a.Rollout.Revision
		}
		t.differ = t.differ || t.revision != a.Rollout.Revision
		if a.Rollout.Stage != approval.StageLive && a.Rollout.Stage != approval.StagePast && t.first == nil {
			t.first = a
		}
		switch a.Rollout.Stage {
		case approval.StageWaiting:
			t.waiting++
		case approval.StageSyncing:
			t.syncing++
		case approval.StageFailed:
			if t.failed++; t.lead == nil {
				t.lead = a
			}
		case approval.StageLive:
			t.live++
		case approval.StagePast:
			t.past++
			t.newest = max(t.newest, a.Rollout.Newest)
		default:
		}
	}
	if t.differ {
		t.revision = ""
	}
	return t
}

// want is what the Deployment of a gate is to say of a pull request; false when there is
// nothing to say.
func want(r approval.PullReport, g approval.GateReport, s Settings, l Links) (wanted, bool) {
	w := wanted{key: key{r.Repository, r.Number, g.Gate}, settings: s, sha: r.Landed, environment: s.URL}
	if _, err := approval.ParseSHA(string(r.Landed)); err != nil || !r.Merged || r.Number <= 0 || g.Class == approval.ClassNone {
		return wanted{}, false
	}
	t := count(g.Applications)
	open := t.waiting + t.syncing + t.failed
	all := open + t.live
	synced := strconv.Itoa(t.live) + " of " + strconv.Itoa(all) + " synced"
	switch {
	case all == 0 && t.past == 0:
		return wanted{}, false
	case all == 0:
		w.state, w.description = inactive, "replaced by something newer"
		if w.unknown = t.newest == 0; !w.unknown {
			w.description = "deployed together with #" + strconv.Itoa(t.newest) + ", which is newer"
		}
	case t.failed > 0:
		w.state, w.description = failure, "the sync of "+t.lead.Application+" failed"
		if all > 1 {
			w.description = strconv.Itoa(t.failed) + " of " + strconv.Itoa(all) + " failed, first " + t.lead.Application + "; " + synced
		}
	case open == 0:
		w.state, w.description = success, synced
	case t.syncing+t.live > 0:
		w.state, w.description = inProgress, synced
		if t.syncing == 0 {
			w.description += "; " + why(g, t.first)
		}
	default:
		w.state, w.description = pending, why(g, t.first)
	}
	w.description = shorten(markdown.Line(w.description))
	w.live = t.revision
	w.log = logURL(r, g, l)
	w.payload.Gatekeeper = describe(r, g)
	return w, true
}

// why says what the Applications of a gate wait for.
func why(g approval.GateReport, a *approval.ApplicationReport) string {
	switch {
	case g.Quorum.Verdict != approval.Allowed && g.Quorum.Text != "":
		return g.Quorum.Text
	case len(g.Stops) > 0:
		return g.Stops[0].Text
	case len(a.Findings) > 0:
		return a.Findings[0].Text
	default:
		return a.State
	}
}

func logURL(r approval.PullReport, g approval.GateReport, l Links) string {
	if len(g.Applications) == 1 && l.ArgoCD != "" {
		if namespace, name, ok := strings.Cut(g.Applications[0].Application, "/"); ok {
			return l.ArgoCD + "/applications/" + url.PathEscape(namespace) + "/" + url.PathEscape(name)
		}
	}
	return l.GitHub + "/" + string(r.Repository) + "/pull/" + strconv.Itoa(r.Number)
}

func describe(r approval.PullReport, g approval.GateReport) details {
	d := details{Gate: g.Gate, Pull: r.Number, Applications: []string{}}
	for _, a := range g.Applications {
		if a.Rollout.Stage == "" {
			continue
		}
		d.Sequence = max(d.Sequence, a.Rollout.Sequence)
		if len(d.Applications) == maxNamed {
			d.More++
			continue
		}
		d.Applications = append(d.Applications, a.Application)
	}
	return d
}

func shorten(s string) string {
	runes := []rune(s)
	if len(runes) <= maxDescription {
		return s
	}
	return string(runes[:maxDescription-1]) + "…"
}
