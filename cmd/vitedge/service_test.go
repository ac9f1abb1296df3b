package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/brokertest"
)

// TestServiceIsHardened lets systemd score the unit: 0 is best, 10 is worst.
func TestServiceIsHardened(t *testing.T) {
	tool := brokertest.RequireTool(t, "systemd-analyze")
	output, err := exec.Command(tool, "security", "--offline=true", "--no-pager", "vitedge.service").CombinedOutput()
	if err != nil && strings.Contains(string(output), "unrecognized option") {
		t.Skip("this systemd-analyze cannot score a file")
	}
	require.NoError(t, err, string(output))
	found := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(string(output))
	require.NotNil(t, found, string(output))
	score, err := strconv.ParseFloat(found[1], 64)
	require.NoError(t, err)
	require.LessOrEqual(t, score, 1.5)
}

// TestServiceIsValid lets systemd read the unit, with this program in place of
// the one that is not installed.
func TestServiceIsValid(t *testing.T) {
	tool := brokertest.RequireTool(t, "systemd-analyze")
	text, err := os.ReadFile("vitedge.service")
	require.NoError(t, err)
	unit := filepath.Join(t.TempDir(), "vitedge.service")
	require.NoError(t, os.WriteFile(unit, []byte(strings.ReplaceAll(string(text), "/usr/bin/vitedge", os.Args[0])), 0o600))
	output, err := exec.Command(tool, "verify", "--man=no", unit).CombinedOutput()
	require.NoError(t, err, string(output))
	// A setting that is not known is only a warning.
	require.NotContains(t, string(output), filepath.Base(unit), string(output))
}

// TestServiceKnowsTheExitStatus guards that systemd does not restart a daemon
// whose configuration is wrong, and does restart one that has panicked, which
// ends with 2.
func TestServiceKnowsTheExitStatus(t *testing.T) {
	text, err := os.ReadFile("vitedge.service")
	require.NoError(t, err)
	require.Contains(t, string(text), fmt.Sprintf("\nRestartPreventExitStatus=%d\n", exitConfig))
	require.NotEqual(t, 2, exitConfig)
}
