package readapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

const (
	defaultLimit, maxLimit = 100, 500
	// maxQuery bounds each argument of a query.
	maxQuery = 512
)

// list is a page of items.
type list[T any] struct {
	Items []T `json:"items"`
	// Next is the page argument for what follows; empty at the end.
	Next string `json:"next,omitempty"`
}

// limitOf reads how many items are wanted.
func limitOf(c *gin.Context) (int, *problem) {
	text, set := c.GetQuery("limit")
	if !set {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, badRequest(fmt.Sprintf("limit must be a number between 1 and %d", maxLimit))
	}
	return n, nil
}

// pageOf reads where to go on; zero is the beginning. A page is a text of ours, so that
// what is in it can change.
func pageOf(c *gin.Context) (string, *problem) {
	text := c.Query("page")
	if text == "" {
		return "", nil
	}
	after, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(after) > maxQuery {
		return "", badRequest("page is not one that an answer named in next")
	}
	return string(after), nil
}

func pageAfter(last string) string { return base64.RawURLEncoding.EncodeToString([]byte(last)) }

// checked refuses arguments that the route does not have: a filter that is misspelled
// must not show more than what was asked for.
func checked(known ...string) gin.HandlerFunc {
	return func(c *gin.Context) {
		for name, values := range c.Request.URL.Query() {
			switch {
			case !slices.Contains(known, name):
				hint := "it has none"
				if len(known) > 0 {
					hint = "it has " + strings.Join(known, ", ")
				}
				fail(c, badRequest(fmt.Sprintf("%.40q is no argument of this route; %s", name, hint)))
				return
			case len(values) > 1:
				fail(c, badRequest(name+" is there more than once"))
				return
			case len(values[0]) > maxQuery:
				fail(c, badRequest(name+" is too long"))
				return
			}
		}
	}
}

// handle answers with what a handler returns, or with 304 when the reader has it.
func (a *api) handle(do func(*gin.Context) (any, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		value, err := do(c)
		if err != nil {
			a.failed(c, err)
			return
		}
		var body bytes.Buffer
		encoder := json.NewEncoder(&body)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			a.failed(c, fmt.Errorf("encode the answer: %w", err))
			return
		}
		sum := sha256.Sum256(body.Bytes())
		tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
		c.Header("ETag", tag)
		c.Header("Cache-Control", "private, no-cache")
		if matches(c.GetHeader("If-None-Match"), tag) {
			c.Status(http.StatusNotModified)
			return
		}
		c.Data(http.StatusOK, "application/json", body.Bytes())
	}
}

// matches is the comparison of If-None-Match (RFC 9110, 13.1.2).
func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == "*" || one == tag {
			return true
		}
	}
	return false
}

// failed answers with what went wrong; what is not the reader's doing is in the log.
func (a *api) failed(c *gin.Context, err error) {
	if p, ok := err.(*problem); ok { //nolint:errorlint // handlers return it as it is
		fail(c, p)
		return
	}
	a.Logger.LogAttrs(c.Request.Context(), slog.LevelError, "api_failed", slog.String("path", c.FullPath()), slog.Any("error", err))
	fail(c, newProblem(http.StatusInternalServerError, "failed", "Gatekeeper could not answer", "its log says why"))
}
