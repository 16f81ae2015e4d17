package sqlitefile

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"modernc.org/libc"
)

// TestPagesStay: with up to a quarter of the room in use for long, memory is not unmapped when the
// next block is given back.
func TestPagesStay(t *testing.T) {
	p := keepPages()
	defer p.release()
	thread := libc.NewTLS()
	defer thread.Close()
	for size := libc.Tsize_t(smallestBlock); size <= largestBlock; size *= 2 {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			for range room / 4 {
				block := libc.Xmalloc(thread, size)
				require.NotZero(t, block)
				libc.Xfree(thread, block)
				require.True(t, mapped(block), "after the block was given back")
				inUse := libc.Xmalloc(thread, size)
				defer libc.Xfree(thread, inUse)
			}
		})
	}
}

// mapped says whether there is memory at an address (mincore(2): ENOMEM where there is none).
func mapped(address uintptr) bool {
	var resident byte
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, address&^uintptr(unix.Getpagesize()-1), 1, uintptr(unsafe.Pointer(&resident)))
	return errno == 0
}
