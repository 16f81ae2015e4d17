package merkle

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"

	"golang.org/x/mod/sumdb/tlog"
)

// cacheFile holds the hashes of a tree at the places that tlog.StoredHashIndex gives them,
// 32 bytes each. It implements tlog.HashReader.
type cacheFile struct{ file *os.File }

// openCache opens the file, and makes it when it is to be written.
func openCache(path string, write bool) (*cacheFile, error) {
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR | os.O_CREATE
	}
	file, err := os.OpenFile(path, flag, 0o600) //nolint:gosec // in the folder that the operator configured
	if err != nil {
		return nil, fmt.Errorf("open the cache of hashes: %w", err)
	}
	return &cacheFile{file}, nil
}

// holds says whether the file is long enough for a tree of that size.
func (c *cacheFile) holds(size int64) bool {
	info, err := c.file.Stat()
	return err == nil && tlog.StoredHashCount(size) <= info.Size()/tlog.HashSize
}

// ReadHashes implements tlog.HashReader.
func (c *cacheFile) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if _, err := c.file.ReadAt(hashes[i][:], index*tlog.HashSize); err != nil {
			return nil, fmt.Errorf("read a hash: %w", err)
		}
	}
	return hashes, nil
}

// writer writes on after the hashes of a tree of that size. What stood there is gone.
func (c *cacheFile) writer(size int64) (*bufio.Writer, error) {
	end := tlog.StoredHashCount(size) * tlog.HashSize
	if err := c.file.Truncate(end); err != nil {
		return nil, fmt.Errorf("shorten the cache of hashes: %w", err)
	}
	return bufio.NewWriterSize(io.NewOffsetWriter(c.file, end), 1<<16), nil
}

func (c *cacheFile) close() error { return c.file.Close() }

// memory holds the hashes of a tree like cacheFile.
type memory []tlog.Hash

// ReadHashes implements tlog.HashReader.
func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index < 0 || index >= int64(len(m)) {
			return nil, errors.New("a hash beyond the end of the tree")
		}
		hashes[i] = m[index]
	}
	return hashes, nil
}

// readLimited reads a small file whole.
func readLimited(path string, limit int64) (string, error) {
	file, err := os.Open(path) //nolint:gosec // in the folder that the operator configured
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	if int64(len(text)) > limit {
		return "", fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return string(text), nil
}

// replaceFile writes a file so that after a crash either the old or the new one is there.
func replaceFile(path, text string) (err error) {
	draft := path + ".new"
	file, err := os.OpenFile(draft, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // as above
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(draft, path)
}

// missing says whether a file is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// asSize is a sequence number as the size of a tree.
func asSize(sequence uint64) int64 { return int64(min(sequence, math.MaxInt64)) }
