package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// command runs this program as quantize; see TestMain. What the user has set for
// the hub is none of its business.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "HF_") || strings.HasPrefix(v, "HUGGING") || strings.HasPrefix(v, "TRANSFORMERS_")
	})
	cmd.Env = append(cmd.Env, asQuantize+"=1")
	return cmd
}

// openTerminal is a pseudo-terminal: what is written to tty can be read from
// screen.
func openTerminal(t *testing.T) (screen, tty *os.File) {
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { screen.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return screen, tty
}

// Progress is for people: a terminal shows it, a pipe does not.
func TestProgressOnTerminal(t *testing.T) {
	server := newHub(t)
	screen, tty := openTerminal(t)
	var shown strings.Builder
	var wait sync.WaitGroup
	wait.Go(func() {
		b := make([]byte, 4096)
		for {
			n, err := screen.Read(b)
			shown.Write(b[:n])
			if err != nil { // the last tty is closed
				return
			}
		}
	})
	dir := t.TempDir()
	require.NoError(t, writePictures(filepath.Join(dir, "photos"), 3))
	out := filepath.Join(dir, "out")
	for _, args := range [][]string{{"org/vit", out}, {"verify", "--float", "org/vit", "--images", filepath.Join(dir, "photos"), out}} {
		cmd := command(args...)
		cmd.Env = append(cmd.Env, "HF_ENDPOINT="+server.Hub.URL, "HF_HOME="+dir)
		cmd.Stderr = tty
		_, err := cmd.Output()
		require.NoError(t, err)
	}
	require.NoError(t, tty.Close())
	wait.Wait()
	require.Contains(t, shown.String(), "model.safetensors    0 %")
	require.Contains(t, shown.String(), "of 3 ")
}
