package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
)

// A kill at any line of output leaves the old file or the new one, whole, and
// the next run removes what the killed one left.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	vit, out := filepath.Join(dir, "vit"), filepath.Join(dir, "out")
	require.NoError(t, writeViT(vit))
	code, text, stderr := execute("--crop", "1", vit, out)
	require.Zero(t, code, stderr)
	old, err := os.ReadFile(out)
	require.NoError(t, err)
	code, _, stderr = execute(vit, out+"2")
	require.Zero(t, code, stderr)
	new, err := os.ReadFile(out + "2")
	require.NoError(t, err)
	require.NoError(t, os.Remove(out+"2"))

	lines := strings.Count(text, "\n")
	for after := 1; after <= lines; after += 2 {
		require.NoError(t, os.WriteFile(out, old, 0o644))
		cmd := command(vit, out)
		pipe, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		r := bufio.NewScanner(pipe)
		for range after {
			if !r.Scan() {
				break
			}
		}
		require.NoError(t, cmd.Process.Kill())
		cmd.Wait() // it was killed, or faster
		now, err := os.ReadFile(out)
		require.NoError(t, err)
		require.True(t, string(now) == string(old) || string(now) == string(new), "after line %d", after)
	}
	stale := filepath.Join(dir, ".out.99999999-0.tmp")
	require.NoError(t, os.WriteFile(stale, []byte("half"), 0o600))
	code, _, stderr = execute(vit, out)
	require.Zero(t, code, stderr)
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left)
	c, err := quant.Open(out, quant.Options{})
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

// A signal asks quantize to end, and a second one ends it, whatever it is at: here
// it waits for someone to read what it prints. The signal is SIGTERM, since
// background jobs inherit that SIGINT is ignored.
func TestSecondSignal(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeViT(dir))
	pipe, out, err := os.Pipe()
	require.NoError(t, err)
	defer pipe.Close()
	size, _, errno := syscall.Syscall(syscall.SYS_FCNTL, out.Fd(), syscall.F_SETPIPE_SZ, 4096)
	require.Zero(t, errno)
	_, err = out.Write(make([]byte, size)) // and now it is full
	require.NoError(t, err)
	cmd := command("-v", dir, filepath.Join(dir, "int8"))
	cmd.Stdout = out
	messages, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.NoError(t, out.Close())
	_, err = messages.Read(make([]byte, 1)) // it runs
	require.NoError(t, err)

	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	limit := time.After(30 * time.Second)
	for {
		select {
		case <-ended:
			require.Equal(t, syscall.SIGTERM, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
			require.NoFileExists(t, filepath.Join(dir, "int8"))
			return
		case <-limit:
			require.NoError(t, cmd.Process.Kill())
			require.Fail(t, "it ignores signals")
		case <-time.After(20 * time.Millisecond):
			if err := cmd.Process.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) { // it may end at any time
				require.NoError(t, err)
			}
		}
	}
}
