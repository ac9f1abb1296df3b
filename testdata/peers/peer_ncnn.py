"""ncnn. Its wheel has no converter, so the model files are written here.

The text lists layers as "type name inputs outputs input… output… key=value…".
The weights follow each other in the order of the layers; a matrix has a word
that tells its type in front, a vector has not (ncnn's ModelBin). Layers and keys
are those of ncnn's own tools pnnx and ncnn2int8: int8 weights with a scale for
each row in attention and one for the matrix elsewhere, activations quantized at
run time by row.
"""

import struct

import ncnn
import numpy as np

import vit

LABEL, DISTRIBUTION = "ncnn", "ncnn"
VARIANTS = ["float32", "int8 dynamic"]

FLOAT_TAG, INT8_TAG = 0, 0x000D4B38
DYNAMIC = 2  # what ncnn2int8 stores in key 18


class Writer:
    def __init__(self, int8):
        self.int8, self.layers, self.blobs, self.weights = int8, [], 0, bytearray()

    def layer(self, kind, inputs, outputs=1, **keys):
        out = [f"b{self.blobs + i}" for i in range(outputs)]
        self.blobs += outputs
        text = " ".join(f"{k[1:]}={v}" for k, v in keys.items())
        self.layers.append(f"{kind} l{len(self.layers)} {len(inputs)} {outputs} {' '.join(inputs + out)} {text}")
        return out if outputs > 1 else out[0]

    def vector(self, *arrays):
        for a in arrays:
            self.weights += np.asarray(a, np.float32).tobytes()

    def matrix(self, a):
        self.weights += struct.pack("<I", FLOAT_TAG)
        self.vector(a)

    def int8_matrix(self, a, scale):
        q = np.clip(np.rint(a * scale), -127, 127).astype(np.int8).tobytes()
        self.weights += struct.pack("<I", INT8_TAG) + q + bytes(-len(q) % 4)

    def norm(self, x, w, name):
        self.vector(w[name + ".weight"], w[name + ".bias"])
        gamma = w[name + ".weight"]
        return self.layer("LayerNorm", [x], _0=len(gamma), _1=vit.EPSILON, _2=1)

    def linear(self, x, w, name):
        weight, bias = w[name + ".weight"], w[name + ".bias"]
        out, into = weight.shape
        keys = dict(_3=1, _5=1, _6=1, _8=out, _9=into, _10=4)
        if self.int8:
            scale = 127 / np.abs(weight).max()
            self.int8_matrix(weight, scale)
            self.matrix(bias)
            self.vector(scale)
            keys["_18"] = DYNAMIC
        else:
            self.matrix(weight)
            self.matrix(bias)
        return self.layer("Gemm", [x], **keys)

    def attention(self, x, w, block, heads):
        d = heads * vit.HEAD_DIM
        keys = dict(_0=d, _1=heads, _2=d * d)
        scales = []
        for part in ("attention.query", "attention.key", "attention.value", "output.dense"):
            weight, bias = (w[f"{block}attention.{part}.{leaf}"] for leaf in ("weight", "bias"))
            if self.int8:
                most = np.abs(weight).max() if part == "output.dense" else np.abs(weight).max(axis=1, keepdims=True)
                scales.append(127 / most)
                self.int8_matrix(weight, scales[-1])
            else:
                self.matrix(weight)
            self.vector(bias)
        if self.int8:
            self.vector(*scales)
            keys["_18"] = DYNAMIC
        return self.layer("MultiHeadAttention", [x], **keys)


def write(size, path, int8):
    w, heads = vit.weights(size), vit.HEADS[size]
    d, m = heads * vit.HEAD_DIM, Writer(int8)
    projection = "vit.embeddings.patch_embeddings.projection"
    pixels = m.layer("Input", [])
    token = m.layer("MemoryData", [], _0=d, _1=1)
    m.vector(w["vit.embeddings.cls_token"])
    position = m.layer("MemoryData", [], _0=d, _1=vit.TOKENS)
    m.vector(w["vit.embeddings.position_embeddings"])
    x = m.layer("Convolution", [pixels], _0=d, _1=vit.PATCH, _3=vit.PATCH, _5=1, _6=w[projection + ".weight"].size)
    m.matrix(w[projection + ".weight"])
    m.vector(w[projection + ".bias"])
    x = m.layer("Reshape", [x], _0=vit.GRID**2, _1=d)
    x = m.layer("Permute", [x], _0=1)
    x = m.layer("Concat", [token, x], _0=0)
    x = m.layer("BinaryOp", [x, position], _0=0)
    for i in range(vit.DEPTH):
        block = f"vit.encoder.layer.{i}."
        x, y = m.layer("Split", [x], 2)
        y = m.attention(m.norm(y, w, block + "layernorm_before"), w, block, heads)
        x, y = m.layer("Split", [m.layer("BinaryOp", [x, y], _0=0)], 2)
        y = m.linear(m.norm(y, w, block + "layernorm_after"), w, block + "intermediate.dense")
        y = m.linear(m.layer("GELU", [y], _0=0), w, block + "output.dense")
        x = m.layer("BinaryOp", [x, y], _0=0)
    x = m.norm(x, w, "vit.layernorm")
    x = m.layer("Crop", [x], _3=d, _4=1)
    m.linear(x, w, "classifier")
    text = f"7767517\n{len(m.layers)} {m.blobs}\n" + "\n".join(m.layers) + "\n"
    path.with_suffix(".param").write_text(text)
    path.with_suffix(".bin").write_bytes(m.weights)
    return pixels, f"b{m.blobs - 1}"


def file(variant, size, folder):
    return folder / f"{size} ncnn {variant}.param"


def prepare(variant, size, folder):
    write(size, file(variant, size, folder), variant != "float32")


def load(variant, size, folder, threads):
    net = ncnn.Net()
    net.opt.num_threads, net.opt.use_vulkan_compute = threads, False
    path = file(variant, size, folder)
    if net.load_param(str(path)) or net.load_model(str(path.with_suffix(".bin"))):
        raise RuntimeError(f"ncnn does not load {path}")
    first, last = net.input_names()[0], net.output_names()[0]

    def infer(x):
        with net.create_extractor() as e:
            e.input(first, ncnn.Mat(x[0]).clone())
            _, y = e.extract(last)
            return np.array(y).reshape(-1)
    return infer
