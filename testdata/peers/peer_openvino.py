"""OpenVINO, int8 by NNCF's post-training quantization for transformers."""

import openvino

import graph
import vit

LABEL, DISTRIBUTION = "OpenVINO", "openvino"
VARIANTS = ["float32", "int8 static NNCF"]


def file(variant, size, folder):
    return folder / f"{size} openvino {variant}.xml"


def prepare(variant, size, folder):
    floats = folder / f"{size} float32.onnx"
    if not floats.exists():
        graph.write(size, floats)
    model = openvino.convert_model(floats)
    if variant != "float32":
        import nncf
        pictures = [vit.normalized(vit.pixels(f"calibration {i}")) for i in range(4)]
        model = nncf.quantize(model, nncf.Dataset(pictures), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(pictures))
    openvino.save_model(model, file(variant, size, folder), compress_to_fp16=False)


def load(variant, size, folder, threads):
    # Without the hint it would compute in bfloat16 where the processor can.
    model = openvino.Core().compile_model(file(variant, size, folder), "CPU", {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"})
    request = model.create_infer_request()
    return lambda x: request.infer([x])[0][0]
