"""PyTorch, eager, int8 by its dynamic quantization of linear layers."""

import numpy as np
import torch
from torch import nn

import vit

LABEL, DISTRIBUTION = "PyTorch", "torch"
VARIANTS = ["float32", "int8 dynamic"]


class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d, vit.EPSILON), nn.LayerNorm(d, vit.EPSILON)
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x):
        qkv = self.qkv(self.norm1(x)).reshape(1, vit.TOKENS, 3, self.heads, vit.HEAD_DIM)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.proj(y.transpose(1, 2).reshape(x.shape))
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    def __init__(self, size):
        super().__init__()
        heads = vit.HEADS[size]
        d = heads * vit.HEAD_DIM
        self.patches = nn.Conv2d(3, d, vit.PATCH, vit.PATCH)
        self.token, self.position = nn.Parameter(torch.zeros(1, 1, d)), nn.Parameter(torch.zeros(1, vit.TOKENS, d))
        self.blocks = nn.Sequential(*(Block(d, heads) for _ in range(vit.DEPTH)))
        self.norm, self.head = nn.LayerNorm(d, vit.EPSILON), nn.Linear(d, vit.CLASSES)
        self.load_state_dict({k: torch.from_numpy(v) for k, v in state(vit.weights(size)).items()})

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token, x], 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


def state(w):
    """The weights under the names of the module above."""
    names = {"layernorm_before": "norm1", "attention.output.dense": "proj", "layernorm_after": "norm2",
             "intermediate.dense": "fc1", "output.dense": "fc2"}
    s = {"token": w["vit.embeddings.cls_token"], "position": w["vit.embeddings.position_embeddings"]}
    for leaf in ("weight", "bias"):
        s["patches." + leaf] = w["vit.embeddings.patch_embeddings.projection." + leaf]
        s["norm." + leaf], s["head." + leaf] = w["vit.layernorm." + leaf], w["classifier." + leaf]
        for i in range(vit.DEPTH):
            block = f"vit.encoder.layer.{i}."
            qkv = [w[f"{block}attention.attention.{n}.{leaf}"] for n in ("query", "key", "value")]
            s[f"blocks.{i}.qkv.{leaf}"] = np.concatenate(qkv)
            for theirs, ours in names.items():
                s[f"blocks.{i}.{ours}.{leaf}"] = w[f"{block}{theirs}.{leaf}"]
    return s


def prepare(variant, size, folder):
    """Nothing is stored."""


def load(variant, size, folder, threads):
    torch.set_num_threads(threads)
    model = ViT(size).eval()
    if variant != "float32":
        model = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)

    def infer(x):
        with torch.inference_mode():
            return model(torch.from_numpy(x))[0].numpy()
    return infer
