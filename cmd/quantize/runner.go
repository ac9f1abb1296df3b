package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"vitedge/quant"
	"vitedge/vitlite"
)

// runner holds both models, for one worker.
type runner struct {
	float, int8             *vitlite.Model
	preprocessor            *vitlite.Preprocessor
	pixels                  []byte // ImageSize x ImageSize x 3
	floatLogits, int8Logits []float32
}

func newRunner(float, int8 *quant.Checkpoint) (r *runner, err error) {
	n := int8.Config
	r = &runner{
		pixels:      make([]byte, 3*n.ImageSize*n.ImageSize),
		floatLogits: make([]float32, n.Classes),
		int8Logits:  make([]float32, n.Classes),
	}
	if r.preprocessor, err = vitlite.NewPreprocessor(int8.Preprocess); err != nil {
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

// load prepares a picture for both models.
func (r *runner) load(path string) error {
	img, err := decodePicture(path)
	if err != nil {
		return err
	}
	if err := r.preprocessor.Process(r.pixels, vitlite.PictureOf(img)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// compare runs both models on the picture that was loaded.
func (r *runner) compare(class int) (pictureFigures, error) {
	if err := r.float.Forward(r.floatLogits, r.pixels); err != nil {
		return pictureFigures{}, fmt.Errorf("float model: %w", err)
	}
	if err := r.int8.Forward(r.int8Logits, r.pixels); err != nil {
		return pictureFigures{}, fmt.Errorf("int8 model: %w", err)
	}
	return compare(r.floatLogits, r.int8Logits, class), nil
}

// picture is a file with its class, -1 where unknown.
type picture struct {
	path  string
	class int
}

// comparison is a whole run: the figures of the pictures that could be read,
// in order, and why the others could not.
type comparison struct {
	figures    []pictureFigures
	unreadable []error
}

// comparePictures runs both models on all pictures, two at a time at most,
// each on one thread. It calls progress with the number done, from one
// goroutine at a time.
func comparePictures(ctx context.Context, float, int8 *quant.Checkpoint, pictures []picture, progress func(done int)) (comparison, error) {
	results := make([]pictureFigures, len(pictures))
	unreadable := make([]error, len(pictures))
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
					if results[i], err = r.compare(pictures[i].class); err != nil {
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
	}
	var c comparison
	if err := g.Wait(); err != nil {
		return c, err
	}
	for i := range pictures {
		if unreadable[i] != nil {
			c.unreadable = append(c.unreadable, unreadable[i])
		} else {
			c.figures = append(c.figures, results[i])
		}
	}
	return c, nil
}
