package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// reader reads an export line by line.
type reader struct {
	begun  bool
	in     *bufio.Reader
	long   []byte
	parser history.LineParser
	key    merkle.Verifier
}

func newReader(in io.Reader, key merkle.Verifier) *reader {
	return &reader{in: bufio.NewReaderSize(in, 1<<20), key: key}
}

// line is one line: an entry, a checkpoint, or neither, with the reason.
type line struct {
	entry      history.Entry
	checkpoint *merkle.Signed
	opening    *opening
	wrong      error
	// claims is true for a line that is wrong and begins as a checkpoint does.
	claims bool
}

// sealed says whether the line is an entry whose digest fits.
func (l line) sealed() bool {
	return l.wrong == nil && l.checkpoint == nil && l.opening == nil && (l.entry.Archived() || l.entry.Sealed())
}

var errLineEnd = errors.New("it has no line end: the file was cut off")

// checkpointPrefix begins the last line.
const checkpointPrefix = `{"checkpoint":`

// next returns the next line; false at the end. An error means that the file cannot be
// read.
func (r *reader) next() (line, bool, error) {
	text, err := r.text()
	switch {
	case errors.Is(err, io.EOF) && len(text) == 0:
		return line{}, false, nil
	case errors.Is(err, io.EOF):
		return line{wrong: errLineEnd}, true, nil
	case errors.Is(err, errTooLong):
		return line{wrong: err}, true, nil
	case err != nil:
		return line{}, false, fmt.Errorf("read the export: %w", err)
	}
	text = text[:len(text)-1]
	first := !r.begun
	r.begun = true
	if first && (bytes.HasPrefix(text, []byte(archivesPrefix)) || bytes.HasPrefix(text, []byte(beforePrefix))) {
		o, err := parseOpening(text)
		return line{opening: &o, wrong: err}, true, nil
	}
	if bytes.HasPrefix(text, []byte(checkpointPrefix)) {
		signed, err := r.checkpoint(text)
		if err != nil {
			return line{wrong: err, claims: true}, true, nil //nolint:nilerr // it is the line that is wrong
		}
		return line{checkpoint: &signed}, true, nil
	}
	entry, err := r.parser.Parse(text)
	return line{entry: entry, wrong: err}, true, nil
}

var errTooLong = errors.New("it is longer than an entry can be")

// text returns the next line with its end, valid until the next call. A line that is too
// long is read over.
func (r *reader) text() ([]byte, error) {
	part, err := r.in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return part, err
	}
	r.long = append(r.long[:0], part...)
	long := false
	for errors.Is(err, bufio.ErrBufferFull) {
		part, err = r.in.ReadSlice('\n')
		if long = long || len(r.long)+len(part) > history.MaxLine+1; !long {
			r.long = append(r.long, part...)
		}
	}
	if long && (err == nil || errors.Is(err, io.EOF)) {
		return nil, errTooLong
	}
	return r.long, err
}

func (r *reader) checkpoint(text []byte) (merkle.Signed, error) {
	var parsed checkpointLine
	if err := json.Unmarshal(text, &parsed); err != nil {
		return merkle.Signed{}, fmt.Errorf("it is no checkpoint: %w", err)
	}
	canonical, err := history.Canonical(parsed)
	if err != nil {
		return merkle.Signed{}, fmt.Errorf("it is no checkpoint: %w", err)
	}
	if !bytes.Equal(canonical, text) {
		return merkle.Signed{}, errors.New("it is not how a checkpoint is written")
	}
	return r.key.Open(parsed.Checkpoint)
}
