//go:build linux

package virtualpi

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// isolated in the environment says that the process is in namespaces of its
// own.
const isolated = "VITEDGE_TEST_ISOLATED"

// Isolate runs the rest of the test in a network namespace with nothing in it
// but loopback, so that no packet can leave the machine, and in a process
// namespace, so that no process outlives the test: it starts the test binary
// anew for this test alone. It returns true in that process. Where it returns
// false the test is done: it has passed, or failed with all that the other
// process said.
func Isolate(t *testing.T) bool {
	t.Helper()
	if os.Getenv(isolated) == "1" {
		require.NoError(t, loopbackUp())
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=0")
	cmd.Env = append(os.Environ(), isolated+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	if uid := os.Getuid(); uid != 0 { // namespaces of users who are not root belong to a user namespace
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	// The signal of Pdeathsig comes when the thread ends that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Start()
	if errors.Is(err, syscall.EPERM) && os.Getenv("VITEDGE_TEST_REQUIRE") != "1" {
		t.Skip("this system does not let its users have network namespaces")
	}
	require.NoError(t, err, "a process with namespaces of its own")
	for s := bufio.NewScanner(out); s.Scan(); {
		t.Log(s.Text())
	}
	require.NoError(t, cmd.Wait(), "the test in its own namespaces")
	return false
}

// loopbackUp switches on what a new network namespace has: loopback, and
// nothing else.
func loopbackUp() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	if len(interfaces) != 1 || interfaces[0].Flags&net.FlagLoopback == 0 {
		return fmt.Errorf("the new namespace has the network interfaces %v; want loopback alone", interfaces)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(interfaces[0].Name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}
