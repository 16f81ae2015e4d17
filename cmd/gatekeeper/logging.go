package main

import (
	"io"
	"log/slog"

	"github.com/go-logr/logr"
	"github.com/sirupsen/logrus"
	"k8s.io/klog/v2"
)

// quietLibraries sends what client-go says to our log, and silences logrus, on
// which Argo CD's packages write lines of another format.
func quietLibraries(log *slog.Logger) {
	klog.SetLogger(logr.FromSlogHandler(log.Handler()))
	logrus.SetOutput(io.Discard)
}
