package main

import (
	"io"
	"log/slog"

	"github.com/go-logr/logr"
	"github.com/sirupsen/logrus"
	"k8s.io/klog/v2"
)

// processLog is what the process logs to: JSON lines for the server, and what is
// wrong in words for people.
func processLog(args []string, stderr io.Writer) *slog.Logger {
	if len(args) > 0 && args[0] == "serve" {
		return slog.New(slog.NewJSONHandler(stderr, nil))
	}
	return commandLog(stderr)
}

// commandLog is the log of a command that people wait for.
func commandLog(stderr io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// quietLibraries sends what client-go says to our log, and silences logrus, on
// which Argo CD's packages write lines of another format. Both
// keep their logger in a global, so it is called once, by main.
func quietLibraries(log *slog.Logger) {
	klog.SetLogger(logr.FromSlogHandler(log.Handler()))
	logrus.SetOutput(io.Discard)
}
