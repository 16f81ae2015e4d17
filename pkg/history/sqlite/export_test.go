package sqlite

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// LimitPages bounds the size of the database, as a full disk would.
func (s *Store) LimitPages(t *testing.T, pages int) {
	t.Helper()
	_, err := s.file.Write().ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	require.NoError(t, err)
}
