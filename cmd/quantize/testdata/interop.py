# Prints what Python makes of a model folder, as JSON: the tensors as the
# safetensors package reads them, and the logits of transformers with
# compressed-tensors for the pictures named after the folder.
#
#     python interop.py FOLDER PICTURE...

import json
import sys

import torch
from PIL import Image
from safetensors import safe_open
from transformers import AutoImageProcessor, AutoModelForImageClassification
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
folder, pictures = sys.argv[1], sys.argv[2:]

with safe_open(folder + "/model.safetensors", "pt") as f:
    metadata = f.metadata()
    tensors = {}
    for name in f.keys():
        tensor = f.get_tensor(name)
        tensors[name] = [str(tensor.dtype), list(tensor.shape), tensor.double().sum().item()]

model, found = AutoModelForImageClassification.from_pretrained(folder, output_loading_info=True)
model.eval()
processor = AutoImageProcessor.from_pretrained(folder)
logits = []
for path in pictures:
    inputs = processor(Image.open(path).convert("RGB"), return_tensors="pt")
    with torch.no_grad():
        logits.append(model(**inputs).logits[0].tolist())

print(json.dumps({
    "format": metadata["format"],
    "tensors": tensors,
    "missing": sorted(found["missing_keys"]) + sorted(found["unexpected_keys"]),
    "labels": [model.config.id2label[i] for i in range(model.config.num_labels)],
    "logits": logits,
}))
