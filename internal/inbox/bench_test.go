package inbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// BenchmarkPut measures one durable delivery of the usual size, 20 KiB.
func BenchmarkPut(b *testing.B) {
	store := fresh(b)
	body := []byte(strings.Repeat("x", 20<<10))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := store.Put(b.Context(), inbox.Delivery{GUID: fmt.Sprint("guid-", i), Event: "push", Received: at(i), Body: body}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHeadPush measures a read of the witness among 2,000 heads.
func BenchmarkHeadPush(b *testing.B) {
	store := fresh(b)
	for i := range 2000 {
		w := push('a', 1, i)
		w.Pull = i + 1
		if err := store.SaveHead(b.Context(), w); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, found, err := store.HeadPush(b.Context(), 7, 1042, approval.SHA(sha('a'))); err != nil || !found {
			b.Fatal(found, err)
		}
	}
}
