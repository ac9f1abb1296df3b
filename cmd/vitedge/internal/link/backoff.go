package link

import (
	"math/rand/v2"
	"time"
)

// settled is how long a connection must last before the next loss counts as
// the first. A broker that accepts and then kicks at once is treated like one
// that refuses.
const settled = 10 * time.Second

// backoff spreads the next tries of many devices that lost one broker at the
// same moment: full jitter, a pause between 0 and a limit that doubles from
// low to high.
type backoff struct {
	low, high time.Duration
	failures  int // in a row
}

func (b *backoff) limit() time.Duration {
	d := b.low
	for range b.failures - 1 {
		if d >= b.high/2 {
			return b.high
		}
		d *= 2
	}
	return min(d, b.high)
}

// pause is the time to wait after one more connection that lasted so long, 0
// for a try that failed.
func (b *backoff) pause(lasted time.Duration) time.Duration {
	if lasted >= settled {
		b.failures = 0
	}
	b.failures++
	return rand.N(b.limit()) + 1
}
