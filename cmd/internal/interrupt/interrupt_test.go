package interrupt

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asCommand in the environment makes the test binary a command that signals
// itself, and once more when it is told to end.
const asCommand = "TEST_RUNS_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) == "" {
		os.Exit(m.Run())
	}
	ctx := Context()
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	<-ctx.Done()
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	time.Sleep(time.Minute)
}

// TestSecondSignal guards that a second signal kills at once however soon it
// comes after the end of the context.
func TestSecondSignal(t *testing.T) {
	for range 50 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), asCommand+"=1")
		cmd.Run()
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		require.True(t, status.Signaled() && status.Signal() == syscall.SIGTERM, cmd.ProcessState.String())
	}
}
