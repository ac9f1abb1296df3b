package vitlite

import (
	"sync/atomic"
	"time"

	"vitedge/quant"
)

// Operation is a part of an inference. Profile tells their times.
type Operation int

// The operations in the order of a block. Quantize is that of the queries and of the
// rows that go into Proj; the other layers' inputs are quantized as LayerNorm and
// Activation write them.
const (
	Embed      Operation = iota // patches gathered and projected, positions added
	LayerNorm                   // of both kinds, with the row quantizer
	QKV                         // linear layer
	Keys                        // the keys transposed or quantized
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
// model of the given sizes. Those that an inference does without, for the queries of
// tokens that the head does not read, and behind the last attention, are not among
// them; with float32 layers it does compute these queries.
func (o Operation) MACs(c quant.Config) int64 {
	t, d, m, l := int64(c.Tokens()), int64(c.Dim), int64(c.MLPDim), int64(c.Depth)
	finished := (l-1)*t + int64(readTokens(c)) // tokens of all blocks
	switch o {
	case Embed:
		return (t - int64(c.Prefix())) * d * 3 * int64(c.PatchSize*c.PatchSize)
	case QKV:
		return (2*l*t + finished) * d * d
	case Scores, Values:
		return finished * t * d
	case Proj:
		return finished * d * d
	case FC1, FC2:
		return finished * d * m
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
	started time.Time
	total   time.Duration
	spent   [Operations]atomic.Int64 // nanoseconds of all threads
}

// SetProfile makes inferences add their times to p, until p is nil.
func (m *Model) SetProfile(p *Profile) { m.state.profile = p }

// Time returns what the operation has taken of Total. Threads work on different
// operations at the same time, so it is the operation's share of what all threads
// have spent; waiting for each other is shared out alike.
func (p *Profile) Time(o Operation) time.Duration {
	all := int64(0)
	for i := range p.spent {
		all += p.spent[i].Load()
	}
	if all == 0 {
		return 0
	}
	return time.Duration(float64(p.total) * float64(p.spent[o].Load()) / float64(all))
}

// Total returns what the inferences have taken.
func (p *Profile) Total() time.Duration { return p.total }

// start and stop enclose an inference. Like all that follow, they do nothing on nil.
func (p *Profile) start() {
	if p != nil {
		p.started = time.Now()
	}
}

func (p *Profile) stop() {
	if p != nil {
		p.total += time.Since(p.started)
	}
}

// begin returns the time.
func (p *Profile) begin() time.Time {
	if p == nil {
		return time.Time{}
	}
	return time.Now()
}

// end adds the time since a thread's begin or end to an operation, and returns the
// time.
func (p *Profile) end(o Operation, since time.Time) time.Time {
	if p == nil {
		return since
	}
	now := time.Now()
	p.spent[o].Add(int64(now.Sub(since)))
	return now
}
