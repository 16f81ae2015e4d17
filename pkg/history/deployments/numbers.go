package deployments

import (
	"cmp"
	"slices"
	"sync"
)

const (
	// marksApart is how far apart the marks of an Application are at least, marksMost how
	// many it has, and applicationsMost how many Applications have some. Together they take
	// a few megabytes at most.
	marksApart       = 64
	marksMost        = 2048
	applicationsMost = 1024
)

// mark is where the deployment with a number is on record.
type mark struct {
	number   int
	sequence uint64
}

// numbers remember how many deployments Applications have, and where some of them are, so
// that counting goes on from there: a record only grows. They are learnt by reading, hold
// nothing that the record does not, and may be forgotten at any time. Safe for concurrent
// use.
type numbers struct {
	mu   sync.Mutex
	apps map[string]*counted
}

type counted struct {
	// total counts the deployments up to the entry upto.
	total int
	upto  uint64
	marks []mark
}

// known is what was counted up to an entry that is not after the head.
func (n *numbers) known(uid string, head uint64) (total int, upto uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.apps[uid]
	if c == nil {
		return 0, 0
	}
	if c.upto > head { // it is not the record that was counted
		delete(n.apps, uid)
		return 0, 0
	}
	return c.total, c.upto
}

// count keeps what was counted.
func (n *numbers) count(uid string, total int, upto uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.of(uid)
	if upto >= c.upto {
		c.total, c.upto = total, upto
	}
}

// of is under the lock.
func (n *numbers) of(uid string) *counted {
	if n.apps == nil || (len(n.apps) >= applicationsMost && n.apps[uid] == nil) {
		n.apps = map[string]*counted{}
	}
	c := n.apps[uid]
	if c == nil {
		c = &counted{}
		n.apps[uid] = c
	}
	return c
}

// learn keeps a mark, unless there is one nearby.
func (n *numbers) learn(uid string, m mark) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.of(uid)
	at, found := slices.BinarySearchFunc(c.marks, m.number, func(a mark, number int) int { return cmp.Compare(a.number, number) })
	if found || (at > 0 && m.number-c.marks[at-1].number < marksApart) || (at < len(c.marks) && c.marks[at].number-m.number < marksApart) {
		return
	}
	if len(c.marks) >= marksMost {
		c.marks = nil
		at = 0
	}
	c.marks = slices.Insert(c.marks, at, m)
}

// around are the marks before and after a number; zero for none.
func (n *numbers) around(uid string, number int) (before, after mark) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.apps[uid]
	if c == nil {
		return before, after
	}
	at, found := slices.BinarySearchFunc(c.marks, number, func(a mark, number int) int { return cmp.Compare(a.number, number) })
	if found {
		return c.marks[at], c.marks[at]
	}
	if at > 0 {
		before = c.marks[at-1]
	}
	if at < len(c.marks) {
		after = c.marks[at]
	}
	return before, after
}
