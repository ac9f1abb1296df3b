package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"

	"vitedge/camera"
)

// request is something that one frame is taken for out of turn. Its methods
// work on nil, which nobody waits for.
type request struct {
	snapshot bool
	reply    chan<- reply // has room for one
}

var errEnded = errors.New("the source is at its end")

type reply struct {
	jpeg []byte
	err  error
}

func (r *request) fail(err error) {
	if r != nil {
		r.reply <- reply{err: err}
	}
}

func (r *request) refuse(enabled bool) {
	if !enabled {
		r.fail(errors.New("the camera is switched off"))
	}
}

func (r *request) done() {
	if r != nil {
		r.reply <- reply{}
	}
}

func (r *request) snap(jpeg []byte) { r.reply <- reply{jpeg: jpeg} }

// Classify has a frame classified now, whatever the interval says, and waits
// until the sinks have been told.
func (p *Pipeline) Classify(ctx context.Context) error {
	_, err := p.ask(ctx, false)
	return err
}

// Snapshot takes a frame now and returns it as JPEG of at most MaxSnapshot
// bytes.
func (p *Pipeline) Snapshot(ctx context.Context) ([]byte, error) { return p.ask(ctx, true) }

func (p *Pipeline) ask(ctx context.Context, snapshot bool) ([]byte, error) {
	answer := make(chan reply, 1)
	select {
	case p.requests <- request{snapshot: snapshot, reply: answer}:
	case <-p.over:
		return nil, fmt.Errorf("camera %s: %w", p.o.Name, errEnded)
	case <-ctx.Done():
		return nil, fmt.Errorf("camera %s: %w", p.o.Name, ctx.Err())
	}
	select {
	case a := <-answer:
		if a.err != nil {
			return nil, fmt.Errorf("camera %s: %w", p.o.Name, a.err)
		}
		return a.jpeg, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("camera %s: %w", p.o.Name, ctx.Err())
	}
}

// MaxSnapshot bounds a snapshot in bytes.
const MaxSnapshot = 128 << 10

// encode makes a JPEG of the frame as the model sees it, turned and cropped,
// with the best quality that MaxSnapshot allows.
func encode(f *camera.Frame) ([]byte, error) {
	for target := 0; ; {
		picture := camera.Picture{Target: target}
		if err := f.Decode(&picture); err != nil {
			return nil, err
		}
		width, height := picture.Size()
		img := image.NewRGBA(image.Rect(0, 0, width, height))
		row := make([]byte, 3*width)
		for y := range height {
			picture.RowRGB(row, y)
			line := img.Pix[y*img.Stride:]
			for x := range width {
				line[4*x], line[4*x+1], line[4*x+2], line[4*x+3] = row[3*x], row[3*x+1], row[3*x+2], 0xff
			}
		}
		for _, quality := range []int{85, 60, 30} {
			var b bytes.Buffer
			if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
				return nil, err
			}
			if b.Len() <= MaxSnapshot {
				return b.Bytes(), nil
			}
		}
		if target != 0 || !f.Format.Compressed() { // only those can be decoded smaller
			return nil, fmt.Errorf("a picture of %dx%d does not fit into %d bytes of JPEG", width, height, MaxSnapshot)
		}
		target = 480
	}
}
