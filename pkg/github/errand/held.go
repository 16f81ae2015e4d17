package errand

import "maps"

// Holds says whether an errand is not done whose key matches.
func (q *Queue[K, W]) Holds(match func(K) bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for k := range q.jobs {
		if match(k) {
			return true
		}
	}
	return false
}

// Drop forgets the errands whose keys match: they do not matter any more. One that is being
// carried out is carried out this once.
func (q *Queue[K, W]) Drop(match func(K) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	maps.DeleteFunc(q.jobs, func(k K, _ *job[W]) bool { return match(k) })
}

func (q *Queue[K, W]) holds(key K) bool { return q.Holds(func(k K) bool { return k == key }) }
