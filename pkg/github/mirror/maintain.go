package mirror

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Every fetch that brings something is one more pack, and every object lookup
// asks all packs. These are the numbers from which on packs are put together.
const (
	manyPacks = 40
	// manyLoose is counted in one of 256 folders, as git gc does.
	manyLoose = 27
	// manyRefs is how many refs of pull requests may be files of their own.
	manyRefs = 256
)

// maintain puts packs together when there are many. It runs beside everything
// else: git keeps objects that are being read, and nothing is ever removed, not
// even commits that no ref reaches any more.
func (m *Mirror) maintain(ctx context.Context) {
	if !m.upkeep.TryLock() {
		return
	}
	if !crowded(m.git.dir) {
		m.upkeep.Unlock()
		return
	}
	ctx = context.WithoutCancel(ctx)
	started := m.start(func() {
		defer m.upkeep.Unlock()
		began := time.Now()
		// Geometric repacking touches few packs each time and takes unreachable
		// objects along.
		_, err := m.git.run(ctx, "", "repack", "--geometric=2", "-d", "--quiet", "--no-write-bitmap-index")
		if err != nil {
			m.log.LogAttrs(ctx, slog.LevelWarn, "mirror.maintenance_failed", slog.String("error", err.Error()))
			return
		}
		m.log.LogAttrs(ctx, slog.LevelDebug, "mirror.maintained", slog.Duration("took", time.Since(began)))
	})
	if !started {
		m.upkeep.Unlock()
	}
}

// packRefs puts the refs into one file when there are many, because git reads
// all of them for every fetch. It runs between two fetches: both lock refs.
func (m *Mirror) packRefs(ctx context.Context) {
	refs, err := os.ReadDir(filepath.Join(m.git.dir, refFolder, "pull"))
	if err != nil || len(refs) <= manyRefs {
		return
	}
	if _, err := m.git.run(ctx, "", "pack-refs", "--all", "--prune"); err != nil {
		m.log.LogAttrs(ctx, slog.LevelWarn, "mirror.maintenance_failed", slog.String("error", err.Error()))
	}
}

func crowded(dir string) bool {
	packs := 0
	entries, err := os.ReadDir(filepath.Join(dir, "objects", "pack"))
	if err != nil {
		return false
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".pack") {
			packs++
		}
	}
	loose, err := os.ReadDir(filepath.Join(dir, "objects", "17"))
	return packs > manyPacks || err == nil && len(loose) > manyLoose
}
