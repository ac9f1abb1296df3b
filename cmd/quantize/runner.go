package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"vitedge/quant"
	"vitedge/vitlite"
)

// preparer turns picture files into the input of a model.
type preparer struct {
	preprocessor *vitlite.Preprocessor
	pixels       []byte // ImageSize x ImageSize x 3
}

func newPreparer(c *quant.Checkpoint) (*preparer, error) {
	p, err := vitlite.NewPreprocessor(c.Preprocess)
	return &preparer{p, make([]byte, 3*c.Config.ImageSize*c.Config.ImageSize)}, err
}

// load prepares a picture.
func (p *preparer) load(path string) error {
	img, err := decodePicture(path)
	if err != nil {
		return err
	}
	if err := p.preprocessor.Process(p.pixels, vitlite.PictureOf(img)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// runner holds both models, for one worker.
type runner struct {
	*preparer
	float, int8             *vitlite.Model
	floatLogits, int8Logits []float32
	meter                   *meter
}

func newRunner(float, int8 *quant.Checkpoint) (r *runner, err error) {
	n := int8.Config
	r = &runner{
		floatLogits: make([]float32, n.Classes),
		int8Logits:  make([]float32, n.Classes),
		meter:       newMeter(int8.LinearLayers()),
	}
	if r.preparer, err = newPreparer(int8); err != nil {
		return nil, err
	}
	if r.float, err = vitlite.New(float, 1); err != nil {
		return nil, fmt.Errorf("%s: %w", float.Path, err)
	}
	if r.int8, err = vitlite.New(int8, 1); err != nil {
		r.float.Close()
		return nil, fmt.Errorf("%s: %w", int8.Path, err)
	}
	return r, nil
}

func (r *runner) close() {
	r.float.Close()
	r.int8.Close()
}

// compare runs both models on the picture that was loaded. layers says whether
// to measure every layer, too; the sums are nil otherwise.
func (r *runner) compare(class int, layers bool) (pictureFigures, []layerSums, error) {
	if layers {
		if err := r.meter.measure(r.float, r.int8, r.floatLogits, r.int8Logits, r.pixels); err != nil {
			return pictureFigures{}, nil, err
		}
		return compare(r.floatLogits, r.int8Logits, class), slices.Clone(r.meter.sums), nil
	}
	if err := r.float.Forward(r.floatLogits, r.pixels); err != nil {
		return pictureFigures{}, nil, fmt.Errorf("float model: %w", err)
	}
	if err := r.int8.Forward(r.int8Logits, r.pixels); err != nil {
		return pictureFigures{}, nil, fmt.Errorf("int8 model: %w", err)
	}
	return compare(r.floatLogits, r.int8Logits, class), nil, nil
}

// picture is a file, its name for people, and its class, -1 where unknown.
type picture struct {
	path, name string
	class      int
}

// comparison is a whole run: the pictures that could be read and their figures,
// in order, and why the others could not be.
type comparison struct {
	pictures   []picture
	figures    []pictureFigures
	unreadable []error
	layers     []layerSums // nil where no layer was measured
	measured   int         // pictures on which they were
}

// layerPictures is on how many pictures layers are measured: their figures are
// sums over a million values a picture and do not change with more.
const layerPictures = 64

// measuresLayers spreads the measured pictures evenly over all: the folder may
// be sorted by class.
func measuresLayers(i, total int) bool {
	n := min(layerPictures, total)
	return (i+1)*n/total > i*n/total
}

// comparePictures runs both models on all pictures, two at a time at most,
// each on one thread. It calls progress with the number done, from one
// goroutine at a time.
func comparePictures(ctx context.Context, float, int8 *quant.Checkpoint, pictures []picture, progress func(done int)) (comparison, error) {
	results := make([]pictureFigures, len(pictures))
	unreadable := make([]error, len(pictures))
	layers := make([][]layerSums, len(pictures))
	var mu sync.Mutex
	next, done := 0, 0 // under mu
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1
	}
	g, ctx := errgroup.WithContext(ctx)
	for range min(2, runtime.GOMAXPROCS(0), len(pictures)) {
		g.Go(func() error {
			return catchFault(func() error { // float weights are read where the file is mapped
				r, err := newRunner(float, int8)
				if err != nil {
					return err
				}
				defer r.close()
				for i := take(); i < len(pictures); i = take() {
					if ctx.Err() != nil {
						return ctx.Err()
					}
					if unreadable[i] = r.load(pictures[i].path); unreadable[i] == nil {
						if results[i], layers[i], err = r.compare(pictures[i].class, measuresLayers(i, len(pictures))); err != nil {
							return fmt.Errorf("%s: %w", pictures[i].path, err)
						}
					}
					mu.Lock()
					done++
					progress(done)
					mu.Unlock()
				}
				return nil
			})
		})
	}
	var c comparison
	if err := g.Wait(); err != nil {
		return c, err
	}
	for i := range pictures {
		if unreadable[i] != nil {
			c.unreadable = append(c.unreadable, unreadable[i])
		} else {
			c.pictures = append(c.pictures, pictures[i])
			c.figures = append(c.figures, results[i])
		}
		if layers[i] == nil {
			continue
		}
		if c.measured++; c.layers == nil {
			c.layers = make([]layerSums, len(layers[i]))
		}
		for j, s := range layers[i] {
			c.layers[j].signal += s.signal
			c.layers[j].local += s.local
			c.layers[j].cumulative += s.cumulative
		}
	}
	return c, nil
}
