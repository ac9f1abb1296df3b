package quant

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnmarshalJSON(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                                     "it is JSON of the wrong type: array; want an object",
		`{"architecture": 5}`:                    `"architecture" is JSON of the wrong type: number; want a string`,
		`{"num_classes": "ten"}`:                 `"num_classes" is JSON of the wrong type: string; want a whole number`,
		`{"num_classes": 1e99}`:                  `"num_classes" is JSON of the wrong type: number 1e99; want a whole number`,
		`{"model_args": []}`:                     `"model_args" is JSON of the wrong type: array; want an object`,
		`{"pretrained_cfg": {"crop_pct": true}}`: `"pretrained_cfg.crop_pct" is JSON of the wrong type: bool; want a number`,
		`architecture: x`:                        "not JSON: byte 1: invalid character 'a' looking for beginning of value",
		`{"architecture": "x"`:                   "not JSON: byte 20: unexpected end of JSON input",
		``:                                       "not JSON: byte 0: unexpected end of JSON input",
	} {
		var c timmConfig
		require.EqualError(t, unmarshalJSON([]byte(text), &c), want, text)
	}
	var p processor
	require.EqualError(t, unmarshalJSON([]byte(`{"do_resize": 1}`), &p), `"do_resize" is JSON of the wrong type: number; want true or false`)
}
