//go:build linux

package virtualpi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Host is the address of the host's loopback as the guest sees it.
const Host = "10.0.2.2"

// Patience is the limit of every wait for the guest. An emulated machine on a
// busy one is slow; the limit is only reached when something is broken.
const Patience = 2 * time.Minute

// Modules are the drivers that the guest needs: its bus, its network, its USB
// host and cameras.
var Modules = []string{"virtio_pci", "virtio_net", "xhci_pci", "uvcvideo"}

// Machine is a running guest.
type Machine struct {
	// Camera is the socket of the guest's USB bus.
	Camera string

	t      testing.TB
	cmd    *exec.Cmd
	stdin  io.Writer
	number int           // of the last command
	ended  chan struct{} // closed when QEMU is gone

	mu      sync.Mutex
	lines   []string      // that the guest has printed
	changed chan struct{} // closed and replaced with each line
}

// Start boots the kernel with the root file system on an emulated Cortex-A72
// with two cores and waits until its shell is there. The machine is switched
// off when the test ends.
func Start(t testing.TB, kernel *Kernel, root *Archive) *Machine {
	t.Helper()
	// QEMU's path of a unix socket has at most 107 bytes, which test folders
	// with long names exceed.
	dir, err := os.MkdirTemp("", "virtualpi")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	image, initrd := filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "initrd")
	require.NoError(t, os.WriteFile(image, kernel.Image, 0o600))
	require.NoError(t, os.WriteFile(initrd, root.Bytes(), 0o600))

	m := &Machine{t: t, Camera: filepath.Join(dir, "camera"), ended: make(chan struct{}), changed: make(chan struct{})}
	// TCG even where there is KVM: the host may be of another architecture, and
	// its CPU is another one than the Pi's in any case.
	m.cmd = exec.Command("qemu-system-aarch64",
		"-machine", "virt,gic-version=2", "-cpu", "cortex-a72", "-smp", "2", "-m", "512",
		"-accel", "tcg,thread=multi,tb-size=256",
		"-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot", "-serial", "stdio",
		"-kernel", image, "-initrd", initrd,
		// Messages of the kernel would break the shell's lines in two.
		"-append", "console=ttyAMA0 quiet loglevel=1 panic=-1 mitigations=off systemd.show_status=0 systemd.getty_auto=0",
		"-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
		"-device", "qemu-xhci,id=xhci", "-chardev", "socket,id=camera,server=on,wait=off,path="+m.Camera,
		"-device", "usb-redir,chardev=camera,bus=xhci.0",
	)
	m.stdin, err = m.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := m.cmd.StdoutPipe()
	require.NoError(t, err)
	m.cmd.Stderr = m.cmd.Stdout // both in one pipe
	require.NoError(t, m.cmd.Start())
	go m.read(out)
	t.Cleanup(m.stop)
	m.Wait("its shell", func(lines []string) bool { return hasPrefix(lines, "ready after") })
	return m
}

func hasPrefix(lines []string, prefix string) bool {
	for _, l := range lines {
		if strings.HasPrefix(l, prefix) {
			return true
		}
	}
	return false
}

// read keeps what the guest prints until QEMU ends.
func (m *Machine) read(r io.Reader) {
	reader := bufio.NewReader(r)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			break
		}
		m.mu.Lock()
		m.lines = append(m.lines, strings.TrimRight(line, "\r\n"))
		close(m.changed)
		m.changed = make(chan struct{})
		m.mu.Unlock()
	}
	m.cmd.Wait()
	close(m.ended)
}

func (m *Machine) stop() {
	m.cmd.Process.Kill()
	<-m.ended
	if m.t.Failed() {
		m.t.Logf("the guest said:\n%s", strings.Join(m.Console(), "\n"))
	}
}

// Console is what the guest has printed.
func (m *Machine) Console() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.lines...)
}

// Wait waits until enough holds of what the guest has printed.
func (m *Machine) Wait(what string, enough func(lines []string) bool) {
	m.t.Helper()
	require.NoError(m.t, m.wait(enough), "waiting for %s", what)
}

func (m *Machine) wait(enough func(lines []string) bool) error {
	deadline := time.After(Patience)
	for {
		m.mu.Lock()
		lines, changed := m.lines[:len(m.lines):len(m.lines)], m.changed
		m.mu.Unlock()
		if enough(lines) {
			return nil
		}
		select {
		case <-changed:
		case <-m.ended:
			return errors.New("QEMU has ended")
		case <-deadline:
			return fmt.Errorf("the guest did not do it in %v", Patience)
		}
	}
}

// Run runs a command in the guest's shell and returns its exit status. Shell
// variables live on.
func (m *Machine) Run(command string) (status int) {
	m.t.Helper()
	require.NotContains(m.t, command, "\n", "one line is one command")
	m.number++
	_, err := fmt.Fprintf(m.stdin, "%d %s\n", m.number, command)
	require.NoError(m.t, err)
	prefix := fmt.Sprintf("done %d ", m.number)
	m.Wait(command, func(lines []string) bool {
		for _, l := range lines {
			if rest, ok := strings.CutPrefix(l, prefix); ok {
				_, err := fmt.Sscan(rest, &status)
				return err == nil
			}
		}
		return false
	})
	return status
}
