package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/scenes"
	"vitedge/testdata/demo"
)

// openCamera opens what package camera knows, and the scenes of the demo.
func openCamera(ctx context.Context, c camera.Config) (camera.Camera, error) {
	if c.Source != scenes.Source {
		return camera.Open(ctx, c)
	}
	sprites, err := demo.Sprites()
	if err != nil {
		return nil, err
	}
	return scenes.Open(c, sprites, demoSeed)
}

func newCameras() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cameras",
		Short: "List the cameras of this machine and what they offer",
		Long: `Cameras lists the V4L2 cameras of this machine: device, the name that stays the
same after a replug, product, driver, and the formats with sizes and frame rates.
The device, the name or the product can be the source of a camera in the
configuration.`,
		Example: `  vitedge cameras
  vitedge cameras --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := camera.List()
			if err != nil && !errors.Is(err, errors.ErrUnsupported) {
				return err
			}
			if asJSON {
				if list == nil {
					list = []camera.Device{}
				}
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(list)
			}
			if len(list) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "vitedge: no cameras; see whether /dev/video0 exists and whether you are in the group video")
			}
			printCameras(cmd.OutOrStdout(), list)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with the controls of each camera too")
	return cmd
}

// printCameras writes a paragraph a camera, a line a mode.
func printCameras(w io.Writer, list []camera.Device) {
	for _, d := range list {
		fmt.Fprintf(w, "%s  %s  (%s)\n", d.Path, d.Card, d.Driver)
		if d.Name != "" {
			fmt.Fprintf(w, "    %s\n", d.Name)
		}
		if d.Err != "" {
			fmt.Fprintf(w, "    %s\n", d.Err)
		}
		for _, m := range d.Modes {
			size := fmt.Sprintf("%dx%d", m.Width, m.Height)
			if m.MaxWidth > 0 {
				size += fmt.Sprintf(" to %dx%d", m.MaxWidth, m.MaxHeight)
			}
			var rates []string
			for _, f := range m.FPS {
				rates = append(rates, strconv.FormatFloat(f, 'f', -1, 64))
			}
			fmt.Fprintf(w, "    %-4s  %-10s  %s\n", m.Format, size, strings.Join(rates, ", "))
		}
	}
}
