package sqlitefile

import "modernc.org/libc"

// The sizes for which the allocator of modernc.org/libc keeps pages that several blocks share:
// the powers of two between these (modernc.org/memory v1.11, mallocAllign and maxSlotSize).
const (
	smallestBlock = 16
	largestBlock  = 16 << 10
)

// pages are blocks of memory that nobody uses, one of each size. The allocator maps a page of
// 64 KiB when the first block of a size is asked for, and unmaps it when the last one is given
// back. SQLite asks and gives back many times for one statement, so without a block that stays
// a fifth of an append went into mapping memory.
type pages struct {
	thread *libc.TLS
	blocks []uintptr
}

func keepPages() *pages {
	p := &pages{thread: libc.NewTLS()}
	for size := libc.Tsize_t(smallestBlock); size <= largestBlock; size *= 2 {
		if block := libc.Xmalloc(p.thread, size); block != 0 { // without memory there is nothing to keep
			p.blocks = append(p.blocks, block)
		}
	}
	return p
}

// release gives the blocks back; a second time it does nothing.
func (p *pages) release() {
	for _, block := range p.blocks {
		libc.Xfree(p.thread, block)
	}
	p.blocks = nil
	if p.thread != nil {
		p.thread.Close()
		p.thread = nil
	}
}
