package sqlite

import (
	"context"
	"fmt"
)

// Examine implements history.Examined.
func (r *Reader) Examine(ctx context.Context) (string, error) {
	schema, err := schema()
	if err != nil {
		return "", err
	}
	found, err := r.file.Examine(ctx, schema)
	if err != nil {
		return "", fmt.Errorf("examine the record's file: %w", err)
	}
	return found, nil
}
