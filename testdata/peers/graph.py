"""The ViT as an ONNX graph, with the operations of timm's export."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import vit


class Graph:
    """Nodes and constants, added in the order of the computation."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, array, name=None):
        name = name or f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def add(self, op, *inputs, **attributes):
        output = f"{op.lower()}_{len(self.nodes)}"
        inputs = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def norm(self, x, w, name):
        return self.add("LayerNormalization", x, w[name + ".weight"], w[name + ".bias"], axis=-1, epsilon=vit.EPSILON)

    def linear(self, x, weight, bias):
        return self.add("Add", self.add("MatMul", x, weight.T), bias)

    def gelu(self, x):
        erf = self.add("Erf", self.add("Div", x, np.float32(np.sqrt(2))))
        return self.add("Mul", self.add("Mul", x, self.add("Add", erf, np.float32(1))), np.float32(0.5))

    def attention(self, x, w, block, heads):
        d = heads * vit.HEAD_DIM
        names = [f"{block}attention.attention.{n}" for n in ("query", "key", "value")]
        weight = np.concatenate([w[n + ".weight"] for n in names])
        bias = np.concatenate([w[n + ".bias"] for n in names])
        qkv = self.linear(x, weight, bias)
        qkv = self.add("Reshape", qkv, np.array([1, vit.TOKENS, 3, heads, vit.HEAD_DIM], np.int64))
        qkv = self.add("Transpose", qkv, perm=[2, 0, 3, 1, 4])
        q, k, v = (self.add("Gather", qkv, np.int64(i), axis=0) for i in range(3))
        q = self.add("Mul", q, np.float32(vit.HEAD_DIM**-0.5))
        scores = self.add("MatMul", q, self.add("Transpose", k, perm=[0, 1, 3, 2]))
        mixed = self.add("MatMul", self.add("Softmax", scores, axis=-1), v)
        mixed = self.add("Transpose", mixed, perm=[0, 2, 1, 3])
        mixed = self.add("Reshape", mixed, np.array([1, vit.TOKENS, d], np.int64))
        return self.linear(mixed, w[block + "attention.output.dense.weight"], w[block + "attention.output.dense.bias"])


def write(size, path):
    """Writes the float32 graph: "pixels" [1, 3, 224, 224] to "logits" [1, 1000]."""
    w, g, heads = vit.weights(size), Graph(), vit.HEADS[size]
    d = heads * vit.HEAD_DIM
    projection = "vit.embeddings.patch_embeddings.projection"
    x = g.add("Conv", "pixels", w[projection + ".weight"], w[projection + ".bias"],
              kernel_shape=[vit.PATCH] * 2, strides=[vit.PATCH] * 2)
    x = g.add("Reshape", x, np.array([1, d, vit.GRID**2], np.int64))
    x = g.add("Transpose", x, perm=[0, 2, 1])
    x = g.add("Concat", w["vit.embeddings.cls_token"], x, axis=1)
    x = g.add("Add", x, w["vit.embeddings.position_embeddings"])
    for i in range(vit.DEPTH):
        block = f"vit.encoder.layer.{i}."
        y = g.norm(x, w, block + "layernorm_before")
        x = g.add("Add", x, g.attention(y, w, block, heads))
        y = g.norm(x, w, block + "layernorm_after")
        y = g.gelu(g.linear(y, w[block + "intermediate.dense.weight"], w[block + "intermediate.dense.bias"]))
        x = g.add("Add", x, g.linear(y, w[block + "output.dense.weight"], w[block + "output.dense.bias"]))
    x = g.norm(x, w, "vit.layernorm")
    x = g.add("Gather", x, np.int64(0), axis=1)
    g.linear(x, w["classifier.weight"], w["classifier.bias"])
    g.nodes[-1].output[0] = "logits"
    graph = helper.make_graph(
        g.nodes, "vit",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, vit.IMAGE, vit.IMAGE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, vit.CLASSES])],
        g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
