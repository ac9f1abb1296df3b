package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vitedge/cmd/vitedge/internal/bench"
	"vitedge/cmd/vitedge/internal/config"
	"vitedge/cmd/vitedge/internal/engine"
	"vitedge/vitlite"
)

// benchFlags are the flags of bench.
type benchFlags struct {
	model, random, logits string
	threads, iterations   int
	json, gemm            bool
}

func newBench() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench [--model FILE | --random tiny|small|base | --gemm]",
		Short: "Measure how fast this machine is",
		Long: `Bench times inferences of a model file, or of a ViT with random weights, on a
picture of noise. The random weights and the picture are the same everywhere,
and so is the hash of the logits.

Minimum and median are those of the model alone, without preprocessing. GMAC/s
is 10^9 multiply-accumulates a second at the minimum time. The clock is found
by timing a chain of additions that wait for one another.

With --gemm there is no model: the matrix products of ViT-Tiny, Small and Base
are timed with each of the kernels that this processor can run.`,
		Example: `  vitedge bench --random tiny --threads 1
  vitedge bench --model model.safetensors --json
  vitedge bench --gemm`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := noArgs(cmd, args); err != nil {
				return err
			}
			return f.check()
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := vitlite.CheckKernel(); err != nil {
				return err
			}
			if f.gemm {
				return f.runGemm(cmd)
			}
			return f.run(cmd)
		},
	}
	cmd.Flags().StringVar(&f.model, "model", "", "model file")
	cmd.Flags().StringVar(&f.random, "random", "", "a model with random weights: tiny (the default without --model), small or base")
	cmd.Flags().IntVar(&f.threads, "threads", 0, "threads, 0: one a core")
	cmd.Flags().IntVar(&f.iterations, "iterations", 30, "inferences that are timed")
	cmd.Flags().StringVar(&f.logits, "logits", "", "write the logits to this file, little-endian float32")
	cmd.Flags().BoolVar(&f.gemm, "gemm", false, "time the matrix products of every kernel, one thread")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func (f *benchFlags) check() error {
	switch {
	case f.gemm && (f.model != "" || f.random != "" || f.logits != ""):
		return usageError{errors.New("--gemm goes without --model, --random and --logits")}
	case f.model != "" && f.random != "":
		return usageError{errors.New("--model and --random exclude each other")}
	case f.random != "" && !slices.Contains(bench.Sizes, f.random):
		return usageError{fmt.Errorf("--random is %q; want %s", f.random, strings.Join(bench.Sizes, ", "))}
	case f.threads < 0 || f.threads > config.MaxThreads:
		return threadsError(f.threads)
	case f.iterations < 1:
		return usageError{fmt.Errorf("--iterations is %d; want 1 or more", f.iterations)}
	}
	return nil
}

func (f *benchFlags) run(cmd *cobra.Command) error {
	result, err := f.measure(cmd.Context())
	if err != nil {
		return err
	}
	if f.logits != "" {
		if err := os.WriteFile(f.logits, bench.Bytes(result.Logits), 0o644); err != nil {
			return err
		}
	}
	if f.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(result)
	}
	return bench.Print(cmd.OutOrStdout(), result)
}

// measure measures the model file, or one with random weights that exists for as
// long: loading and memory are then those of a model file, too.
func (f *benchFlags) measure(ctx context.Context) (*bench.Result, error) {
	path := f.model
	if path == "" {
		dir, err := os.MkdirTemp("", "vitedge-bench-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		size := f.random
		if size == "" {
			size = "tiny"
		}
		path = filepath.Join(dir, "model.safetensors")
		if err := writeRandom(path, size); err != nil {
			return nil, err
		}
	} else if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s", engine.ErrMissing, path)
	}
	return bench.Run(ctx, path, f.threads, f.iterations)
}

func writeRandom(path, size string) error {
	floats, err := bench.Random(size)
	if err != nil {
		return err
	}
	model, err := floats.Quantize(nil)
	if err != nil {
		return err
	}
	return model.WriteFile(path)
}

func (f *benchFlags) runGemm(cmd *cobra.Command) error {
	rates, err := bench.Rates(cmd.Context())
	if err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(rates)
	}
	return bench.PrintRates(cmd.OutOrStdout(), rates)
}
