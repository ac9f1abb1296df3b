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

// asCommand in the environment makes the test binary a command that signals
// itself, and once more when it is told to end.
const asCommand = "TEST_RUNS_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) == "" {
		os.Exit(m.Run())
	}
	ctx := Context()
	number, _ := strconv.Atoi(os.Getenv(asCommand))
	syscall.Kill(os.Getpid(), syscall.Signal(number))
	<-ctx.Done()
	syscall.Kill(os.Getpid(), syscall.Signal(number))
	time.Sleep(time.Minute)
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
