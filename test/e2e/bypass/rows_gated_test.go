package bypass

import (
	"testing"
)

// playGated plays what needs a gate that is there: taking it away.
func playGated(t *testing.T, w *World) {
	t.Run("nothing arrived later", func(t *testing.T) {
		for _, v := range w.victims {
			if v.attack.Closed != byAdmission {
				continue
			}
			landed, saw, err := v.landed(t.Context())
			if err != nil || landed {
				t.Errorf("%s %s: %s %v", v.attack.Row, v.attack.Name, saw, err)
			}
		}
	})
}
