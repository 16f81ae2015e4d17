package bypass

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// chartServer is a Helm repository of which nobody guards what is in it. A version
// can be published again with other content.
type chartServer struct {
	url   string
	close func()

	mu     sync.Mutex
	charts map[string][]byte // by version
}

func newChartServer() *chartServer {
	s := &chartServer{charts: map[string][]byte{}}
	server := httptest.NewServer(s)
	s.url, s.close = server.URL, server.Close
	return s
}

// publish makes a version of the chart "limits" whose limit is fixed.
func (s *chartServer) publish(version, limit string) error {
	content, err := chartArchive(map[string]string{
		"limits/Chart.yaml":            "apiVersion: v2\nname: limits\nversion: " + version + "\n",
		"limits/templates/limits.yaml": limits(limit),
	})
	if err != nil {
		return fmt.Errorf("pack a chart: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.charts[version] = content
	return nil
}

// ServeHTTP serves the index and the charts.
func (s *chartServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/index.yaml" {
		_, _ = fmt.Fprint(w, "apiVersion: v1\nentries:\n  limits:\n")
		for _, version := range slices.Sorted(maps.Keys(s.charts)) {
			_, _ = fmt.Fprintf(w, "  - {apiVersion: v2, name: limits, version: %s, urls: [%s/limits-%s.tgz]}\n", version, s.url, version)
		}
		return
	}
	version := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/limits-"), ".tgz")
	content, ok := s.charts[version]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(content)
}

func chartArchive(files map[string]string) ([]byte, error) {
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	archive := tar.NewWriter(packed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			return nil, err
		}
		if _, err := archive.Write([]byte(files[name])); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := packed.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
