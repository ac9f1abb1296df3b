package quant

import (
	"errors"
	"maps"
	"slices"
)

// The keys of a model file's __metadata__. "format" is what transformers looks
// at before it loads a file.
const (
	formatKey     = "format"
	configKey     = "config"              // config.json
	preprocessKey = "preprocessor_config" // preprocessor_config.json
	sourceKey     = "source_sha256"       // of the float weights
	quantizerKey  = "quantizer"           // the tool
	versionKey    = "quantizer_version"   // its release
	reportKey     = "quantization_report" // see Quantize
)

// WriteFile stores an int8 model in place of whatever path names; see the
// package's WriteFile for its promises. Equal checkpoints give equal bytes.
func (c *Checkpoint) WriteFile(path string) error {
	if !c.Quantized() {
		return errors.New("quant: WriteFile stores int8 models; quantize it first")
	}
	metadata := map[string]string{
		formatKey:     "pt",
		configKey:     string(appendJSON(nil, c.modelConfig())),
		preprocessKey: string(appendJSON(nil, processorConfig(c.Preprocess))),
		sourceKey:     c.SourceSHA256,
		quantizerKey:  "vitedge quantize",
		versionKey:    c.Version,
		reportKey:     c.report,
	}
	maps.DeleteFunc(metadata, func(_, value string) bool { return value == "" })
	return WriteFile(path, c.Tensors(), metadata)
}

// keptLayers lists the linear layers of an int8 model that are float.
func (c *Checkpoint) keptLayers() []string {
	return slices.DeleteFunc(c.LinearLayers(), func(layer string) bool {
		return c.weights[layer+".weight"].array.dtype == I8
	})
}

// modelConfig is the config.json of an int8 model.
func (c *Checkpoint) modelConfig() modelConfig {
	n := c.Config
	three := 3
	m := modelConfig{
		Architectures: []string{"ViTForImageClassification"},
		Architecture:  n.Architecture,
		ModelType:     "vit",
		HiddenSize:    &n.Dim,
		Layers:        &n.Depth,
		Heads:         &n.Heads,
		Intermediate:  &n.MLPDim,
		ImageSize:     (*side)(&n.ImageSize),
		PatchSize:     (*side)(&n.PatchSize),
		Channels:      &three,
		QKVBias:       &n.QKVBias,
		Act:           string(n.Activation),
		Epsilon:       &n.Epsilon,
		ID2Label:      id2label(c.Labels),
		Quantization:  int8Quantization(c.keptLayers()),
	}
	if n.Pool != Token {
		m.GlobalPool = n.Pool
	}
	if n.Registers > 0 {
		m.Registers = &n.Registers
	}
	if c.Labels == nil {
		m.NumLabels = &n.Classes // else transformers counts the labels
	}
	return m
}
