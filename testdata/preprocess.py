"""Writes what Pillow, torchvision and timm make of synthetic pictures.

preprocess.json: each case is a picture size, a quant.Preprocess and the SHA-256 of
the Crop*Crop*3 pixels. The pictures are made by the same formula in
vitlite/preprocess_test.go.

jpeg/*.jpg and the same as PNG, decoded by Pillow: blocks of one color, of which a
JPEG has nothing but the mean, so that every decoder's inverse DCT gives the same and
what differs is the upsampling and conversion of chroma.
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


def write_jpegs():
    folder = HERE / "jpeg"
    folder.mkdir(exist_ok=True)
    for name, subsampling in ("444", 0), ("422", 1), ("420", 2):
        for width, height in (75, 53), (48, 32), (4, 20), (1, 1):
            rng = np.random.default_rng(width)
            blocks = rng.integers(0, 256, (-(-height // 16), -(-width // 16), 3), np.uint8)
            picture = Image.fromarray(blocks.repeat(16, 0).repeat(16, 1)[:height, :width])
            path = folder / f"{name}-{width}x{height}.jpg"
            picture.save(path, quality=95, subsampling=subsampling, optimize=True)
            Image.open(path).save(path.with_suffix(".png"), optimize=True)

    # Pillow writes no 4:4:0. One column of 4:2:2 units, 16 by 8 pixels, is one
    # of 4:4:0 units, 8 by 16, once the header says so.
    blocks = np.random.default_rng(440).integers(0, 256, (9, 1, 3), np.uint8)
    path = folder / "440-8x144.jpg"
    Image.fromarray(blocks.repeat(8, 0).repeat(16, 1)).save(path, quality=95, subsampling=1)
    data = bytearray(path.read_bytes())
    frame = data.index(b"\xff\xc0")
    assert data[frame + 5 : frame + 9] == bytes([0, 72, 0, 16]) and data[frame + 11] == 0x21
    data[frame + 5 : frame + 9] = bytes([0, 144, 0, 8])
    data[frame + 11] = 0x12
    path.write_bytes(data)
    Image.open(path).save(path.with_suffix(".png"), optimize=True)


def main():
    write_jpegs()
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
