package main

import (
	"testing"

	"vitedge/cmd/internal/manual"
)

// TestManual writes man pages and completions; "make man" keeps them.
func TestManual(t *testing.T) { manual.Test(t, newRoot(), programVersion()) }
