package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/spf13/cobra"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/engine"
	"vitedge/vitlite"
)

func newClassify() *cobra.Command {
	var model string
	var top, threads int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "classify [flags] IMAGE…",
		Short: "Classify picture files",
		Long: `Classify prints the best classes of JPEG and PNG files with their
probabilities. A file that is not a picture is reported, the others are
classified all the same, and the exit status is then 1.`,
		Example: "  vitedge classify --model model.safetensors --top 3 cat.jpg",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("no picture is named")}
			}
			if top < 1 || top > 1000 {
				return usageError{fmt.Errorf("--top is %d; want 1 to 1000", top)}
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
			for _, path := range args {
				if cmd.Context().Err() != nil {
					return cmd.Context().Err()
				}
				if err := classifyFile(cmd.OutOrStdout(), eye, path, top, asJSON); err != nil {
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
	cmd.Flags().StringVar(&model, "model", "/var/lib/vitedge/model.safetensors", "model file")
	cmd.Flags().IntVar(&top, "top", 5, "number of classes")
	cmd.Flags().IntVar(&threads, "threads", 0, "threads, 0: one a core")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// answer is the line of one picture with --json.
type answer struct {
	File        string             `json:"file"`
	Predictions []answerPrediction `json:"predictions"`
	PreMS       float64            `json:"pre_ms"`
	InferMS     float64            `json:"infer_ms"`
}

type answerPrediction struct {
	Label string  `json:"label"`
	Index int     `json:"index"`
	Score float64 `json:"score"`
}

func classifyFile(w io.Writer, eye *engine.Eye, path string, top int, asJSON bool) error {
	f, err := camera.ReadFile(path)
	if err != nil {
		return err
	}
	best, timing, err := eye.Classify(make([]vitlite.Prediction, top), f, nil)
	if err != nil {
		return err
	}
	if !asJSON {
		fmt.Fprintf(w, "%s\n", path)
		for _, p := range best {
			fmt.Fprintf(w, "  %5.1f %%  %s\n", 100*p.Score, p.Label)
		}
		return nil
	}
	a := answer{File: path, PreMS: 1000 * timing.Preprocess.Seconds(), InferMS: 1000 * timing.Infer.Seconds()}
	for _, p := range best {
		a.Predictions = append(a.Predictions, answerPrediction{p.Label, p.Index, math.Round(1e6*float64(p.Score)) / 1e6})
	}
	return json.NewEncoder(w).Encode(a)
}
