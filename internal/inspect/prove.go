package inspect

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// prove says how a landing landed.
func (in *inspection) prove(ctx context.Context, p planned, l *Landing) error {
	at := in.steps[p.last]
	switch {
	case len(at.commit.Parents) > 2:
		l.Kind, l.Proof = KindUnknown, ProofNone
		l.add(CodeShape, "%s has %d parents; GitHub makes merge commits with two", l.SHA.Short(), len(at.commit.Parents))
		return nil
	case p.pushed:
		l.Kind, l.Proof = KindDirect, ProofNone
		l.add(CodeMarked, "%s is the head of #%d itself: it was pushed to the branch, and a pull request is only marked as merged by that", l.SHA.Short(), p.pull)
		return nil
	case p.head == "" && len(at.commit.Parents) == 0:
		l.Kind, l.Proof = KindDirect, ProofNone
		l.add(CodeRoot, "%s has no parent: the history begins here", l.SHA.Short())
		return nil
	case p.head == "" && p.pull > 0:
		l.Kind, l.Proof = in.queue(p, KindSquash), ProofClaimed
		l.add(CodeClaim, "the message names #%d, which proves nothing: its author wrote it; the clone lacks the head of #%d, so what landed cannot be compared with what was reviewed", p.pull, p.pull)
		return nil
	case p.head == "":
		l.Kind, l.Proof = KindDirect, ProofNone
		l.add(CodeDirect, "no pull request is named: a push to the branch, or a commit of a rebased pull request whose head the clone lacks")
		return nil
	}
	proof := p.proof
	if proof == nil {
		computed, err := in.repo.Prove(ctx, at.commit, p.head, in.boundary(p)...)
		if missing, ok := errors.AsType[*mirror.MissingObjectError](err); ok {
			l.Kind, l.Proof = in.queue(p, shape(at.commit)), ProofNone
			l.add(CodeUnproven, "what %s should be cannot be computed: %s", l.SHA.Short(), missing.Remedy())
			return nil
		}
		if err != nil {
			return err
		}
		proof = &computed
	}
	l.Kind = in.queue(p, Kind(proof.Kind))
	if l.Proof = ProofProven; proof.Proof.Result != approval.Proven {
		l.Proof = ProofMismatch
		l.add(CodeMismatch, "%s is not what its head %s gives: %s", l.SHA.Short(), p.head.Short(), proof.Proof.Detail)
	}
	merged := len(at.commit.Parents) == 2
	known, ok := in.heads[p.pull]
	switch {
	case merged && p.pull == 0:
		l.add(CodeNoPull, "the merge names no pull request: it can have been made and pushed by hand")
	case merged && ok && known != p.head:
		l.Proof = ProofMismatch
		l.add(CodeHead, "the message names #%d, whose head is %s in the clone, but %s was merged", p.pull, known.Short(), p.head.Short())
	case p.found:
		l.add(CodeFound, "the message names no pull request; the head of #%d in the clone gives exactly this", p.pull)
	}
	return nil
}

// shape is the kind that the number of parents suggests.
func shape(c mirror.Commit) Kind {
	if len(c.Parents) == 2 {
		return KindMerge
	}
	return KindSquash
}

func (in *inspection) queue(p planned, kind Kind) Kind {
	if in.steps[p.last].claim.Queue && (kind == KindMerge || kind == KindSquash || kind == KindRebase) {
		return KindQueue
	}
	return kind
}

// sign lists the signatures of a landing.
func (in *inspection) sign(p planned, l *Landing, signatures map[approval.SHA]Signature) {
	l.Signatures = []Signature{}
	for _, sha := range slices.Backward(p.own.Commits) {
		l.Signatures = append(l.Signatures, signatures[sha])
	}
	l.sides = len(l.Signatures)
	if p.own.Cut {
		l.add(CodeBehind, "more than %d commits are behind it; the signatures of the first %d that were found are listed", maxOwn, maxOwn)
	}
	for n := p.last - p.commits + 1; n <= p.last; n++ {
		l.Signatures = append(l.Signatures, in.steps[n].signature)
	}
	judged := l.Signatures[:l.sides]
	if l.sides == 0 {
		judged = l.Signatures
	}
	unsigned := 0
	for _, s := range judged {
		if s.State == StateNone {
			unsigned++
		}
	}
	if unsigned > 0 {
		l.add(CodeUnsigned, "%d of %d commits are not signed", unsigned, len(judged))
	}
	var broken []string
	for _, s := range l.Signatures {
		if s.State == StateMalformed {
			broken = append(broken, s.Commit.Short())
		}
	}
	if n := len(broken); n > 0 {
		l.add(CodeMalformed, "%d signatures cannot be read: %s", n, strings.Join(broken[:min(n, 5)], ", "))
	}
}
