package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/config"
	"vitedge/cmd/vitedge/internal/engine"
	"vitedge/vitlite"
)

const (
	// settle is how many frames a camera gets to adjust exposure and white
	// balance before the one that is classified.
	settle = 5
	// snapshotPatience is how long a camera may take for all of them.
	snapshotPatience = 20 * time.Second
)

func newClassify() *cobra.Command {
	var model, source string
	var top, threads int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "classify [flags] [IMAGE…]",
		Short: "Classify picture files, or one picture of a camera",
		Long: `Classify prints the best classes of JPEG and PNG files with their
probabilities. A file that is not a picture is reported, the others are
classified all the same, and the exit status is then 1.

With --camera it takes one picture with a camera, for which no daemon needs to
run; one that runs has the camera to itself.`,
		Example: `  vitedge classify --model model.safetensors --top 3 cat.jpg
  vitedge classify --camera auto`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 && source == "" {
				return usageError{fmt.Errorf("no picture is named, and no --camera")}
			}
			if top < 1 || top > 1000 {
				return usageError{fmt.Errorf("--top is %d; want 1 to 1000", top)}
			}
			if threads < 0 || threads > config.MaxThreads {
				return threadsError(threads)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := engine.Load(model, threads)
			if err != nil {
				return err
			}
			defer e.Close()
			eye, failed := e.Eye(), 0
			if source != "" {
				f, err := snapshot(cmd.Context(), camera.Config{Source: source, Cover: e.Info().Config.ImageSize})
				if err != nil {
					return err
				}
				name := config.Redacted(source)
				if err := classifyFrame(cmd.OutOrStdout(), eye, name, f, top, asJSON); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			for _, path := range args {
				if cmd.Context().Err() != nil {
					return cmd.Context().Err()
				}
				f, err := camera.ReadFile(path)
				if err == nil {
					err = classifyFrame(cmd.OutOrStdout(), eye, path, f, top, asJSON)
				}
				if err != nil {
					failed++
					fmt.Fprintf(cmd.ErrOrStderr(), "vitedge: %v\n", err)
				}
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d files were not classified", failed, len(args))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&source, "camera", "", "take one picture with this camera: auto, /dev/videoN, its name, http://…")
	cmd.Flags().StringVar(&model, "model", "/var/lib/vitedge/model.safetensors", "model file")
	cmd.Flags().IntVar(&top, "top", 5, "number of classes")
	cmd.Flags().IntVar(&threads, "threads", 0, "threads, 0: one a core")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// answer is the line of one picture with --json.
type answer struct {
	File        string             `json:"file"` // or the camera
	Predictions []answerPrediction `json:"predictions"`
	PreMS       float64            `json:"pre_ms"`
	InferMS     float64            `json:"infer_ms"`
}

type answerPrediction struct {
	Label string  `json:"label"`
	Index int     `json:"index"`
	Score float64 `json:"score"`
}

// snapshot takes one picture.
func snapshot(ctx context.Context, c camera.Config) (*camera.Frame, error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotPatience)
	defer cancel()
	var f *camera.Frame
	cam, err := openCamera(ctx, c)
	if err == nil {
		defer cam.Close()
		f, err = camera.Snapshot(ctx, cam, settle)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("camera %s gave no picture within %v", config.Redacted(c.Source), snapshotPatience)
	}
	return f, err
}

func classifyFrame(w io.Writer, eye *engine.Eye, name string, f *camera.Frame, top int, asJSON bool) error {
	best, timing, err := eye.Classify(make([]vitlite.Prediction, top), f, nil)
	if err != nil {
		return err
	}
	if !asJSON {
		fmt.Fprintf(w, "%s\n", name)
		for _, p := range best {
			fmt.Fprintf(w, "  %5.1f %%  %s\n", 100*p.Score, p.Label)
		}
		return nil
	}
	a := answer{File: name, PreMS: 1000 * timing.Preprocess.Seconds(), InferMS: 1000 * timing.Infer.Seconds()}
	for _, p := range best {
		a.Predictions = append(a.Predictions, answerPrediction{p.Label, p.Index, math.Round(1e6*float64(p.Score)) / 1e6})
	}
	return json.NewEncoder(w).Encode(a)
}
