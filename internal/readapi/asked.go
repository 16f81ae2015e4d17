package readapi

import (
	"errors"
	"strconv"

	"github.com/gin-gonic/gin"
)

// Errors of what Options ask others.
var (
	// ErrAsked: the question itself is not right; the reader sees the text.
	ErrAsked = errors.New("the question is not right")
	// ErrNone: there is nothing of it; the reader sees the text.
	ErrNone = errors.New("there is nothing of it")
)

// MetricsQuery says what the metrics of DORA are about, as the command line does. Empty
// fields are left out.
type MetricsQuery struct {
	Application, Gate, Team, From, To, Last string
}

// Proof is that of an entry.
type Proof struct {
	// Sequence is the number of the entry.
	Sequence uint64 `json:"sequence"`
	// Checkpoint is the signed one that the proof is under, Proof the proof with it, in the
	// form of c2sp.org/tlog-proof.
	Checkpoint string `json:"checkpoint"`
	Proof      string `json:"proof"`
}

func (a *api) metrics(c *gin.Context) (any, error) {
	shown, err := a.Metrics(c.Request.Context(), MetricsQuery{
		Application: c.Query("application"), Gate: c.Query("gate"), Team: c.Query("team"),
		From: c.Query("from"), To: c.Query("to"), Last: c.Query("last"),
	})
	return shown, asked(err)
}

func (a *api) pending(c *gin.Context) (any, error) {
	shown, err := a.Pending(c.Request.Context(), c.Query("for"))
	return shown, asked(err)
}

func (a *api) proof(c *gin.Context) (any, error) {
	sequence, err := strconv.ParseUint(c.Param("sequence"), 10, 63)
	if err != nil || sequence == 0 {
		return nil, badRequest("an entry is named by its number, from 1 on")
	}
	if a.Prove == nil {
		return nil, notFound("nothing is signed here; name a key under checkpoints.keyFile")
	}
	if _, err := a.entry(c); err != nil {
		return nil, err
	}
	proof, err := a.Prove(c.Request.Context(), sequence)
	return proof, asked(err)
}

// asked makes a problem of what the reader can put right.
func asked(err error) error {
	switch {
	case errors.Is(err, ErrAsked):
		return badRequest(err.Error())
	case errors.Is(err, ErrNone):
		return notFound(err.Error())
	default:
		return err
	}
}
