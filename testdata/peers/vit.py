"""The plain ViT that all engines run: its sizes, weights and input picture.

Weights and picture are those of `vitedge bench --random`, made with the formula
in the documentation of Random in cmd/vitedge/internal/bench/random.go.
"""

import math

import numpy as np

HEADS = {"tiny": 3, "small": 6, "base": 12}
DEPTH, CLASSES, IMAGE, PATCH, EPSILON = 12, 1000, 224, 16, 1e-6
GRID = IMAGE // PATCH
TOKENS = GRID * GRID + 1
HEAD_DIM = 64

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
BELL_DEVIATION = 37837.23


def macs(size):
    """Multiply-accumulates of one inference."""
    d = HEAD_DIM * HEADS[size]
    block = TOKENS * 12 * d * d + 2 * TOKENS * TOKENS * d
    return (TOKENS - 1) * d * 3 * PATCH * PATCH + DEPTH * block + d * CLASSES


def split_mix(name, n):
    """n outputs of SplitMix64, seeded with the FNV-1a hash of name."""
    seed = 0xCBF29CE484222325
    for c in name.encode():
        seed = (seed ^ c) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        x = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * GOLDEN
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def tensor(name, *shape, mean=0, deviation):
    """Random numbers of nearly normal distribution."""
    parts = split_mix(name, math.prod(shape)).view(np.uint16).reshape(-1, 4)
    bell = parts.sum(axis=1, dtype=np.int32) - 2 * 0xFFFF
    return (np.float32(mean) + bell.astype(np.float32) * np.float32(deviation / BELL_DEVIATION)).reshape(shape)


def weights(size):
    """All tensors, by the names of Hugging Face's ViTForImageClassification."""
    d = HEAD_DIM * HEADS[size]
    w = {
        "vit.embeddings.cls_token": tensor("vit.embeddings.cls_token", 1, 1, d, deviation=0.5),
        "vit.embeddings.position_embeddings": tensor("vit.embeddings.position_embeddings", 1, TOKENS, d, deviation=0.5),
    }

    def norm(name):
        w[name + ".weight"] = tensor(name + ".weight", d, mean=1, deviation=0.25)
        w[name + ".bias"] = tensor(name + ".bias", d, deviation=0.1)

    def linear(name, out, *into, gain=1.0):
        w[name + ".weight"] = tensor(name + ".weight", out, *into, deviation=gain / math.sqrt(math.prod(into)))
        w[name + ".bias"] = tensor(name + ".bias", out, deviation=0.1)

    linear("vit.embeddings.patch_embeddings.projection", d, 3, PATCH, PATCH)
    for i in range(DEPTH):
        block = f"vit.encoder.layer.{i}."
        norm(block + "layernorm_before")
        linear(block + "attention.attention.query", d, d, gain=1.3)
        linear(block + "attention.attention.key", d, d, gain=1.3)
        linear(block + "attention.attention.value", d, d)
        linear(block + "attention.output.dense", d, d)
        norm(block + "layernorm_after")
        linear(block + "intermediate.dense", 4 * d, d)
        linear(block + "output.dense", d, 4 * d)
    norm("vit.layernorm")
    linear("classifier", CLASSES, d, gain=2.0)
    return w


def pixels(name="pixels"):
    """A picture of noise, [IMAGE, IMAGE, 3] bytes."""
    return (split_mix(name, IMAGE * IMAGE * 3) >> np.uint64(56)).astype(np.uint8).reshape(IMAGE, IMAGE, 3)


def normalized(picture):
    """[1, 3, IMAGE, IMAGE] float32 with mean and deviation of 0.5 taken off."""
    x = (picture.astype(np.float32) / 255 - 0.5) / 0.5
    return np.ascontiguousarray(x.transpose(2, 0, 1))[None]


def logits(size):
    """What the network is, in float64: the logits of pixels()."""
    w, heads = weights(size), HEADS[size]
    d = heads * HEAD_DIM

    def linear(x, name):
        return x @ w[name + ".weight"].astype(np.float64).reshape(-1, x.shape[-1]).T + w[name + ".bias"]

    def norm(x, name):
        centered = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt((centered**2).mean(-1, keepdims=True) + EPSILON)
        return centered / deviation * w[name + ".weight"] + w[name + ".bias"]

    def attention(x, block):
        q, k, v = (linear(x, f"{block}attention.attention.{n}").reshape(TOKENS, heads, HEAD_DIM).swapaxes(0, 1)
                   for n in ("query", "key", "value"))
        scores = q @ k.swapaxes(1, 2) / math.sqrt(HEAD_DIM)
        p = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (p / p.sum(-1, keepdims=True)) @ v
        return linear(mixed.swapaxes(0, 1).reshape(TOKENS, d), block + "attention.output.dense")

    def gelu(x):
        return x * (1 + np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2))) / 2

    # [GRID, PATCH, GRID, PATCH, 3] to a row of [3, PATCH, PATCH] for each patch.
    patches = ((pixels() / 255 - 0.5) / 0.5).reshape(GRID, PATCH, GRID, PATCH, 3).transpose(0, 2, 4, 1, 3)
    x = linear(patches.reshape(GRID * GRID, -1), "vit.embeddings.patch_embeddings.projection")
    x = np.concatenate([w["vit.embeddings.cls_token"][0], x]) + w["vit.embeddings.position_embeddings"][0]
    for i in range(DEPTH):
        block = f"vit.encoder.layer.{i}."
        x = x + attention(norm(x, block + "layernorm_before"), block)
        y = gelu(linear(norm(x, block + "layernorm_after"), block + "intermediate.dense"))
        x = x + linear(y, block + "output.dense")
    return linear(norm(x[0], "vit.layernorm"), "classifier")
