"""Writes preprocess.json: what Pillow, torchvision and timm make of synthetic pictures.

Each case is a picture size, a quant.Preprocess and the SHA-256 of the Crop*Crop*3
pixels. The pictures are made by the same formula in vitlite/preprocess_test.go.
"""

import hashlib
import json
import pathlib

import numpy as np
from PIL import Image
from timm.data.transforms import CenterCropOrPad, ResizeKeepRatio
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

HERE = pathlib.Path(__file__).parent
FILTERS = ["nearest", "bilinear", "bicubic", "lanczos"]
MEAN = [0.5, 0.485, 0.1]  # 255*0.5 is a tie

SIZES = [  # width, height
    (640, 480), (480, 640), (331, 247), (224, 224), (225, 224), (97, 61),
    (33, 48), (16, 16), (7, 5), (1, 1), (1, 90), (90, 1), (1000, 3), (3, 1000),
]
SHAPES = [  # mode, resize, crop
    ("shortest_edge", 248, 224),
    ("shortest_edge", 64, 64),
    ("shortest_edge", 37, 32),  # odd offset
    ("shortest_edge", 20, 33),  # smaller than the crop
    ("squash", 224, 224),
    ("squash", 36, 31),
    ("squash", 15, 18),
    ("longest_edge", 64, 64),
    ("longest_edge", 73, 64),
    ("longest_edge", 21, 28),
]
EXTREMES = [  # width, height, mode, resize, crop
    (65535, 1, "squash", 16, 16),
    (1, 65535, "squash", 16, 16),
    (65535, 2, "longest_edge", 32, 32),
    (2000, 3000, "shortest_edge", 24, 16),
    (1, 3000, "shortest_edge", 8, 8),
]


def picture(width, height):
    """Ramps, noise, and hard black and white edges that make the filters overshoot."""
    x, y, c = np.meshgrid(*(np.arange(n, dtype=np.uint32) for n in (width, height, 3)), indexing="xy")
    x, y, c = (np.ascontiguousarray(a) for a in (x, y, c))
    h = x * np.uint32(0x9E3779B1) ^ y * np.uint32(0x85EBCA77) ^ c * np.uint32(0xC2B2AE3D)
    h = (h ^ h >> np.uint32(15)) * np.uint32(0x2C1B3C6D)
    noise = h >> np.uint32(24)
    ramp = (3 * x + 5 * y + 85 * c) & 255
    edge = ((x >> 2 ^ y >> 1) & 1) * 255
    kind = ((x >> 4) + (y >> 3) + c) % 3
    return Image.fromarray(np.choose(kind, [noise, ramp, edge]).astype(np.uint8))


def transform(mode, size, crop, interpolation):
    interp = InterpolationMode(interpolation)
    if mode == "shortest_edge":
        return Compose([Resize(size, interp), CenterCrop(crop)])
    if mode == "squash":
        return Compose([Resize((size, size), interp), CenterCrop(crop)])
    fill = [round(255 * v) for v in MEAN]
    return Compose([ResizeKeepRatio(size, interpolation=interpolation, longest=1.0), CenterCropOrPad(crop, fill=fill)])


def main():
    cases = [(w, h, *shape, f) for w, h in SIZES for shape in SHAPES for f in FILTERS]
    cases += [(*extreme, f) for extreme in EXTREMES for f in FILTERS]
    rows = []
    for w, h, mode, size, crop, interpolation in cases:
        # timm lets a side round to 0, which Pillow refuses.
        if mode == "longest_edge" and round(min(w, h) * size / max(w, h)) == 0:
            continue
        # Pillow would make the whole resized picture.
        if mode == "shortest_edge" and max(w, h) * size // min(w, h) > 100_000:
            continue
        pixels = np.asarray(transform(mode, size, crop, interpolation)(picture(w, h)))
        assert pixels.shape == (crop, crop, 3)
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        rows.append(json.dumps([w, h, mode, size, crop, interpolation, digest]))
    (HERE / "preprocess.json").write_text("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
