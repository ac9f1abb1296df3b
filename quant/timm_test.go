package quant

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The name of an architecture says its heads and activation, or nothing: never
// something else than timm's code. The list is that of all its plain ViTs.
func TestTimmArchitectures(t *testing.T) {
	b, err := os.ReadFile("../testdata/reference/timm.json")
	require.NoError(t, err)
	var list []struct {
		Name, Activation string
		Dim, Heads       int
		Epsilon          float32
	}
	require.NoError(t, json.Unmarshal(b, &list))
	require.Greater(t, len(list), 80)
	activations := map[string]Activation{"GELU": GELU, "GELUTanh": GELUTanh, "QuickGELU": QuickGELU}
	known := 0
	for _, timms := range list {
		c := &Checkpoint{Config: Config{Dim: timms.Dim, Activation: GELU}}
		require.NoError(t, timmArchitecture(c, timms.Name, "test"))
		require.Equal(t, activations[timms.Activation], c.Config.Activation, timms.Name)
		require.Equal(t, float32(1e-6), timms.Epsilon, timms.Name)
		if c.Config.Heads != 0 {
			require.Equal(t, timms.Heads, c.Config.Heads, timms.Name)
			known++
		}
	}
	require.GreaterOrEqual(t, known, len(list)-3, "but for timm's own test models")
	c := &Checkpoint{Config: Config{Dim: 768}}
	require.ErrorContains(t, timmArchitecture(c, "vit_base_patch16_rpn_224", "test"), "normalizes behind")
}
