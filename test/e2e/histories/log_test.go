package histories

import "fmt"

// journal is what people did, as the generator did it for them.
type journal struct {
	seq      int
	team     map[string]bool // who is in acme/sre
	pulls    []*pullRecord
	landings map[string]*landing // by the commit of the branch at which they end
	words    []string
}

type pullRecord struct {
	number       int
	author       string
	branch, base string
	heads        []headRecord
	reviews      []*reviewRecord
	open, merged bool
}

// headRecord is the arrival of a head.
type headRecord struct {
	sha, pusher string
	seq         int
}

type reviewRecord struct {
	id           int64
	who, state   string
	commit, base string
	seq          int
	second       int64 // by GitHub's clock
	lost         bool  // its delivery
	dismissed    bool
	dismissedBy  string
}

// landing is the arrival of a pull request at the protected branch.
type landing struct {
	pull          *pullRecord
	before, after string
	head          string
	method        string
	seq           int
	second        int64
}

func (j *journal) say(format string, args ...any) {
	j.words = append(j.words, fmt.Sprintf(format, args...))
}

func (p *pullRecord) head() string { return p.heads[len(p.heads)-1].sha }

func (p *pullRecord) name() string { return fmt.Sprintf("#%d", p.number) }
