"""ONNX Runtime, with models from its own quantization tools."""

import onnxruntime
from onnxruntime import quantization as q

import graph
import vit

LABEL, DISTRIBUTION = "ONNX Runtime", "onnxruntime"
VARIANTS = ["float32", "int8 dynamic", "int8 static QDQ"]


class Pictures(q.CalibrationDataReader):
    """Some pictures to calibrate with."""

    def __init__(self, n):
        self.left = iter([{"pixels": vit.normalized(vit.pixels(f"calibration {i}"))} for i in range(n)])

    def get_next(self):
        return next(self.left, None)


def file(variant, size, folder):
    return folder / f"{size} {variant}.onnx"


def prepare(variant, size, folder):
    out, floats = file(variant, size, folder), file("float32", size, folder)
    if not floats.exists():
        graph.write(size, floats)
    # Of the operations only the matrix products: dynamic convolutions are slow,
    # and residual sums in int8 lose the answer.
    if variant == "int8 dynamic":
        q.quantize_dynamic(floats, out, op_types_to_quantize=["MatMul"], weight_type=q.QuantType.QInt8)
    elif variant == "int8 static QDQ":
        q.quantize_static(floats, out, Pictures(4), quant_format=q.QuantFormat.QDQ, op_types_to_quantize=["MatMul"],
                          per_channel=True, activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8)


def load(variant, size, folder, threads):
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads, o.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(file(variant, size, folder), o, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"pixels": x})[0][0]
