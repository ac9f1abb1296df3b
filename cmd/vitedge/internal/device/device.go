// Package device knows the machine that the daemon runs on: who it is, whether
// its clock is right, how warm it is and whether its power is good. Everything
// is read from files of the kernel under a root folder, so that tests bring
// their own machine.
package device

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"vitedge/cmd/vitedge/internal/wholefile"
)

// FS is the root of the kernel's files, "/" but in tests.
type FS string

func (root FS) read(path string) string {
	data, err := os.ReadFile(filepath.Join(string(root), path))
	if err != nil {
		return ""
	}
	return string(bytes.TrimRight(bytes.TrimSpace(data), "\x00"))
}

// ID derives a name that stays the same on this machine: "vitedge-" and 12 hex
// digits of an HMAC keyed with the machine id, which itself must not be made
// public (machine-id(5)). A machine without one gets a random name that is kept
// in stateDir.
func (root FS) ID(stateDir string) (string, error) {
	if id := root.read("etc/machine-id"); len(id) == 32 {
		h := hmac.New(sha256.New, []byte(id))
		h.Write([]byte("vitedge device id"))
		return name(h.Sum(nil)), nil
	}
	path := filepath.Join(stateDir, "device-id")
	data, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(data)); strings.HasPrefix(id, "vitedge-") && len(id) == len("vitedge-")+12 {
		return id, nil
	}
	seed := make([]byte, 6)
	rand.Read(seed) // never fails, see its documentation
	id := name(seed)
	if err == nil || errors.Is(err, os.ErrNotExist) { // else a name may be there
		// Half of it after a power cut would be another device at the next start.
		err = wholefile.Write(path, []byte(id+"\n"))
	}
	if err != nil {
		return "", fmt.Errorf("this machine has no /etc/machine-id, and a name of its own cannot be kept: %w; set device.id", err)
	}
	return id, nil
}

func name(b []byte) string { return "vitedge-" + hex.EncodeToString(b)[:12] }

// Model is the name of the board, such as "Raspberry Pi 4 Model B Rev 1.4", or
// empty. The better known /proc/device-tree is hidden from a hardened service.
func (root FS) Model() string {
	if m := root.read("sys/firmware/devicetree/base/model"); m != "" {
		return m
	}
	return root.read("sys/class/dmi/id/product_name")
}

// Health is the state of the hardware. A nil field is not known here.
type Health struct {
	TemperatureC *float64   // of the processor
	Throttled    *Throttled // Raspberry Pi only
}

// Throttled is the firmware's word on power and heat, see the documentation of
// the Raspberry Pi's vcgencmd get_throttled.
type Throttled uint32

// The bits of Throttled; the same shifted by 16 say that it happened since boot.
const (
	UnderVoltage    Throttled = 1 << 0
	FrequencyCapped Throttled = 1 << 1
	ThrottledNow    Throttled = 1 << 2
	SoftTempLimit   Throttled = 1 << 3
)

var throttledNames = []struct {
	bit  Throttled
	name string
}{
	{UnderVoltage, "under-voltage"}, {FrequencyCapped, "frequency-capped"},
	{ThrottledNow, "throttled"}, {SoftTempLimit, "soft-temperature-limit"},
}

// Names lists what is the case now, and with "-occurred" what was since boot.
func (t Throttled) Names() []string {
	names := []string{}
	for _, n := range throttledNames {
		if t&n.bit != 0 {
			names = append(names, n.name)
		} else if t>>16&n.bit != 0 {
			names = append(names, n.name+"-occurred")
		}
	}
	return names
}

// Health reads the sensors.
func (root FS) Health() Health {
	var h Health
	if t, ok := root.temperature(); ok {
		h.TemperatureC = &t
	}
	if t, ok := root.throttled(); ok {
		h.Throttled = &t
	}
	return h
}

// temperature is that of the zone whose type names the processor, else of the
// first zone, in degrees Celsius.
func (root FS) temperature() (float64, bool) {
	zones, _ := filepath.Glob(filepath.Join(string(root), "sys/class/thermal/thermal_zone*"))
	best, found := 0.0, false
	for _, zone := range zones {
		dir := FS(zone)
		milli, err := strconv.Atoi(dir.read("temp"))
		if err != nil || milli < -50_000 || milli > 200_000 {
			continue
		}
		kind := strings.ToLower(dir.read("type"))
		isCPU := strings.Contains(kind, "cpu") || strings.Contains(kind, "x86_pkg")
		if !found || isCPU {
			best, found = float64(milli)/1000, true
		}
		if isCPU {
			break
		}
	}
	return best, found
}

// throttled reads the firmware's flags, or on kernels without them the
// under-voltage alarm of the rpi_volt sensor.
func (root FS) throttled() (Throttled, bool) {
	if text := root.read("sys/devices/platform/soc/soc:firmware/get_throttled"); text != "" {
		flags, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 32)
		if err == nil {
			return Throttled(flags), true
		}
	}
	sensors, _ := filepath.Glob(filepath.Join(string(root), "sys/class/hwmon/hwmon*"))
	for _, sensor := range sensors {
		dir := FS(sensor)
		if dir.read("name") != "rpi_volt" {
			continue
		}
		switch dir.read("in0_lcrit_alarm") {
		case "0":
			return 0, true
		case "1":
			return UnderVoltage, true
		}
	}
	return 0, false
}

// ResidentBytes is the memory that this process has in RAM, 0 where unknown.
func (root FS) ResidentBytes() int64 {
	fields := strings.Fields(root.read("proc/self/statm"))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// ClockSynced reports whether the time of day can be trusted. The kernel knows
// from whoever disciplines the clock; where it may not be asked, the file that
// systemd-timesyncd leaves decides.
func (root FS) ClockSynced() bool {
	synced, err := kernelClockSynced()
	if err == nil {
		return synced
	}
	_, err = os.Stat(filepath.Join(string(root), "run/systemd/timesync/synchronized"))
	return err == nil
}
