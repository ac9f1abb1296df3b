package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/bench"
	"vitedge/cmd/vitedge/internal/brokertest"
	"vitedge/cmd/vitedge/internal/publish"
)

// BenchmarkCaptureToPublish times the way of a frame through the daemon, from
// its capture timestamp until a subscriber of a real mosquitto has the
// prediction, without the inference: 640x480 YUYV, 10 frames a second, ViT-Tiny.
//
// Messages have their timestamps in whole milliseconds, cut off, so what is
// printed is up to one too long.
func BenchmarkCaptureToPublish(b *testing.B) {
	float, err := bench.Random("tiny")
	require.NoError(b, err)
	quantized, err := float.Quantize(nil)
	require.NoError(b, err)
	model := filepath.Join(b.TempDir(), "tiny.safetensors")
	require.NoError(b, quantized.WriteFile(model))

	broker := brokertest.Start(b)
	startDaemon(b, nil, "--model", model, "--camera", "test:noise", "--broker", broker.URL(), "--http", "",
		"--set", "device.id=pi", "--set", "cameras.cam.width=640", "--set", "cameras.cam.height=480",
		"--set", "cameras.cam.format=yuyv", "--set", "cameras.cam.fps=10", "--set", "decide.interval=0s", "--set", "mqtt.predictions=1ms")

	beside := make(chan float64, 64) // ms
	failed := make(chan error, 1)
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + broker.Addr()).SetClientID("benchmark"))
	require.True(b, client.Connect().WaitTimeout(brokertest.Patience))
	defer client.Disconnect(0)
	require.True(b, client.Subscribe("vitedge/pi/cam/prediction", 0, func(_ mqtt.Client, m mqtt.Message) {
		arrived := time.Now()
		var p publish.Prediction
		err := json.Unmarshal(m.Payload(), &p)
		captured, parseErr := time.Parse(time.RFC3339, p.TS)
		if err != nil || parseErr != nil || p.Frame.Width != 640 || p.Frame.Height != 480 {
			select {
			case failed <- fmt.Errorf("%w, %w: %s", err, parseErr, m.Payload()):
			default:
			}
			return
		}
		select {
		case beside <- float64(arrived.Sub(captured).Microseconds())/1000 - p.LatencyMS.Infer:
		default: // the benchmark is over
		}
	}).WaitTimeout(brokertest.Patience))

	next := func() (ms float64) {
		select {
		case ms = <-beside:
		case err := <-failed:
			b.Fatal(err)
		case <-time.After(brokertest.Patience):
			b.Fatal("no prediction arrives")
		}
		return ms
	}
	for range 10 { // while buffers grow
		next()
	}
	var all []float64
	for b.Loop() {
		all = append(all, next())
	}
	slices.Sort(all)
	b.ReportMetric(all[len(all)/2], "p50-ms")
	b.ReportMetric(all[len(all)*95/100], "p95-ms")
	b.ReportMetric(all[len(all)-1], "max-ms")
}
