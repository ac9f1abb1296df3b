package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/brokertest"
	"vitedge/cmd/vitedge/internal/config"
)

// asCommand in the environment makes the test binary the command itself.
const asCommand = "TEST_RUNS_AS_COMMAND"

// stopped is its value for a command that was to start anew, and then to end.
const stopped = "stopped"

func TestMain(m *testing.M) {
	switch os.Getenv(asCommand) {
	case "":
	case stopped:
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		os.Exit(startAnew(ctx))
	default:
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

// TestStopWinsOverRestart: a SIGTERM while the program ends to start anew, which takes
// seconds without a broker, must not be lost.
func TestStopWinsOverRestart(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), brokertest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), asCommand+"="+stopped)
	require.NoError(t, cmd.Run())
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

// TestLostOutput: a result that nobody gets is no success.
func TestLostOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full")
	}
	defer full.Close()
	for _, args := range [][]string{{"cameras", "--help"}, {"version"}, {"doctor", "--broker=", "--camera", "test:"}, {"doctor", "--broker=", "--camera", "test:", "--json"}} {
		var stderr bytes.Buffer
		require.Equal(t, exitFailure, run(t.Context(), args, full, &stderr), args)
		if args[0] != "doctor" { // which has other faults to tell of
			require.Contains(t, stderr.String(), "no space left on device", args)
		}
	}
}

// TestInterrupted: Ctrl-C is no finding.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"doctor", "--broker", "mqtt://127.0.0.1:1", "--camera", "test:"}, {"bench", "--random", "tiny", "--iterations", "1"}} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitFailure, run(ctx, args, &stdout, &stderr))
		require.Empty(t, stdout.String())
		require.Equal(t, "vitedge: interrupted\n", stderr.String())
	}
}

// TestUsage: a wrong command line is one line, that names what is wrong and whose
// help to read.
func TestUsage(t *testing.T) {
	for args, want := range map[string]string{
		"nonsense":              `vitedge: unknown command "nonsense"; see vitedge --help`,
		"mqtt nonsense":         `vitedge: unknown command "nonsense"; see vitedge mqtt --help`,
		"demo here":             `vitedge: unexpected argument "here"; see vitedge demo --help`,
		"demo --config x":       `vitedge: unknown flag: --config; see vitedge demo --help`,
		"demo --set log.level":  `vitedge: --set is "log.level"; want KEY=VALUE; see vitedge demo --help`,
		"mqtt cleanup --set":    `vitedge: flag needs an argument: --set; see vitedge mqtt cleanup --help`,
		"classify":              `vitedge: no picture is named, and no --camera; see vitedge classify --help`,
		"bench --iterations 0x": `vitedge: invalid argument "0x" for "--iterations" flag: strconv.ParseInt: parsing "0x": invalid syntax; see vitedge bench --help`,
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitUsage, run(t.Context(), strings.Fields(args), &stdout, &stderr), args)
		require.Equal(t, want+"\n", stderr.String())
		require.Empty(t, stdout.String())
	}
}

func TestVersionAndCompletion(t *testing.T) {
	for args, want := range map[string]string{
		"--version":                   "vitedge " + programVersion() + "\n",
		"completion bash":             "__start_vitedge",
		"completion zsh":              "#compdef vitedge",
		"__complete demo --log":       "--log-format",
		"__complete run --camera de":  "demo:",
		"__complete bench --random s": "small",
		"__complete --model x":        "safetensors\n:8", // ShellCompDirectiveFilterFileExt
	} {
		var stdout, stderr bytes.Buffer
		require.Zero(t, run(t.Context(), strings.Fields(args), &stdout, &stderr), stderr.String())
		require.Contains(t, stdout.String(), want, args)
	}
}
