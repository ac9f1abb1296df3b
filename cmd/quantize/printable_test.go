package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"résumé\tähnlich 猫\n": "résumé\tähnlich 猫\n",
		"\x1b[2J\r\x07\x7f":   "\ufffd[2J\ufffd\ufffd\ufffd",
		"\u009b31m\u202etac":  "\ufffd31m\ufffdtac",
		"\xff":                "\ufffd",
	} {
		require.Equal(t, want, printable(text))
	}
}

// What a hostile model calls itself and its classes does not reach the terminal.
func TestHostileNames(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeViT(dir))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "labels.txt"), []byte("ant\nbee\ncat\x1b[2J\ndog\neel\u202e\n"), 0o644))
	path := filepath.Join(dir, "config.json")
	config, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(config), "vit_test", `vit\u001b[31m_test`)), 0o644))
	out := filepath.Join(dir, "out")
	for _, args := range [][]string{{dir, out}, {"inspect", dir}, {"inspect", out}, {"verify", "--float", dir, out}} {
		code, stdout, stderr := execute(args...)
		require.Zero(t, code, stderr)
		require.NotContains(t, stdout, "\x1b")
		require.NotContains(t, stdout, "\u202e")
		if args[0] != "verify" { // which prints no names
			require.Contains(t, stdout, "vit\ufffd[31m_test")
		}
	}
	require.NoError(t, os.WriteFile(path, []byte("{\x1b"), 0o644))
	code, _, stderr := execute("-v", dir, out)
	require.Equal(t, 1, code)
	require.NotContains(t, stderr, "\x1b")
}
