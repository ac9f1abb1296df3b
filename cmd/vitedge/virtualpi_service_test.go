//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/camera/cameratest"
	"vitedge/cmd/vitedge/internal/brokertest"
	"vitedge/cmd/vitedge/internal/publish"
	"vitedge/cmd/vitedge/internal/virtualpi"
)

// TestVirtualPiService installs the daemon and its unit on the virtual Pi as
// README says, with Debian's own systemd as process 1, and udev, which gives
// the webcam to the group video. The drop-in has the times that are minutes in
// the field, and the password.
func TestVirtualPiService(t *testing.T) {
	packages := requireVirtualPi(t)
	if len(packages.Systemd) == 0 {
		require.NotEqual(t, "1", os.Getenv("VITEDGE_TEST_REQUIRE"), "systemd's packages; run cmd/vitedge/testdata/virtualpi/install.sh")
		t.Skip("systemd's packages are missing; run cmd/vitedge/testdata/virtualpi/install.sh")
	}
	tool := brokertest.RequireTool(t, "mosquitto_passwd")
	if !virtualpi.Isolate(t) {
		return
	}
	s := newServicePi(t, packages, tool)
	s.step("start", s.start)
	s.step("sandbox", s.sandbox)
	s.step("clock", s.clock)
	s.step("settings", s.settings)
	s.step("reload", s.reload)
	s.step("restart by command", s.restartByCommand)
	s.step("new model", s.newModel)
	s.step("kill", s.kill)
	s.step("watchdog", s.watchdog)
	s.step("configuration", s.configuration)
	s.step("stop", s.stop)
}

// servicePi is a pi whose process 1 is systemd.
type servicePi struct {
	*pi
	pid string // of the daemon
}

// dropIn has times that are short for a test and long for a busy machine.
const dropIn = `[Service]
LoadCredential=mqtt-password:/etc/vitedge/mqtt.password
WatchdogSec=40
RestartSec=100ms
`

func newServicePi(t *testing.T, packages virtualpi.Packages, passwd string) *servicePi {
	p := &pi{t: t}
	dir := t.TempDir()
	model := filepath.Join(dir, "model.safetensors")
	require.NoError(t, writeSmallModel(model))

	// The broker takes anybody without a name, and the daemon's name with the
	// right password only.
	users := filepath.Join(dir, "users")
	output, err := exec.Command(passwd, "-b", "-c", users, "pi", "open sesame").CombinedOutput()
	require.NoError(t, err, string(output))
	p.broker = brokertest.Start(t, "allow_anonymous true", "password_file "+users)
	p.proxy = brokertest.NewProxy(t, p.broker.Addr())
	p.webcam = cameratest.New(cameratest.Config{})
	p.webcam.SetFPS(2) // the emulated CPU is to have time for systemd
	p.webcam.SetImage(pictures["red"])

	kernel, err := virtualpi.OpenKernel(packages.Kernel)
	require.NoError(t, err)
	modules, err := kernel.Modules(virtualpi.Modules...)
	require.NoError(t, err)
	busybox, err := virtualpi.ReadFile(packages.Busybox, "bin/busybox")
	require.NoError(t, err)
	root, err := virtualpi.NewSystemdRoot(busybox, modules, packages.Systemd)
	require.NoError(t, err)
	root.Dir(virtualpi.System + "etc/vitedge")
	root.Dir(virtualpi.System + "etc/systemd/system/vitedge.service.d")
	root.Dir(virtualpi.System + "var/lib")
	root.Dir(virtualpi.System + "var/lib/vitedge")
	root.Dir(virtualpi.System + "home")
	for name, text := range map[string][]byte{
		"usr/bin/vitedge":                                 compile(t, []string{"GOARCH=arm64"}, "build", "-trimpath", "-ldflags=-s", "."),
		"var/lib/vitedge/model.safetensors":               read(t, model),
		"home/x":                                          []byte("private\n"),
		"etc/vitedge/vitedge.yaml":                        []byte(p.serviceConfig("0.125")),
		"etc/systemd/system/vitedge.service":              read(t, "vitedge.service"),
		"etc/systemd/system/vitedge.service.d/times.conf": []byte(dropIn),
	} {
		perm := 0o644
		if strings.HasPrefix(name, "usr/bin/") {
			perm = 0o755
		}
		root.File(virtualpi.System+name, perm, text)
	}
	root.File(virtualpi.System+"etc/vitedge/mqtt.password", 0o600, []byte("open sesame\n"))
	p.step("boot", func() { p.machine = virtualpi.Start(t, kernel, root) })
	t.Cleanup(func() { p.webcam.Unplug() })
	p.plug()
	return &servicePi{pi: p}
}

func (p *pi) serviceConfig(threshold string) string {
	_, port, err := net.SplitHostPort(p.proxy.Addr())
	require.NoError(p.t, err)
	return fmt.Sprintf(`
device: {id: pi}
cameras: {cam: {frozen_after: 0s}}
decide: {interval: 1s, threshold: %s, votes: 1, window: 1, hold: 0s}
mqtt: {url: "mqtt://%s:%s", username: pi, reconnect_min: 10ms, reconnect_max: 500ms, status: 1s}
`, threshold, virtualpi.Host, port)
}

// run is a command that must succeed.
func (s *servicePi) run(command string) {
	s.t.Helper()
	require.Zero(s.t, s.machine.Run(command), command)
}

// output is what a command prints that must succeed.
func (s *servicePi) output(command string) []string {
	s.t.Helper()
	before := len(s.machine.Console())
	s.run(command)
	return s.machine.Console()[before:]
}

// value is what follows a prefix in the output of a command.
func (s *servicePi) value(prefix, command string) string {
	s.t.Helper()
	for _, line := range s.output(command) {
		if value, ok := strings.CutPrefix(line, prefix); ok {
			return value
		}
	}
	s.t.Fatalf("%s does not print %s", command, prefix)
	return ""
}

// property is one of the unit.
func (s *servicePi) property(name string) string {
	s.t.Helper()
	return s.value(name+"=", "systemctl show -p "+name+" vitedge")
}

// up waits until the daemon is heard and notes its process.
func (s *servicePi) up() {
	s.t.Helper()
	s.until("availability", "online")
	s.until("cam/availability", "online")
	brokertest.Eventually(s.t, "an active unit", func() bool { return s.property("ActiveState") == "active" })
	s.pid = s.property("MainPID")
}

func (s *servicePi) start() {
	s.listen()
	s.run("until [ -e /dev/video0 ]; do sleep 0.1; done")
	s.run("systemctl start vitedge")
	s.up()
	brokertest.Eventually(s.t, "its status", func() bool {
		return s.property("StatusText") == "camera cam is up; connected to the broker"
	})
	require.Equal(s.t, "0", s.property("NRestarts"))
}

// sandbox checks what the process may do, and that the journal has its lines
// without times of their own and without secrets.
func (s *servicePi) sandbox() {
	for _, line := range []string{"CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		s.run("grep -qx '" + line + "' /proc/" + s.pid + "/status")
	}
	users := strings.Fields(s.value("Uid:", "cat /proc/"+s.pid+"/status"))
	require.Len(s.t, users, 4) // real, effective, saved, of the file system
	for _, user := range users {
		uid, err := strconv.Atoi(user)
		require.NoError(s.t, err)
		require.True(s.t, 61184 <= uid && uid <= 65519, "user %d; DynamicUser= of systemd.exec(5) has others", uid)
	}
	s.run("ls -l /dev/video0 | grep -q ' root *video '")
	root := "/proc/" + s.pid + "/root"
	s.run("[ -e /home/x ] && [ -e " + root + "/usr/bin/vitedge ] && [ ! -e " + root + "/home/x ]")
	journal := strings.Join(s.output("journalctl -u vitedge -o cat --no-pager"), "\n")
	require.Contains(s.t, journal, `level=INFO msg="model loaded"`)
	require.NotContains(s.t, journal, "time=")
	require.NotContains(s.t, journal, "sesame")
	s.run("! tr '\\0' '\\n' </proc/" + s.pid + "/environ | grep -q sesame")
}

// status waits for a status that is as it is to be.
func (s *servicePi) status(what string, enough func(publish.Status) bool) (found publish.Status) {
	s.t.Helper()
	s.next(what, "status", func(payload string) bool {
		require.NoError(s.t, json.Unmarshal([]byte(payload), &found))
		return enough(found)
	})
	return found
}

// clock: the unit keeps the kernel from being asked, and timesyncd's file
// decides.
func (s *servicePi) clock() {
	got := s.status("a status", func(publish.Status) bool { return true })
	require.Equal(s.t, "unsynced", got.Clock)
	require.Equal(s.t, "neon", got.Kernel)
	require.Empty(s.t, got.Problems)
	s.t.Logf("%.1f MB resident", float64(got.RSSBytes)/1e6)
	s.run("mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized")
	s.status("the right time", func(got publish.Status) bool { return got.Clock == "synced" })
}

// settings that are made over MQTT outlive the service, and its user.
func (s *servicePi) settings() {
	s.heard.UntilOn("vitedge/pi/cam/threshold/state", "0.125")
	s.heard.Publish("vitedge/pi/cam/threshold/set", "0.25", false)
	s.until("cam/threshold/state", "0.25")
	s.run("systemctl restart vitedge")
	s.until("availability", "offline")
	s.heard.Until("the setting of the daemon before", func([]brokertest.Message) bool {
		got := s.heard.On("vitedge/pi/cam/threshold/state")
		return len(got) > 2 && got[len(got)-1] == "0.25"
	})
	s.up()
	s.heard.Publish("vitedge/pi/cam/interval/set", "0.2", false)
	s.until("cam/interval/state", "0.2")
}

func (s *servicePi) reload() {
	s.run("sed -i 's/votes: 1, window: 1/votes: 2, window: 3/' /etc/vitedge/vitedge.yaml")
	s.run("systemctl reload vitedge")
	s.run("until journalctl -u vitedge -o cat --no-pager | grep -q 'in force: decide.votes, decide.window'; do sleep 0.2; done")
	require.Equal(s.t, s.pid, s.property("MainPID"))
}

// restartByCommand: the daemon starts anew in the same process. systemd must
// not take that for a stop that never ends, which it would kill after
// TimeoutStopSec.
func (s *servicePi) restartByCommand() {
	before := s.status("a status", func(publish.Status) bool { return true }).Session
	s.heard.Publish("vitedge/pi/cmd/restart", `{"id":"1"}`, false)
	s.until("availability", "offline")
	s.up()
	after := s.status("a new session", func(got publish.Status) bool { return got.Session != before }).Session
	s.status("more than the unit's TimeoutStopSec=10 later", func(got publish.Status) bool { return got.UptimeS >= 13 })
	require.Equal(s.t, after, s.status("a status", func(publish.Status) bool { return true }).Session)
	require.Equal(s.t, "active", s.property("ActiveState"))
	require.Equal(s.t, s.pid, s.property("MainPID"))
	require.Equal(s.t, "0", s.property("NRestarts"))
}

// newModel: the daemon may replace the file that root has put into its folder.
func (s *servicePi) newModel() {
	s.run("cp /var/lib/vitedge/model.safetensors /var/lib/vitedge/model.safetensors.next")
	s.heard.Publish("vitedge/pi/cmd/update_model", `{"id":"2"}`, false)
	s.next("the answer", "cmd/result", func(payload string) bool {
		require.Equal(s.t, `{"id":"2","cmd":"update_model","ok":true,"error":""}`, payload)
		return true
	})
	s.until("availability", "offline")
	s.up()
	s.run("[ ! -e /var/lib/vitedge/model.safetensors.next ]")
	require.Equal(s.t, "0", s.property("NRestarts"))
}

// kill is a crash: the broker publishes the will, systemd starts anew.
func (s *servicePi) kill() {
	s.run("kill -9 " + s.pid)
	s.until("availability", "offline")
	s.up()
	require.Equal(s.t, "1", s.property("NRestarts"))
}

// watchdog: a process that does nothing any more is replaced.
func (s *servicePi) watchdog() {
	old := s.pid
	s.run("kill -STOP " + s.pid)
	s.until("availability", "offline")
	s.up()
	require.NotEqual(s.t, old, s.pid)
	require.Equal(s.t, "2", s.property("NRestarts"))
	s.run("journalctl -u vitedge --no-pager | grep -q 'Watchdog timeout'")
}

// configuration that is wrong is not tried again and again.
func (s *servicePi) configuration() {
	s.run("sed -i 's/votes: 2/votes: 9/' /etc/vitedge/vitedge.yaml")
	require.NotZero(s.t, s.machine.Run("systemctl restart vitedge"))
	require.Equal(s.t, "failed", s.property("ActiveState"))
	require.Equal(s.t, "78", s.property("ExecMainStatus"))
	s.run("journalctl -u vitedge -o cat --no-pager | grep -q 'vitedge.yaml:4: decide.votes is 9 of decide.window 3'")
	s.run("sed -i 's/votes: 9/votes: 2/' /etc/vitedge/vitedge.yaml")
	s.listen()
	s.run("systemctl restart vitedge")
	s.up()
}

func (s *servicePi) stop() {
	began := time.Now()
	s.run("systemctl stop vitedge")
	s.t.Logf("stopped after %v", time.Since(began).Round(time.Millisecond))
	s.until("availability", "offline")
	require.Equal(s.t, "success", s.property("Result"))
	require.Equal(s.t, "inactive", s.property("ActiveState"))
	s.run("journalctl -u vitedge -o cat --no-pager | grep -q 'disconnected from the broker'")
}
