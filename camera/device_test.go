package camera

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func mode(f FourCC, w, h int, fps ...float64) Mode {
	return Mode{Format: f, Width: w, Height: h, FPS: fps}
}

const h264 FourCC = 'H' | '2'<<8 | '6'<<16 | '4'<<24

func TestChooseMode(t *testing.T) {
	webcam := []Mode{ // a typical USB 2 webcam
		mode(MJPG, 1920, 1080, 30), mode(MJPG, 1280, 720, 30), mode(MJPG, 640, 480, 30), mode(MJPG, 320, 240, 30), mode(MJPG, 160, 120, 30),
		mode(YUYV, 160, 120, 30), mode(YUYV, 320, 240, 30), mode(YUYV, 640, 480, 30), mode(YUYV, 1280, 720, 10), mode(YUYV, 1920, 1080, 5),
		mode(h264, 1920, 1080, 30),
	}
	stepwise := []Mode{{Format: YUYV, Width: 48, Height: 32, MaxWidth: 3840, MaxHeight: 2160, StepWidth: 2, StepHeight: 2}}
	for _, tt := range []struct {
		name  string
		modes []Mode
		c     Config
		want  Mode
	}{
		{"smallest that covers", webcam, Config{}, mode(YUYV, 320, 240, 30)},
		{"a larger model", webcam, Config{Cover: 384}, mode(YUYV, 640, 480, 30)},
		{"too large for raw", webcam, Config{Cover: 600}, mode(MJPG, 1280, 720, 30)},
		{"nothing covers", webcam, Config{Cover: 5000}, mode(MJPG, 1920, 1080, 30)},
		{"a crop needs more pixels", webcam, Config{View: View{Crop: Region{Width: 0.5, Height: 0.5}}}, mode(YUYV, 640, 480, 30)},
		{"a small crop needs MJPEG", webcam, Config{View: View{Crop: Region{Width: 0.25, Height: 0.25}}}, mode(MJPG, 1920, 1080, 30)},
		{"fixed format", webcam, Config{Format: MJPG}, mode(MJPG, 320, 240, 30)},
		{"fixed size, raw", webcam, Config{Width: 640, Height: 480}, mode(YUYV, 640, 480, 30)},
		{"fixed size, MJPEG", webcam, Config{Width: 1280, Height: 720}, mode(MJPG, 1280, 720, 30)},
		{"fixed both", webcam, Config{Width: 1280, Height: 720, Format: YUYV}, mode(YUYV, 1280, 720, 10)},
		{"frame rate", []Mode{mode(YUYV, 320, 240, 15), mode(MJPG, 320, 240, 60)}, Config{FPS: 60}, mode(MJPG, 320, 240, 60)},
		{"no MJPEG", []Mode{mode(YUYV, 1280, 720)}, Config{}, mode(YUYV, 1280, 720)},
		{"grey last", []Mode{mode(Grey, 640, 480), mode(BGR24, 1280, 960)}, Config{}, mode(BGR24, 1280, 960)},
		{"steps", stepwise, Config{}, mode(YUYV, 320, 240)},
		{"unusual size of steps", stepwise, Config{Width: 500, Height: 300}, mode(YUYV, 500, 300)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.NoError(t, tt.c.normalize())
			got, err := chooseMode(tt.modes, tt.c)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
	for _, tt := range []struct {
		name  string
		modes []Mode
		c     Config
		want  string
	}{
		{"metadata node", nil, Config{}, "no pixel format at all"},
		{"H264 only", []Mode{mode(h264, 640, 480)}, Config{}, "no supported pixel format (yuyv, nv12, grey, rgb24, bgr24, mjpeg); it has H264 640x480"},
		{"H264 only, fixed size", []Mode{mode(h264, 640, 480)}, Config{Width: 640, Height: 480}, "does not offer 640x480 in a supported pixel format"},
		{"format", webcam, Config{Format: NV12}, "does not offer pixel format NV12; it has MJPG 1920x1080, "},
		{"size", webcam, Config{Width: 641, Height: 479}, "does not offer 641x479"},
		{"off the steps", stepwise, Config{Width: 501, Height: 300}, "it has YUYV 48x32 to 3840x2160"},
		{"both", webcam, Config{Width: 640, Height: 480, Format: NV12}, "does not offer NV12 640x480"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.NoError(t, tt.c.normalize())
			_, err := chooseMode(tt.modes, tt.c)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestDeviceAsJSON(t *testing.T) {
	b, err := json.Marshal(Device{Path: "/dev/video0", Modes: []Mode{mode(YUYV, 640, 480, 30)}, Controls: []Control{{Name: "gain", Max: 9, id: 7}}})
	require.NoError(t, err)
	require.JSONEq(t, `{"path":"/dev/video0","name":"","card":"","driver":"","bus":"","serial":"",
		"modes":[{"format":"YUYV","width":640,"height":480,"fps":[30]}],
		"controls":[{"name":"gain","min":0,"max":9,"step":0,"value":0}]}`, string(b))
}

func TestControlName(t *testing.T) {
	for in, want := range map[string]string{
		"Brightness": "brightness", "Exposure, Auto": "exposure_auto", "White Balance Temperature, Auto": "white_balance_temperature_auto",
		"Power Line Frequency": "power_line_frequency", " LED1 Mode ": "led1_mode", "power_line_frequency": "power_line_frequency",
	} {
		require.Equal(t, want, controlName(in))
	}
}
