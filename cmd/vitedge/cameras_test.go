package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
)

func TestPrintCameras(t *testing.T) {
	var out bytes.Buffer
	printCameras(&out, []camera.Device{
		{Path: "/dev/video0", Name: "/dev/v4l/by-id/usb-Cam", Card: "Cam", Driver: "uvcvideo", Modes: []camera.Mode{
			{Format: camera.YUYV, Width: 640, Height: 480, FPS: []float64{30, 7.5}},
			{Format: camera.MJPG, Width: 2, Height: 2, MaxWidth: 1920, MaxHeight: 1080},
		}},
		{Path: "/dev/video2", Card: "Other", Driver: "uvcvideo", Err: "permission denied"},
	})
	require.Equal(t, `/dev/video0  Cam  (uvcvideo)
    /dev/v4l/by-id/usb-Cam
    YUYV  640x480     30, 7.5
    MJPG  2x2 to 1920x1080  
/dev/video2  Other  (uvcvideo)
    permission denied
`, out.String())
}

// TestCameras runs where there may be cameras or none: the JSON is a list.
func TestCameras(t *testing.T) {
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"cameras", "--json"}, &out, &errs), errs.String())
	var list []camera.Device
	require.NoError(t, json.Unmarshal(out.Bytes(), &list), out.String())
	require.NotNil(t, list)
}
