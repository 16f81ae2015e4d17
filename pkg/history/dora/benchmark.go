package dora

import (
	"bytes"
	_ "embed" // the figures are data
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Level is how a figure compares with those of a year's report. The zero Level is that of
// a figure that is not defined.
type Level string

// The levels, best first.
const (
	Elite  Level = "elite"
	High   Level = "high"
	Medium Level = "medium"
	Low    Level = "low"
)

// Bounds are the worst figures of each level but Low, which is all others.
type Bounds[T any] struct {
	Elite  T `json:"elite"`
	High   T `json:"high"`
	Medium T `json:"medium"`
}

// Benchmark is what one year's report found. DORA publishes none for rework.
type Benchmark struct {
	Year   int    `json:"year"`
	Report string `json:"report"`
	// Source is where the report is.
	Source string `json:"source"`
	// Note says what is odd about the figures.
	Note              string          `json:"note,omitempty"`
	DeploymentsPerDay Bounds[float64] `json:"deploymentsPerDay"`
	ChangeLeadTime    Bounds[length]  `json:"changeLeadTime"`
	ChangeFailRate    Bounds[float64] `json:"changeFailRate"`
	RecoveryTime      Bounds[length]  `json:"recoveryTime"`
}

// length is a duration in the notation of Go.
type length time.Duration

// UnmarshalJSON reads a string such as "24h".
func (l *length) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("read a length: %w", err)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("read a length: %w", err)
	}
	*l = length(d)
	return nil
}

// MarshalJSON writes a string such as "24h0m0s".
func (l length) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(l).String()) }

//go:embed benchmarks.json
var benchmarks []byte

// Benchmarks are those that come with the program, oldest first.
func Benchmarks() ([]Benchmark, error) { return ParseBenchmarks(benchmarks) }

// ParseBenchmarks reads a JSON list of benchmarks. A figure that is missing or not
// positive, an unknown key and a year before the one that precedes it are errors.
func ParseBenchmarks(data []byte) ([]Benchmark, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var out []Benchmark
	if err := decoder.Decode(&out); err != nil {
		return nil, fmt.Errorf("read the benchmarks: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read the benchmarks: something follows the list")
	}
	last := 0
	for _, b := range out {
		if b.Year <= last || b.Source == "" || b.Report == "" {
			return nil, fmt.Errorf("the benchmark of %d has no report, no source, or is not after %d", b.Year, last)
		}
		last = b.Year
		for _, v := range []float64{
			b.DeploymentsPerDay.Elite, b.DeploymentsPerDay.High, b.DeploymentsPerDay.Medium,
			b.ChangeFailRate.Elite, b.ChangeFailRate.High, b.ChangeFailRate.Medium,
			float64(b.ChangeLeadTime.Elite), float64(b.ChangeLeadTime.High), float64(b.ChangeLeadTime.Medium),
			float64(b.RecoveryTime.Elite), float64(b.RecoveryTime.High), float64(b.RecoveryTime.Medium),
		} {
			if v <= 0 {
				return nil, fmt.Errorf("the benchmark of %d lacks a figure", b.Year)
			}
		}
	}
	return out, nil
}

// Levels are those of a report's figures.
type Levels struct {
	DeploymentFrequency Level `json:"deploymentFrequency,omitempty"`
	ChangeLeadTime      Level `json:"changeLeadTime,omitempty"`
	ChangeFailRate      Level `json:"changeFailRate,omitempty"`
	RecoveryTime        Level `json:"failedDeploymentRecoveryTime,omitempty"`
}

// Compare finds the best level that each figure reaches.
func (b Benchmark) Compare(r Report) Levels {
	var out Levels
	// Nothing was deployed: that is no level of frequency.
	if r.Frequency.PerDay != nil && r.Frequency.Deployments > 0 {
		out.DeploymentFrequency = level(b.DeploymentsPerDay, func(bound float64) bool { return *r.Frequency.PerDay >= bound })
	}
	if m := r.LeadTime.Length.Median; m != nil {
		out.ChangeLeadTime = level(b.ChangeLeadTime, func(bound length) bool { return *m < time.Duration(bound) })
	}
	if rate := r.ChangeFailRate.Rate; rate != nil {
		out.ChangeFailRate = level(b.ChangeFailRate, func(bound float64) bool { return *rate <= bound })
	}
	if m := r.Recovery.Length.Median; m != nil {
		out.RecoveryTime = level(b.RecoveryTime, func(bound length) bool { return *m < time.Duration(bound) })
	}
	return out
}

func level[T any](b Bounds[T], reaches func(T) bool) Level {
	switch {
	case reaches(b.Elite):
		return Elite
	case reaches(b.High):
		return High
	case reaches(b.Medium):
		return Medium
	default:
		return Low
	}
}
