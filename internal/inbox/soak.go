package inbox

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
)

// maxSoak bounds what is kept of one Application, in bytes.
const maxSoak = 256 << 10

// Soaks returns what was remembered of Applications about the images that run in
// them, by "namespace/name". To lose it loses time: an image is proven later.
func (s *Store) Soaks(ctx context.Context) (map[string][]byte, error) {
	found := map[string][]byte{}
	err := s.each(ctx, func(rows *sql.Rows) error {
		var application string
		var memory []byte
		err := rows.Scan(&application, &memory)
		found[application] = memory
		return err
	}, "SELECT application, memory FROM soaks")
	if err != nil {
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
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// In one order, so that two who save the same ones do not wait for one another.
		for _, application := range slices.Sorted(maps.Keys(memories)) {
			var err error
			if memory := memories[application]; memory == nil {
				_, err = tx.ExecContext(ctx, "DELETE FROM soaks WHERE application = $1", application)
			} else {
				_, err = tx.ExecContext(ctx, `INSERT INTO soaks (application, memory) VALUES ($1, $2)
					ON CONFLICT (application) DO UPDATE SET memory = excluded.memory`, application, memory)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", application, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep what runs in Applications: %w", err)
	}
	return nil
}
