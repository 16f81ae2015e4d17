package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Code says of an error what kind it is, so that a client can act on it.
type Code string

// The codes of errors.
const (
	// CodeUnknownVerb: the process is of another version than the command.
	CodeUnknownVerb Code = "unknown_verb"
	// CodeInvalid: the order itself makes no sense.
	CodeInvalid Code = "invalid"
	// CodeNotFound: what the order is about does not exist.
	CodeNotFound Code = "not_found"
	// CodeRefused: the order is understood, and not allowed as things are.
	CodeRefused Code = "refused"
	// CodeChanged: what the order is about is not any more what the person saw.
	CodeChanged Code = "changed"
	// CodeBusy: too many orders at once.
	CodeBusy Code = "busy"
	// CodeFailed: the order could not be carried out for another reason.
	CodeFailed Code = "failed"
)

// Error is what goes wrong with an order, for people.
type Error struct {
	Code Code   `json:"code"`
	Text string `json:"text"`
	// Remedy says what to do about it; empty when there is nothing to say.
	Remedy string `json:"remedy,omitempty"`
}

func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Text
	}
	return e.Text + "; " + e.Remedy
}

// asError makes an Error of any error.
func asError(err error) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	return &Error{Code: CodeFailed, Text: err.Error()}
}

// Handler carries out one verb. It gets one JSON value and returns what is encoded as
// JSON. An *Error among what it returns reaches the client as it is.
type Handler func(ctx context.Context, in json.RawMessage) (any, error)

// Handle makes a Handler of a function with types of its own. A field that the input's
// type does not have is an error: a newer client means something by it.
func Handle[In, Out any](do func(context.Context, In) (Out, error)) Handler {
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		var in In
		if err := strict(raw, &in); err != nil {
			return nil, &Error{
				Code: CodeInvalid, Text: "the order cannot be read: " + err.Error(),
				Remedy: "use the command of the same version as the process that runs",
			}
		}
		return do(ctx, in)
	}
}

func strict(raw []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}

// Verbs are the handlers by the name of their verb. It must not be changed once it is
// in use.
type Verbs map[string]Handler

// Do carries out one order. Every error is an *Error.
func (v Verbs) Do(ctx context.Context, verb string, in json.RawMessage) (json.RawMessage, error) {
	handler, ok := v[verb]
	if !ok {
		return nil, &Error{
			Code: CodeUnknownVerb, Text: fmt.Sprintf("there is no order %q, but %v", verb, slices.Sorted(maps.Keys(v))),
			Remedy: "use the command of the same version as the process that runs",
		}
	}
	out, err := handler(ctx, in)
	if err != nil {
		return nil, asError(err)
	}
	encoded, err := json.Marshal(out)
	if err != nil {
		return nil, asError(fmt.Errorf("encode the answer: %w", err))
	}
	return encoded, nil
}

// Call is Do with values in place of JSON.
func (v Verbs) Call(ctx context.Context, verb string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return asError(fmt.Errorf("encode the order: %w", err))
	}
	answer, err := v.Do(ctx, verb, raw)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return asError(fmt.Errorf("read the answer: %w", err))
	}
	return nil
}
