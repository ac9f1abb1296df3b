package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lines are what a bar has drawn, one after the other.
func lines(b *bytes.Buffer) []string {
	return strings.Split(strings.ReplaceAll(b.String(), "\x1b[K", ""), "\r")[1:]
}

func TestBar(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(0, 0)
	bar := &bar{w: &b, width: 80, now: func() time.Time { return now }}
	bar.bytes("model.safetensors", 10_000_000, 100_000_000) // resumed
	now = now.Add(50 * time.Millisecond)
	bar.bytes("model.safetensors", 11_000_000, 100_000_000) // too soon to be drawn
	now = now.Add(1950 * time.Millisecond)
	bar.bytes("model.safetensors", 30_000_000, 100_000_000)
	bar.bytes("model.safetensors", 100_000_000, 100_000_000)
	require.Equal(t, []string{
		"model.safetensors   10 %  10.0 of 100.0 MB  0.0 MB/s",
		"model.safetensors   30 %  30.0 of 100.0 MB  10.0 MB/s  7s left",
		"",
	}, lines(&b))

	b.Reset()
	bar.count("pictures", 1, 10)
	now = now.Add(time.Second)
	bar.count("pictures", 3, 10)
	require.Equal(t, []string{"pictures   10 %  1 of 10  0.0/s", "pictures   30 %  3 of 10  2.0/s  4s left"}, lines(&b))
	b.Reset()
	bar.clear()
	bar.clear()
	require.Equal(t, []string{""}, lines(&b))

	b.Reset()
	bar.width = 20
	bar.count("pictures with a long name", 1, 10)
	require.Len(t, lines(&b)[0], 19)
}

func TestNoBar(t *testing.T) {
	var b bytes.Buffer
	bar := newBar(&b)
	require.Nil(t, bar)
	bar.bytes("x", 1, 2)
	bar.count("x", 1, 2)
	bar.clear()
	require.Empty(t, b.String())
}
