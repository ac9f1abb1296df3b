// Package vitlite runs a plain Vision Transformer (Dosovitskiy et al., "An Image
// is Worth 16x16 Words", 2021) on the CPU, in int8 or in float32.
//
// A picture takes this way; T tokens of width D, H heads of width d = D/H, an MLP
// of width M, p×p patches, C classes:
//
//	picture          w × h        any source of RGB rows            picture.go, ycbcr.go
//	pixels           S × S × 3    uint8, resized and cropped        preprocess.go, resample.go
//	x                T × D        float32, patches and positions    embed.go
//	for each encoder block:                                         block.go, stripe.go
//	  x += proj(attention(qkv(norm1(x))))                           attention.go, scores.go
//	  x += fc2(gelu(fc1(norm2(x))))
//	logits           C            head(norm(x[0]))                  model.go
//	predictions      k            the best classes with labels      classify.go
//
// The linear layers of the blocks are int8 when the checkpoint has int8 weights
// for them: the rows that go in are quantized as they come, one scale and zero
// point a token, and what comes out is float32 again (linear.go). The products q·kᵀ of
// their attention are int8, too, where heads are a multiple of 16 wide (scores.go). All
// else, the residual stream x above all, is float32.
//
// Each thread takes a range of tokens, a stripe, through a whole block. Only
// attention needs other tokens: threads wait for each other once a block, when all
// keys and values are there. A given model and picture give the same
// logits, bit for bit, on every CPU; package kernels says why.
package vitlite
