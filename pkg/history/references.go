package history

import (
	"context"
	"fmt"
	"slices"
)

// Lookup is what CheckReferences needs to know of a record. A store answers it
// inside the transaction of the Append.
type Lookup interface {
	Entries(ctx context.Context, from uint64, limit int) ([]Entry, error)
	Intent(ctx context.Context, id string) ([]Entry, error)
	Acts(ctx context.Context) ([]Entry, error)
	// Decided is what the entry with that number says, if it is a decision. DecidedAt reads it; a
	// store may know it without, until its payload is archived.
	Decided(ctx context.Context, sequence uint64) (Decided, bool, error)
}

// CheckReferences says, with ErrInvalid, when new entries contradict the record
// that they are about to be appended to:
//
//   - an intent's ID is used once, and the intent names an earlier decision of
//     the same gate about the same Application, made of the same policy and
//     facts, that allows exactly its candidate; if that is by break-glass, the intent
//     names the order, and if the gate syncs on command, the intent names an earlier
//     order to sync exactly that, unless a person syncs it;
//   - an outcome names an intent for the same Application that has no outcome;
//   - an abandonment names an intent for the same Application that has neither;
//   - a change of health, and a mark, is of a completed operation of the same Application;
//   - the ID of an order is used once, a release names a hold and a review a use of
//     break-glass, of the same gate and Application, that has none yet.
//
// An outcome after an abandonment is taken: a request that was given up for lost
// and arrived after all belongs in the record.
func CheckReferences(ctx context.Context, record Lookup, entries []Entry) error {
	var orders orderBook
	for i, entry := range entries {
		c := references{record: record, earlier: entries[:i], orders: &orders}
		var err error
		switch entry.Kind {
		case KindDecision, KindDenied, KindObserved, KindArchived, KindPolicy:
		case KindHealth:
			err = c.health(ctx, entry)
		case KindAct:
			err = c.act(ctx, entry)
		case KindIntent:
			err = c.intent(ctx, entry)
		case KindOutcome, KindAbandoned:
			err = c.settlement(ctx, entry)
		default:
			err = fmt.Errorf("the kind %q: %w", entry.Kind, ErrInvalid)
		}
		if err != nil {
			return fmt.Errorf("%s for %s: %w", entry.Kind, entry.Application, err)
		}
	}
	return nil
}

// references looks things up in the record and in the entries that come before
// in the same Append.
type references struct {
	record  Lookup
	earlier []Entry
	orders  *orderBook
}

// orderBook holds the orders on record, once something has asked for them.
type orderBook struct {
	read bool
	acts []recordedAct
}

type recordedAct struct {
	ActPayload
	entry Entry
}

// load reads the orders on record once, and adds those that came meanwhile.
func (o *orderBook) load(ctx context.Context, record Lookup, earlier []Entry) error {
	from := 0
	if !o.read {
		before, err := record.Acts(ctx)
		if err != nil {
			return fmt.Errorf("look up orders: %w", err)
		}
		for _, entry := range before {
			if err := o.add(entry); err != nil {
				return err
			}
		}
		o.read = true
	} else if len(o.acts) > 0 {
		last := o.acts[len(o.acts)-1].entry.Sequence
		for from < len(earlier) && earlier[from].Sequence <= last {
			from++
		}
	}
	for _, entry := range earlier[from:] {
		if entry.Kind == KindAct {
			if err := o.add(entry); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *orderBook) add(entry Entry) error {
	act, err := Decode[ActPayload](entry)
	if err != nil {
		return err
	}
	o.acts = append(o.acts, recordedAct{act, entry})
	return nil
}

func (c references) intent(ctx context.Context, entry Entry) error {
	history, err := c.related(ctx, entry.Intent)
	if err != nil {
		return err
	}
	if len(history) > 0 {
		return fmt.Errorf("intent %q is on record already, in entry %d: %w", entry.Intent, history[0].Sequence, ErrInvalid)
	}
	intent, err := Decode[IntentPayload](entry)
	if err != nil {
		return err
	}
	decision, ok, err := c.decided(ctx, intent.DecisionSequence)
	if err != nil {
		return err
	}
	if !ok || decision.Application != entry.Application {
		return fmt.Errorf("entry %d is not a decision about this Application: %w", intent.DecisionSequence, ErrInvalid)
	}
	// A person may sync what was trusted before everything that waits.
	again := intent.Admitted != nil && intent.Act == "" && decision.Baseline.UID != "" &&
		decision.Baseline.Equal(intent.Candidate)
	switch {
	case decision.Gate != intent.Gate, decision.PolicyDigest != intent.PolicyDigest, decision.FactsDigest != intent.FactsDigest:
		return fmt.Errorf("the decision of entry %d is of another gate, policy or facts: %w", intent.DecisionSequence, ErrInvalid)
	case again:
		return nil
	case !decision.Allowed || !decision.Candidate.Equal(intent.Candidate):
		return fmt.Errorf("the decision of entry %d does not allow this candidate: %w", intent.DecisionSequence, ErrInvalid)
	case decision.Override != "" && intent.Act != decision.Override:
		// Else what was deployed by break-glass could pass for what was approved.
		return fmt.Errorf("the decision of entry %d is by break-glass %q, and the intent names %q: %w",
			intent.DecisionSequence, decision.Override, intent.Act, ErrInvalid)
	case intent.Admitted != nil:
		return nil
	default:
		return c.asked(ctx, entry, intent, decision)
	}
}

// asked refuses a sync of our own that nobody asked for although the decision waits for
// that, or that somebody asked for who meant something else.
func (c references) asked(ctx context.Context, entry Entry, intent IntentPayload, decision Decided) error {
	switch {
	case decision.Waits:
		return fmt.Errorf("the decision of entry %d waits for somebody to say sync: %w", intent.DecisionSequence, ErrInvalid)
	case intent.Asked != decision.Asked:
		return fmt.Errorf("the decision of entry %d was asked for by %q, and the intent names %q: %w",
			intent.DecisionSequence, decision.Asked, intent.Asked, ErrInvalid)
	case intent.Asked == "":
		return nil
	}
	if err := c.orders.load(ctx, c.record, c.earlier); err != nil {
		return err
	}
	for _, order := range c.orders.acts {
		if order.ID == intent.Asked && order.Verb == VerbSync && order.Gate == intent.Gate &&
			order.entry.Application == entry.Application && order.Candidate.Equal(intent.Candidate) {
			return nil
		}
	}
	return fmt.Errorf("there is no order %q to sync this candidate: %w", intent.Asked, ErrInvalid)
}

func (c references) settlement(ctx context.Context, entry Entry) error {
	history, err := c.related(ctx, entry.Intent)
	if err != nil {
		return err
	}
	if len(history) == 0 || history[0].Kind != KindIntent || history[0].Application != entry.Application {
		return fmt.Errorf("no intent %q for this Application is on record: %w", entry.Intent, ErrInvalid)
	}
	for _, earlier := range history[1:] {
		if earlier.Kind == KindOutcome || entry.Kind == KindAbandoned {
			return fmt.Errorf("intent %q has its %s in entry %d: %w", entry.Intent, earlier.Kind, earlier.Sequence, ErrInvalid)
		}
	}
	return nil
}

// act compares an order with those before. There are few: they are what people
// write by hand.
func (c references) act(ctx context.Context, entry Entry) error {
	act, err := Decode[ActPayload](entry)
	if err != nil {
		return err
	}
	if err := c.orders.load(ctx, c.record, c.earlier); err != nil {
		return err
	}
	if act.Verb == VerbMark {
		if err := c.operation(ctx, entry, act.Deployment); err != nil {
			return err
		}
	}
	found := act.Of == ""
	for _, other := range c.orders.acts {
		switch {
		case other.ID == act.ID:
			return fmt.Errorf("order %q is on record already, in entry %d: %w", act.ID, other.entry.Sequence, ErrInvalid)
		case act.Of == "":
		case other.Of == act.Of:
			return fmt.Errorf("order %q has its %s in entry %d: %w", act.Of, other.Verb, other.entry.Sequence, ErrInvalid)
		case other.ID == act.Of:
			found = other.Gate == act.Gate && other.entry.Application == entry.Application && answers(act.Verb, other.Verb)
		}
	}
	if !found {
		return fmt.Errorf("there is no order %q of gate %q that a %s could be of: %w", act.Of, act.Gate, act.Verb, ErrInvalid)
	}
	return nil
}

// health compares a change of health with the deployment that it is about.
func (c references) health(ctx context.Context, entry Entry) error {
	change, err := Decode[HealthPayload](entry)
	if err != nil {
		return err
	}
	return c.operation(ctx, entry, change.Of)
}

// operation says whether an entry is of a completed operation of the Application that
// another one is about.
func (c references) operation(ctx context.Context, entry Entry, of uint64) error {
	found, ok, err := c.at(ctx, of)
	if err != nil {
		return err
	}
	if !ok || !slices.Contains(Deployed(), found.Kind) || found.Application != entry.Application {
		return fmt.Errorf("entry %d is not an operation of this Application: %w", of, ErrInvalid)
	}
	return nil
}

// answers says whether an order of one verb can be about one of the other.
func answers(verb, of Verb) bool {
	return (verb == VerbRelease && of == VerbHold) || (verb == VerbReview && of == VerbBreakGlass)
}

func (c references) related(ctx context.Context, intent string) ([]Entry, error) {
	related, err := c.record.Intent(ctx, intent)
	if err != nil {
		return nil, fmt.Errorf("look up intent %q: %w", intent, err)
	}
	for _, entry := range c.earlier {
		if entry.Intent == intent {
			related = append(related, entry)
		}
	}
	return related, nil
}

func (c references) decided(ctx context.Context, sequence uint64) (Decided, bool, error) {
	if entry, ok := c.before(sequence); ok {
		return DecidedBy(entry)
	}
	return c.record.Decided(ctx, sequence)
}

func (c references) at(ctx context.Context, sequence uint64) (Entry, bool, error) {
	if entry, ok := c.before(sequence); ok {
		return entry, true, nil
	}
	return at(ctx, c.record, sequence)
}

// before looks in the same Append.
func (c references) before(sequence uint64) (Entry, bool) {
	for _, entry := range c.earlier {
		if entry.Sequence == sequence {
			return entry, true
		}
	}
	return Entry{}, false
}

// entryReader is the part of a Reader that DecidedAt needs.
type entryReader interface {
	Entries(ctx context.Context, from uint64, limit int) ([]Entry, error)
}

func at(ctx context.Context, record entryReader, sequence uint64) (Entry, bool, error) {
	found, err := record.Entries(ctx, sequence, 1)
	if err != nil {
		return Entry{}, false, fmt.Errorf("look up entry %d: %w", sequence, err)
	}
	if len(found) == 0 || found[0].Sequence != sequence {
		return Entry{}, false, nil
	}
	return found[0], true, nil
}
