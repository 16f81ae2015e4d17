package sqlitefile

import "modernc.org/libc"

// The sizes for which the allocator of modernc.org/libc keeps pages that several blocks share:
// the powers of two between these (modernc.org/memory v1.11, mallocAllign and maxSlotSize).
const (
	smallestBlock = 16
	largestBlock  = 16 << 10
)

// pageSize is that of a page of the allocator, and what its address is a multiple of.
const pageSize = 64 << 10

// room is how many blocks of each size the kept pages hold at least, or nearly so.
const room = 64

// pages are blocks of memory that nobody uses, some of each size. The allocator maps a page when
// there is no free block of a size, and unmaps a page when its last block is given back. SQLite
// asks and gives back many times for one statement, so without a block that stays in the page a
// fifth of an append went into mapping memory, and into telling the other processors that it is
// gone. Of a large block there are few to a page, and some of those are in use for long: one page
// of them would be full, and the next one come and go.
type pages struct {
	thread *libc.TLS
	blocks []uintptr
}

func keepPages() *pages {
	p := &pages{thread: libc.NewTLS()}
	for size := libc.Tsize_t(smallestBlock); size <= largestBlock; size *= 2 {
		p.keep(size, max(1, room*int(size)/pageSize))
	}
	return p
}

// keep keeps a block of a size in each of so many pages.
func (p *pages) keep(size libc.Tsize_t, count int) {
	kept, spare := map[uintptr]bool{}, []uintptr{}
	for len(kept) < count {
		block := libc.Xmalloc(p.thread, size)
		if block == 0 {
			break // without memory there is nothing to keep
		}
		if page := block / pageSize; kept[page] {
			spare = append(spare, block)
		} else {
			kept[page] = true
			p.blocks = append(p.blocks, block)
		}
	}
	for _, block := range spare {
		libc.Xfree(p.thread, block)
	}
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
