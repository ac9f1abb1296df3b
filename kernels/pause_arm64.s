//go:build !purego

#include "textflag.h"

// func pause()
//
// YIELD does nothing on the cores this is for; an ISB waits until the pipeline
// is empty, 15 to 20 ns.
TEXT ·pause(SB), NOSPLIT, $0-0
	YIELD
	ISB $15
	ISB $15
	ISB $15
	RET
