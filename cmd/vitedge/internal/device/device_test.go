package device

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// machine writes files under a fake root.
func machine(t *testing.T, files map[string]string) FS {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return FS(root)
}

func TestID(t *testing.T) {
	const machineID = "0123456789abcdef0123456789abcdef"
	root := machine(t, map[string]string{"etc/machine-id": machineID + "\n"})
	id, err := root.ID(t.TempDir())
	require.NoError(t, err)
	require.Regexp(t, `^vitedge-[0-9a-f]{12}$`, id)
	require.NotContains(t, machineID, id[len("vitedge-"):])
	again, err := root.ID(t.TempDir())
	require.NoError(t, err)
	require.Equal(t, id, again)
	other, err := machine(t, map[string]string{"etc/machine-id": "f" + machineID[1:]}).ID(t.TempDir())
	require.NoError(t, err)
	require.NotEqual(t, id, other)
}

func TestIDWithoutMachineID(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	id, err := FS(t.TempDir()).ID(state)
	require.NoError(t, err)
	require.Regexp(t, `^vitedge-[0-9a-f]{12}$`, id)
	again, err := FS(t.TempDir()).ID(state)
	require.NoError(t, err)
	require.Equal(t, id, again)

	_, err = FS(t.TempDir()).ID("/proc/nothing/can/be/made/here")
	require.ErrorContains(t, err, "set device.id")
}

// TestIDIsWrittenWhole: a new name takes the place of a file with half of one, and
// is not written into it.
func TestIDIsWrittenWhole(t *testing.T) {
	state := t.TempDir()
	path, kept := filepath.Join(state, "device-id"), filepath.Join(state, "kept")
	require.NoError(t, os.WriteFile(path, []byte("vitedge-0123"), 0o600))
	require.NoError(t, os.Link(path, kept))
	id, err := FS(t.TempDir()).ID(state)
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, id+"\n", string(data))
	data, err = os.ReadFile(kept)
	require.NoError(t, err)
	require.Equal(t, "vitedge-0123", string(data))
}

// TestIDThatCannotBeRead: a name that may be there is not replaced.
func TestIDThatCannotBeRead(t *testing.T) {
	state := t.TempDir()
	require.NoError(t, os.Symlink("device-id", filepath.Join(state, "device-id"))) // to itself
	_, err := FS(t.TempDir()).ID(state)
	require.ErrorIs(t, err, syscall.ELOOP)
	require.ErrorContains(t, err, "set device.id")
}

func TestRaspberryPi(t *testing.T) {
	root := machine(t, map[string]string{
		"sys/firmware/devicetree/base/model":                  "Raspberry Pi 4 Model B Rev 1.4\x00",
		"sys/class/thermal/thermal_zone0/type":                "cpu-thermal\n",
		"sys/class/thermal/thermal_zone0/temp":                "48312\n",
		"sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
		"sys/class/hwmon/hwmon1/name":                         "rpi_volt\n",
		"sys/class/hwmon/hwmon1/in0_lcrit_alarm":              "0\n",
		"proc/self/statm":                                     "5000 100 0 0 0 0 0\n",
		"run/systemd/timesync/synchronized":                   "",
		"sys/class/dmi/id/product_name":                       "not this one",
		"sys/class/thermal/thermal_zone1/type":                "gpu\n",
		"sys/class/thermal/thermal_zone1/temp":                "99999\n",
	})
	require.Equal(t, "Raspberry Pi 4 Model B Rev 1.4", root.Model())
	h := root.Health()
	require.Equal(t, 48.312, *h.TemperatureC)
	require.Equal(t, []string{"under-voltage", "throttled"}, h.Throttled.Names())
	require.Equal(t, int64(100*os.Getpagesize()), root.ResidentBytes())
}

func TestThrottledNames(t *testing.T) {
	require.Empty(t, Throttled(0).Names())
	require.Equal(t, []string{"frequency-capped", "soft-temperature-limit-occurred"}, Throttled(0x80002).Names())
}

// TestNewerFirmware has no get_throttled, only the voltage alarm.
func TestNewerFirmware(t *testing.T) {
	root := machine(t, map[string]string{
		"sys/class/hwmon/hwmon0/name":            "cpu_thermal\n",
		"sys/class/hwmon/hwmon2/name":            "rpi_volt\n",
		"sys/class/hwmon/hwmon2/in0_lcrit_alarm": "1\n",
	})
	require.Equal(t, []string{"under-voltage"}, root.Health().Throttled.Names())
}

func TestUnknownMachine(t *testing.T) {
	root := machine(t, map[string]string{
		"sys/class/thermal/thermal_zone0/temp":                "rubbish",
		"sys/devices/platform/soc/soc:firmware/get_throttled": "rubbish",
	})
	require.Equal(t, Health{}, root.Health())
	require.Empty(t, root.Model())
	require.Zero(t, root.ResidentBytes())
}
