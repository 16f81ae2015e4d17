package archive

import (
	"context"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Keeping is Make for records that are too small for what it keeps.
func Keeping(ctx context.Context, r history.Reader, before, now time.Time, operations int) (Plan, error) {
	return keeping(ctx, r, before, now, operations)
}
