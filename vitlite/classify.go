package vitlite

import (
	"math"
	"strconv"
	"sync"
)

// Prediction is one class of an answer.
type Prediction struct {
	Index int     // of the class, from 0
	Label string  // "class 17" where the model has no label for it
	Score float32 // softmax probability, 0 to 1
}

// TopK fills dst with the len(dst) most probable classes, best first, and
// returns what it filled: fewer than len(dst) if there are fewer logits. Of
// equal logits the lower index comes first. The scores are softmax
// probabilities over all logits, which must be finite. labels may be nil.
func TopK(dst []Prediction, logits []float32, labels []string) []Prediction {
	n := 0
	for i, v := range logits {
		at := n
		for at > 0 && v > logits[dst[at-1].Index] {
			at--
		}
		if at == len(dst) {
			continue
		}
		n = min(n+1, len(dst))
		copy(dst[at+1:n], dst[at:n])
		dst[at].Index = i
	}
	dst = dst[:n]
	if n == 0 {
		return dst
	}

	// Relative to the largest logit no exponential overflows and the sum is at
	// least 1. float64 hides the order of summation from a float32 score.
	largest := float64(logits[dst[0].Index])
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - largest)
	}
	for i := range dst {
		p := &dst[i]
		p.Score = float32(math.Exp(float64(logits[p.Index])-largest) / sum)
		if p.Index < len(labels) && labels[p.Index] != "" {
			p.Label = labels[p.Index]
		} else {
			p.Label = className(p.Index)
		}
	}
	return dst
}

var classNames struct {
	sync.Mutex
	names map[int]string
}

// className is the label of a class that has none. Each is made once, so that
// TopK does not allocate for every frame.
func className(index int) string {
	c := &classNames
	c.Lock()
	defer c.Unlock()
	name, ok := c.names[index]
	if !ok {
		if c.names == nil {
			c.names = make(map[int]string)
		}
		name = "class " + strconv.Itoa(index)
		c.names[index] = name
	}
	return name
}
