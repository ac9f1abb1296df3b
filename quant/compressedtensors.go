package quant

import "fmt"

// quantInfo is the quantization_config of compressed-tensors. Source:
// compressed_tensors/quantization/quant_config.py and quant_args.py.
type quantInfo struct {
	Method string                `json:"quant_method"`
	Format string                `json:"format"`
	Status string                `json:"quantization_status"`
	Ignore []string              `json:"ignore"`
	Groups map[string]quantGroup `json:"config_groups"`
	KV     any                   `json:"kv_cache_scheme"`
}

type quantGroup struct {
	Targets     []string   `json:"targets"`
	Weights     quantArgs  `json:"weights"`
	Inputs      *quantArgs `json:"input_activations"`
	Outputs     any        `json:"output_activations"`
	GroupFormat string     `json:"format,omitempty"`
}

type quantArgs struct {
	Bits      int    `json:"num_bits"`
	Type      string `json:"type"`
	Symmetric bool   `json:"symmetric"`
	Strategy  string `json:"strategy"`
	Dynamic   bool   `json:"dynamic"`
	GroupSize any    `json:"group_size"`
	Observer  string `json:"observer,omitempty"`
}

// int8Quantization describes what Quantize does, in the terms of
// compressed-tensors: per-channel weights, dynamic per-token activations, but
// for the layers that were kept. Those go by what each release of transformers
// calls them: a name of the other releases matches nothing.
func int8Quantization(kept []string) *quantInfo {
	ignore := append([]string{"classifier"}, kept...)
	for _, layer := range kept {
		ignore = append(ignore, release5(layer))
	}
	return &quantInfo{
		Method: "compressed-tensors",
		Format: "int-quantized",
		Status: "compressed",
		Ignore: ignore,
		Groups: map[string]quantGroup{"group_0": {
			Targets: []string{"Linear"},
			Weights: quantArgs{Bits: 8, Type: "int", Symmetric: true, Strategy: "channel", Observer: "minmax"},
			Inputs:  &quantArgs{Bits: 8, Type: "int", Strategy: "token", Dynamic: true, Observer: "memoryless"},
		}},
	}
}

// check refuses a scheme that the int8 path does not compute.
func (q *quantInfo) check() error {
	if q.Method != "compressed-tensors" || q.Format != "int-quantized" {
		return fmt.Errorf("quantization_config is %q, format %q; want %q, format %q", q.Method, q.Format, "compressed-tensors", "int-quantized")
	}
	for name, g := range q.Groups {
		if w := g.Weights; w.Bits != 8 || w.Type != "int" || !w.Symmetric || w.Strategy != "channel" {
			return fmt.Errorf("quantization_config: weights of %s are %d-bit %s, symmetric %t, strategy %q; want 8-bit int, symmetric, by channel", name, w.Bits, w.Type, w.Symmetric, w.Strategy)
		}
	}
	return nil
}
