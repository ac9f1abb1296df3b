package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/config"
)

// asCommand in the environment makes the test binary the command itself.
const asCommand = "TEST_RUNS_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"vitedge": main})
}

// The scripts run the command as a user does. They have three commands of
// their own: model writes a model that knows three colors, pictures writes a
// folder of pictures in these colors, and exits runs a command and wants an
// exit status.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"model": func(ts *testscript.TestScript, _ bool, args []string) {
				_, err := writeColorModel(ts.MkAbs(args[0]))
				ts.Check(err)
			},
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				err := ts.Exec(args[1], args[2:]...)
				var exit *exec.ExitError
				if !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
					ts.Fatalf("%v; want exit status %s", err, args[0])
				}
			},
			"pictures": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(writePictures(ts.MkAbs(args[0]), strings.Join(args[1:], " ")))
			},
		},
	})
}

// TestSampleIsEmbedded guards that check-config --sample prints the file that
// package config tests.
func TestSampleIsEmbedded(t *testing.T) {
	file, err := os.ReadFile("vitedge.yaml")
	require.NoError(t, err)
	require.Equal(t, string(file), sample)
	for _, key := range config.Keys() {
		require.Contains(t, sample, key[strings.LastIndexByte(key, '.')+1:]+":")
	}
}
