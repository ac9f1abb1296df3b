// Package bench measures what a machine makes of a model.
package bench

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"vitedge/quant"
	"vitedge/vitlite"
)

// Result is one measurement. Times of an inference are those of the model alone,
// without preprocessing.
type Result struct {
	Model      string  `json:"model"`
	Kernel     string  `json:"kernel"`
	CPU        string  `json:"cpu"`
	Threads    int     `json:"threads"`
	Iterations int     `json:"iterations"`
	MinMS      float64 `json:"ms_min"`
	MedianMS   float64 `json:"ms_median"`

	// GMACs is 10⁹ multiply-accumulates a second at the minimum time.
	// MACsPerCycle is the same for one thread and one cycle of the clock that
	// clockGHz found.
	GMACs        float64 `json:"gmacs"`
	MACsPerCycle float64 `json:"macs_per_cycle"`
	ClockGHz     float64 `json:"clock_ghz"`

	// Share is each operation's part of the time, of vitlite.Operation's names.
	Share map[string]float64 `json:"share"`

	// RSSBytes is the most memory that was resident since loading began, 0 where
	// the kernel does not tell. LoadMS is the time from opening the model file to
	// a model ready to run, FirstMS that to its first answer.
	RSSBytes int64   `json:"rss_bytes"`
	LoadMS   float64 `json:"load_ms"`
	FirstMS  float64 `json:"first_answer_ms"`

	// LogitsSHA256 is the hash of the logits of RandomPixels, float32,
	// little-endian. It is the same on every machine.
	LogitsSHA256 string `json:"logits_sha256"`

	Logits []float32 `json:"-"`
}

// warmup is how many inferences are not counted.
const warmup = 2

// Run loads the model file at path and times iterations inferences. threads is 0
// for one a CPU.
func Run(ctx context.Context, path string, threads, iterations int) (*Result, error) {
	_ = resetPeak() // a kernel that cannot counts from the start of the program
	began := time.Now()
	c, err := quant.Open(path, quant.Options{})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	m, err := vitlite.New(c, threads)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer m.Close()
	load := time.Since(began)

	cfg := m.Config()
	r := &Result{
		Model: c.Config.Architecture, Kernel: vitlite.Kernel(), CPU: cpuName(), Threads: m.Threads(),
		Iterations: iterations, LoadMS: ms(load), Logits: make([]float32, cfg.Classes),
	}
	if err := c.Close(); err != nil { // as the daemon does
		return nil, err
	}
	pixels := RandomPixels(cfg.ImageSize)
	if err := m.Forward(r.Logits, pixels); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.FirstMS = ms(time.Since(began))

	logits := make([]float32, cfg.Classes)
	var times []time.Duration
	for i := range warmup + iterations {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if i%5 == 0 {
			r.ClockGHz = max(r.ClockGHz, clockGHz())
		}
		began := time.Now()
		if err := m.Forward(logits, pixels); err != nil {
			return nil, err
		}
		if i >= warmup {
			times = append(times, time.Since(began))
		}
		if !slices.Equal(logits, r.Logits) {
			return nil, errors.New("two inferences of the same picture gave different logits: memory or processor of this machine cannot be trusted")
		}
	}
	least := slices.Min(times)
	rate := float64(vitlite.MACs(cfg)) / least.Seconds() / 1e9
	r.MinMS, r.MedianMS = ms(least), ms(median(times))
	r.GMACs, r.MACsPerCycle = round(rate), round(rate/r.ClockGHz/float64(r.Threads))
	r.ClockGHz = round(r.ClockGHz)
	r.RSSBytes = peak()
	r.LogitsSHA256 = hash(r.Logits)

	var p vitlite.Profile
	m.SetProfile(&p)
	for range (iterations + 4) / 5 {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := m.Forward(logits, pixels); err != nil {
			return nil, err
		}
	}
	r.Share = map[string]float64{}
	for o := range vitlite.Operation(vitlite.Operations) {
		r.Share[o.String()] = round(float64(p.Time(o)) / float64(p.Total()))
	}
	return r, nil
}

func ms(d time.Duration) float64 { return round(1000 * d.Seconds()) }

// round keeps what a clock is worth.
func round(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// median sorts t.
func median(t []time.Duration) time.Duration {
	slices.Sort(t)
	return (t[(len(t)-1)/2] + t[len(t)/2]) / 2
}

// Bytes returns the logits as Result.LogitsSHA256 hashes them.
func Bytes(logits []float32) []byte {
	b := make([]byte, 0, 4*len(logits))
	for _, v := range logits {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func hash(logits []float32) string {
	sum := sha256.Sum256(Bytes(logits))
	return hex.EncodeToString(sum[:])
}
