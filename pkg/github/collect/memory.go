package collect

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Pushes remembers what webhooks told of pushes and merges. Unlike what a Witness
// remembers, GitHub can be asked for all of it.
type Pushes interface {
	// BranchPush is the newest push of a commit to a branch; false when the branch
	// was pushed to since, or in the same second. A push that was not witnessed may
	// have come in between.
	BranchPush(ctx context.Context, repositoryID int64, branch string, commit approval.SHA) (approval.WitnessedPush, bool, error)
	// MergedByPerson is whether a person, and no merge queue, merged a pull request
	// with a commit. False means that it is not known.
	MergedByPerson(ctx context.Context, repositoryID int64, pull int, commit approval.SHA) (bool, error)
}

// Memory keeps across restarts what GitHub said of things that cannot change any
// more. Losing it costs calls and nothing else.
type Memory interface {
	// Accounts are whose the addresses in these commits are, as far as it is known.
	Accounts(ctx context.Context, repositoryID int64, commits []approval.SHA) ([]approval.CommitAccounts, error)
	// SaveAccounts keeps accounts. Zero Users are left out: an address of nobody may
	// get an account.
	SaveAccounts(ctx context.Context, repositoryID int64, accounts []approval.CommitAccounts) error
	Fact(ctx context.Context, repositoryID int64, kind, name string) ([]byte, bool, error)
	SaveFact(ctx context.Context, repositoryID int64, kind, name string, value []byte) error
}

// nothingKept is the memory of those who have none.
type nothingKept struct{}

func (nothingKept) BranchPush(context.Context, int64, string, approval.SHA) (approval.WitnessedPush, bool, error) {
	return approval.WitnessedPush{}, false, nil
}

func (nothingKept) MergedByPerson(context.Context, int64, int, approval.SHA) (bool, error) {
	return false, nil
}

func (nothingKept) Accounts(context.Context, int64, []approval.SHA) ([]approval.CommitAccounts, error) {
	return nil, nil
}

func (nothingKept) SaveAccounts(context.Context, int64, []approval.CommitAccounts) error { return nil }

func (nothingKept) Fact(context.Context, int64, string, string) ([]byte, bool, error) {
	return nil, false, nil
}

func (nothingKept) SaveFact(context.Context, int64, string, string, []byte) error { return nil }

// The kinds of facts that are kept. The number changes with what is in them.
const (
	factPull     = "pull/1"
	factArrivals = "arrivals/1"
)

// recallFact reads a fact about a pull request into a value. What cannot be read is
// not known, so GitHub is asked.
func (c *Collector) recallFact(ctx context.Context, r *repo, kind string, number int, into any) bool {
	kept, ok, err := c.memory.Fact(ctx, r.id, kind, strconv.Itoa(number))
	if err == nil && ok {
		err = json.Unmarshal(kept, into)
	}
	if err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "memory_read_failed", slog.String("repository", string(r.name)), slog.String("kind", kind), slog.Int("pull", number), slog.Any("error", err))
	}
	return err == nil && ok
}

// rememberFact keeps a fact about a pull request. If that fails it will cost a call.
func (c *Collector) rememberFact(ctx context.Context, r *repo, kind string, number int, value any) {
	kept, err := json.Marshal(value)
	if err == nil {
		err = c.memory.SaveFact(ctx, r.id, kind, strconv.Itoa(number), kept)
	}
	if err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "memory_write_failed", slog.String("repository", string(r.name)), slog.String("kind", kind), slog.Int("pull", number), slog.Any("error", err))
	}
}

// keptPull is what is kept of a merged pull request.
type keptPull struct {
	Title          string        `json:"title"`
	URL            string        `json:"url"`
	Author         approval.User `json:"author"`
	Head           approval.SHA  `json:"head"`
	HeadRef        string        `json:"headRef"`
	HeadRepository int64         `json:"headRepository"`
	Base           string        `json:"base"`
	MergeCommit    approval.SHA  `json:"mergeCommit"`
	MergedAt       time.Time     `json:"mergedAt"`
	Queued         bool          `json:"queued"`
	OpenedAt       time.Time     `json:"openedAt,omitzero"`
	Tags           []string      `json:"tags,omitempty"`
}

// recallPull is a pull request whose landing was seen by an earlier process.
func (c *Collector) recallPull(ctx context.Context, r *repo, number int) (pull, bool) {
	var k keptPull
	if !c.recallFact(ctx, r, factPull, number, &k) {
		return pull{}, false
	}
	return pull{
		number: number, title: k.Title, url: k.URL, author: k.Author, merged: true, head: k.Head, headRef: k.HeadRef,
		headRepository: k.HeadRepository, base: k.Base, baseRepository: r.id, mergeCommit: k.MergeCommit, mergedAt: k.MergedAt, queued: k.Queued, recalled: true,
		openedAt: k.OpenedAt, tags: k.Tags,
	}, true
}

// rememberPull keeps a pull request once its landing is proven: before that, it
// may name its test merge still.
func (c *Collector) rememberPull(ctx context.Context, r *repo, p pull) {
	c.rememberFact(ctx, r, factPull, p.number, keptPull{
		Title: p.title, URL: p.url, Author: p.author, Head: p.head, HeadRef: p.headRef, HeadRepository: p.headRepository,
		Base: p.base, MergeCommit: p.mergeCommit, MergedAt: p.mergedAt, Queued: p.queued, OpenedAt: p.openedAt, Tags: p.tags,
	})
}
