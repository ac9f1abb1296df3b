package interrupt

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The environment makes the test binary a command that signals itself: asCommand
// has the number of the signal, thenRelease is not empty if the command gives
// the signals back right after it, rather than send another when it is told to
// end.
const (
	asCommand   = "TEST_RUNS_AS_COMMAND"
	thenRelease = "TEST_RELEASES"
)

const lost = 3 // is the exit status for a signal that did nothing

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) == "" {
		os.Exit(m.Run())
	}
	ctx, release := Context()
	number, _ := strconv.Atoi(os.Getenv(asCommand))
	syscall.Kill(os.Getpid(), syscall.Signal(number))
	if os.Getenv(thenRelease) != "" {
		release()
		if ctx.Err() == nil {
			time.Sleep(time.Second) // for a signal that is still to come
			os.Exit(lost)
		}
		return
	}
	<-ctx.Done()
	syscall.Kill(os.Getpid(), syscall.Signal(number))
	time.Sleep(time.Minute)
}

// TestRelease guards that a signal which comes just when the signals are given
// back is not lost: it ends the context or the process.
func TestRelease(t *testing.T) {
	for range 200 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", asCommand, syscall.SIGTERM), thenRelease+"=yes")
		cmd.Run()
		require.NotEqual(t, lost, cmd.ProcessState.ExitCode())
	}
}

// TestSecondSignal guards that a second signal kills at once however soon it
// comes after the end of the context.
func TestSecondSignal(t *testing.T) {
	for i := range 50 {
		s := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}[i%2]
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", asCommand, s))
		cmd.Run()
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		require.True(t, status.Signaled() && status.Signal() == s, "%v: %v", s, cmd.ProcessState)
	}
}
