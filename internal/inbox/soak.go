package inbox

import (
	"context"
	"fmt"
)

// maxSoak bounds what is kept of one Application, in bytes.
const maxSoak = 256 << 10

// Soaks returns what was remembered of Applications about the images that run in
// them, by "namespace/name". To lose it loses time: an image is proven later.
func (s *Store) Soaks(ctx context.Context) (_ map[string][]byte, err error) {
	rows, err := s.file.Read().QueryContext(ctx, "SELECT application, memory FROM soaks")
	if err != nil {
		return nil, fmt.Errorf("read what runs in Applications: %w", err)
	}
	defer func() {
		if closing := rows.Close(); err == nil && closing != nil {
			err = fmt.Errorf("read what runs in Applications: %w", closing)
		}
	}()
	found := map[string][]byte{}
	for rows.Next() {
		var application string
		var memory []byte
		if err := rows.Scan(&application, &memory); err != nil {
			return nil, fmt.Errorf("read what runs in Applications: %w", err)
		}
		found[application] = memory
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read what runs in Applications: %w", err)
	}
	return found, nil
}

// SaveSoaks keeps what is remembered of the Applications, all or nothing. Nil
// forgets an Application.
func (s *Store) SaveSoaks(ctx context.Context, memories map[string][]byte) error {
	for application, memory := range memories {
		if application == "" || len(memory) > maxSoak {
			return fmt.Errorf("keep what runs in %q: %w", application, ErrInvalid)
		}
	}
	tx, err := s.file.Write().BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("keep what runs in Applications: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // without effect once it is committed
	for application, memory := range memories {
		if memory == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM soaks WHERE application = ?", application)
		} else {
			_, err = tx.ExecContext(ctx, `INSERT INTO soaks (application, memory) VALUES (?, ?)
				ON CONFLICT DO UPDATE SET memory = excluded.memory`, application, memory)
		}
		if err != nil {
			return fmt.Errorf("keep what runs in %s: %w", application, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("keep what runs in Applications: %w", err)
	}
	return nil
}
