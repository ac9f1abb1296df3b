// Package quant holds the int8 numbers and the files they travel in: the
// safetensors container, the float checkpoints that a model comes from, and
// the int8 model file that a device loads.
//
// [Open] takes a checkpoint of a plain Vision Transformer, float32 or int8,
// whoever wrote it, and gives its tensors under one set of names (those of
// Hugging Face's ViT). [Checkpoint.Quantize] turns the linear layers of the
// encoder blocks into int8 and [Checkpoint.WriteFile] stores the result with
// everything needed to run it: sizes, preprocessing and labels.
//
// # Numbers
//
// Weights are symmetric int8, one scale an output channel: w = scale * q, with
// q in [-127, 127]. -128 never occurs, so that two int8 products always fit an
// int16. Patch embedding, head, norms, biases and tokens stay float32.
//
// # Model file
//
// The int8 model file is a safetensors file laid out as the compressed-tensors
// format "int-quantized": X.weight is I8 [out, in], X.weight_scale is F32
// [out, 1], everything else is F32. Its __metadata__ holds config.json and
// preprocessor_config.json as Hugging Face writes them, so that one file is
// the whole model.
//
// # Trust
//
// Files come from anywhere. Every length, offset, shape, type and value is
// checked before use; memory stays proportional to the size of the file; an
// error names the file, the tensor and the value. A mapped file must not be
// truncated while it is in use; [WriteFile] therefore replaces files and never
// writes into them.
package quant
