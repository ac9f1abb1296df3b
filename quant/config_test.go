package quant

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfigValidate(t *testing.T) {
	require.NoError(t, tinyConfig.Validate())
	require.Equal(t, 2, tinyConfig.Grid())
	require.Equal(t, 5, tinyConfig.Tokens())
	require.Equal(t, 16, tinyConfig.HeadDim())
	for want, change := range map[string]func(*Config){
		"image_size is 0":                           func(c *Config) { c.ImageSize = 0 },
		"patch_size is -4":                          func(c *Config) { c.PatchSize = -4 },
		"hidden_size is 65537":                      func(c *Config) { c.Dim = 65537 },
		"num_hidden_layers is 0":                    func(c *Config) { c.Depth = 0 },
		"num_hidden_layers is 4097; want 1 to 4096": func(c *Config) { c.Depth = 4097 },
		"num_attention_heads is 0":                  func(c *Config) { c.Heads = 0 },
		"intermediate_size is 0":                    func(c *Config) { c.MLPDim = 0 },
		"num_labels is 0":                           func(c *Config) { c.Classes = 0 },
		"image_size 9 is not a multiple":            func(c *Config) { c.ImageSize = 9 },
		"image_size 1028 makes 257 by 257 patc":     func(c *Config) { c.ImageSize = 1028 },
		"hidden_size 64 is not a multiple":          func(c *Config) { c.Heads = 3 },
		"layer_norm_eps is -1e-06":                  func(c *Config) { c.Epsilon = -1e-6 },
		`hidden_act "relu" is not supported`:        func(c *Config) { c.Activation = "relu" },
		`global_pool "map" is not supported; `:      func(c *Config) { c.Pool = "map" },
		`global_pool "" is not supported; want`:     func(c *Config) { c.Pool = "" },
	} {
		c := tinyConfig
		change(&c)
		require.ErrorContains(t, c.Validate(), want)
	}
}

// What is written, vitlite reads: no side is larger than it takes.
func TestPreprocessMaxSide(t *testing.T) {
	p := tinyPreprocess
	p.Resize.Size, p.Crop = MaxSide, MaxSide
	require.NoError(t, p.Validate(MaxSide))
	p.Resize.Size++
	require.EqualError(t, p.Validate(MaxSide), "preprocessing: resize to 16385 pixels; want 1 to 16384")
	p.Resize, p.Crop = Resize{LongestEdge, MaxSide}, MaxSide+1
	require.EqualError(t, p.Validate(MaxSide+1), "preprocessing: the model takes 16385 pixels; want 16384 at most")
}
