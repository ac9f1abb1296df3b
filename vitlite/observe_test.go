package vitlite

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// An int8 model whose layers are given the outputs of the float model's ends with
// the float model's logits: every layer that int8 changes is observed.
func TestObserver(t *testing.T) {
	for name := range goldenHashes {
		f, q := goldenModel(t, name)
		float, int8 := load(t, f, 1), load(t, q, 2)
		pixels := picture(float)
		want, plain := logits(t, float, pixels), logits(t, int8, pixels)
		require.NotEqual(t, want, plain)

		var layers []string
		rows := map[string][]float32{}
		float.SetObserver(func(o Output) {
			require.Equal(t, float.Config().Tokens(), o.Tokens)
			layers = append(layers, o.Layer)
			for i := range o.Tokens {
				rows[o.Layer] = append(rows[o.Layer], o.Rows[i*o.Stride:][:o.Width]...)
			}
		})
		require.Equal(t, want, logits(t, float, pixels))
		require.Equal(t, append([]string{"vit.embeddings"}, f.LinearLayers()...), layers)

		differ := 0
		int8.SetObserver(func(o Output) {
			require.Len(t, rows[o.Layer], o.Tokens*o.Width)
			for i := range o.Tokens {
				row, exact := o.Rows[i*o.Stride:][:o.Width], rows[o.Layer][i*o.Width:][:o.Width]
				for j, v := range exact {
					if row[j] != v {
						differ++
						row[j] = v
					}
				}
			}
		})
		require.Equal(t, want, logits(t, int8, pixels))
		require.NotZero(t, differ)
		int8.SetObserver(nil)
		require.Equal(t, plain, logits(t, int8, pixels))
	}
}

// What is added to the residual stream is told from what is written elsewhere.
func TestObserverAdded(t *testing.T) {
	f, _ := open(t, "vit64-timm")
	m := load(t, f, 1)
	var last *float32
	added := 0
	m.SetObserver(func(o Output) {
		switch {
		case o.Layer == "vit.embeddings":
			last = &o.Rows[0]
		case o.Added:
			added++
			require.Same(t, last, &o.Rows[0], o.Layer)
			require.Contains(t, o.Layer, "output.dense")
		default:
			require.NotSame(t, last, &o.Rows[0], o.Layer)
			require.NotContains(t, o.Layer, "output.dense")
		}
	})
	logits(t, m, picture(m))
	require.Equal(t, 2*f.Config.Depth, added)
}

func TestObserverAllocatesNothing(t *testing.T) {
	_, q := open(t, "vit64-timm")
	m := load(t, q, 1)
	calls := 0
	m.SetObserver(func(o Output) { calls++ })
	pixels, l := picture(m), make([]float32, m.Config().Classes)
	for range 20 {
		require.NoError(t, m.Forward(l, pixels))
	}
	require.Zero(t, testing.AllocsPerRun(20, func() { m.Forward(l, pixels) }))
	require.NotZero(t, calls)
}
