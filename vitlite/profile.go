package vitlite

import (
	"sync/atomic"
	"time"

	"vitedge/quant"
)

// Operation is a part of an inference. Profile tells their times.
type Operation int

// The operations in the order of a block. Quantize is that of the rows that go
// into Proj; the other layers' inputs are quantized as LayerNorm and Activation
// write them.
const (
	Embed      Operation = iota // patches gathered and projected, positions added
	LayerNorm                   // of both kinds, with the row quantizer
	QKV                         // linear layer
	Keys                        // the keys transposed
	Scores                      // q·kᵀ
	Softmax                     // e^score, and the sums
	Values                      // softmax·v
	Quantize                    // the row quantizer
	Proj                        // linear layer
	FC1                         // linear layer
	Activation                  // GELU, with the row quantizer
	FC2                         // linear layer
	Head                        // pooling, LayerNorm and linear layer

	Operations = iota // their number
)

var operationNames = [Operations]string{
	"embed", "layernorm", "qkv", "keys", "scores", "softmax", "values",
	"quantize", "proj", "fc1", "activation", "fc2", "head",
}

// String returns the name, such as "fc1".
func (o Operation) String() string { return operationNames[o] }

// Multiplies reports whether the operation is a matrix product, and not one on
// rows or a copy.
func (o Operation) Multiplies() bool {
	switch o {
	case LayerNorm, Keys, Softmax, Quantize, Activation:
		return false
	}
	return true
}

// MACs counts the multiply-accumulates of the operation in one inference of a
// model of the given sizes.
func (o Operation) MACs(c quant.Config) int64 {
	t, d, m, l := int64(c.Tokens()), int64(c.Dim), int64(c.MLPDim), int64(c.Depth)
	switch o {
	case Embed:
		return (t - int64(c.Prefix())) * d * 3 * int64(c.PatchSize*c.PatchSize)
	case QKV:
		return l * t * d * 3 * d
	case Scores, Values:
		return l * t * t * d
	case Proj:
		return l * t * d * d
	case FC1, FC2:
		return l * t * d * m
	case Head:
		macs := int64(c.Features())*int64(c.Classes) + d*int64(c.PreLogits)
		if c.Distilled {
			macs += d * int64(c.Classes)
		}
		return macs
	}
	return 0
}

// MACs counts the multiply-accumulates of one inference.
func MACs(c quant.Config) int64 {
	total := int64(0)
	for o := range Operation(Operations) {
		total += o.MACs(c)
	}
	return total
}

// Profile adds up the time of inferences by operation.
type Profile struct {
	mark  time.Time // the caller's last look at the clock
	spent [Operations]time.Duration

	// A chunk of attention is three operations in turn, so that the scores stay
	// in the cache. Their times are those of all threads; the caller's time for
	// the three, attend, is divided in their proportion.
	attend time.Duration
	chunks [Operations]atomic.Int64 // nanoseconds; Scores, Softmax and Values only
}

// SetProfile makes inferences add their times to p, until p is nil.
func (m *Model) SetProfile(p *Profile) { m.state.profile = p }

// Time returns what the operation has taken.
func (p *Profile) Time(o Operation) time.Duration {
	switch o {
	case Scores, Softmax, Values:
		all := p.chunks[Scores].Load() + p.chunks[Softmax].Load() + p.chunks[Values].Load()
		if all == 0 {
			return 0
		}
		return time.Duration(float64(p.attend) * float64(p.chunks[o].Load()) / float64(all))
	}
	return p.spent[o]
}

// Total returns what all operations have taken.
func (p *Profile) Total() time.Duration {
	total := p.attend
	for _, t := range p.spent {
		total += t
	}
	return total
}

// begin starts an inference. Like all that follow, it does nothing on nil.
func (p *Profile) begin() {
	if p != nil {
		p.mark = time.Now()
	}
}

// end adds the time since the last begin or end to an operation.
func (p *Profile) end(o Operation) {
	if p != nil {
		p.spent[o] += p.lap()
	}
}

// endAttend is end for the chunks of attention.
func (p *Profile) endAttend() {
	if p != nil {
		p.attend += p.lap()
	}
}

func (p *Profile) lap() time.Duration {
	now := time.Now()
	d := now.Sub(p.mark)
	p.mark = now
	return d
}

// beginChunk and endChunk are begin and end for the threads.
func (p *Profile) beginChunk() time.Time {
	if p == nil {
		return time.Time{}
	}
	return time.Now()
}

func (p *Profile) endChunk(o Operation, since time.Time) time.Time {
	if p == nil {
		return since
	}
	now := time.Now()
	p.chunks[o].Add(int64(now.Sub(since)))
	return now
}
