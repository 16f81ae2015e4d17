package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// stores says, whenever Prometheus asks, what waits in the inbox and how large the record is.
type stores struct {
	inbox interface {
		Backlog(ctx context.Context) (inbox.Backlog, error)
	}
	record interface {
		Head(ctx context.Context) (history.Head, error)
	}
	// file is the record's, empty when it is in PostgreSQL.
	file string
	log  *slog.Logger

	pending, oldest, parked, asked, entries, bytes *prometheus.Desc
}

// storesTimeout is for reading all of it: Prometheus itself waits for 10 s.
const storesTimeout = 2 * time.Second

func newStores(cfg config.Config, box *inbox.Store, record history.Reader, log *slog.Logger) *stores {
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	s := &stores{
		inbox: box, record: record, log: log,
		pending: desc("gatekeeper_inbox_pending", "Deliveries that are stored and not processed yet."),
		oldest:  desc("gatekeeper_inbox_oldest_seconds", "How long the oldest of them waits; 0 when none does."),
		parked:  desc("gatekeeper_inbox_parked", "Deliveries that failed too often; a redelivery brings them back."),
		asked:   desc("gatekeeper_commands_pending", "What was asked for by comments and buttons and is not finished."),
		entries: desc("gatekeeper_record_entries", "Entries of the record."),
		bytes:   desc("gatekeeper_record_bytes", "Size of the record's file, without its journal; not there with PostgreSQL."),
	}
	if cfg.File.Record.Postgres == nil {
		s.file = recordPath(cfg.File.DataDirectory)
	}
	return s
}

// Describe implements prometheus.Collector.
func (s *stores) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.pending, s.oldest, s.parked, s.asked, s.entries, s.bytes} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What cannot be read has no value.
func (s *stores) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), storesTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, value float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
	backlog, err := s.inbox.Backlog(ctx)
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "store_not_measured", slog.String("store", "inbox"), slog.Any("error", err))
	} else {
		age := 0.0
		if !backlog.Oldest.IsZero() {
			age = max(0, time.Since(backlog.Oldest).Seconds())
		}
		gauge(s.pending, float64(backlog.Pending))
		gauge(s.oldest, age)
		gauge(s.parked, float64(backlog.Parked))
		gauge(s.asked, float64(backlog.Asked))
	}
	head, err := s.record.Head(ctx)
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "store_not_measured", slog.String("store", "record"), slog.Any("error", err))
	} else {
		gauge(s.entries, float64(head.Sequence))
	}
	if s.file == "" {
		return
	}
	if about, err := os.Stat(s.file); err == nil {
		gauge(s.bytes, float64(about.Size()))
	}
}
