package dora

import (
	"encoding/json"
	"slices"
	"time"
)

// Distribution describes how long something took.
type Distribution struct {
	// Count is how many there are.
	Count int
	// Median and P90 are nil when there are none. The median of an even number is the
	// mean of the middle two; P90 is the smallest that nine tenths do not exceed.
	Median *time.Duration
	P90    *time.Duration
}

func distribute(lengths []time.Duration) Distribution {
	if len(lengths) == 0 {
		return Distribution{}
	}
	sorted := slices.Sorted(slices.Values(lengths))
	n := len(sorted)
	low, high := sorted[(n-1)/2], sorted[n/2]
	median, p90 := low+(high-low)/2, sorted[(9*n+9)/10-1]
	return Distribution{Count: n, Median: &median, P90: &p90}
}

// MarshalJSON writes lengths in seconds, and null for those that are not defined.
func (d Distribution) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Count  int      `json:"count"`
		Median *float64 `json:"medianSeconds"`
		P90    *float64 `json:"p90Seconds"`
	}{d.Count, seconds(d.Median), seconds(d.P90)})
}

// medianInt is the median of whole numbers; nil when there are none.
func medianInt(numbers []int) *float64 {
	if len(numbers) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(numbers))
	n := len(sorted)
	m := float64(sorted[(n-1)/2]+sorted[n/2]) / 2
	return &m
}

// ratio is nil when nothing is divided by.
func ratio(part, whole int) *float64 {
	if whole == 0 {
		return nil
	}
	r := float64(part) / float64(whole)
	return &r
}
