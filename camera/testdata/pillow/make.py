"""Writes the JPEGs of this folder and, beside each, the RGB bytes that Pillow
decodes it to. TestPillow compares them.

Needs Pillow (made with 13.0, libjpeg-turbo 3.2.0).
"""
import math
import os
import random

from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))
width, height = 53, 37  # no multiple of any block
random.seed(1)


def pixel(x, y):
    if 12 <= x < 30 and 9 <= y < 22:  # sharp edges between strong colors
        return [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)][(x // 3 + y // 2) % 4]
    return (
        int(127 + 120 * math.sin(x / 5)),
        int(127 + 120 * math.cos(y / 7 + x / 11)),
        random.randrange(256) if x > 40 else 5 * y,
    )


picture = Image.new("RGB", (width, height))
picture.putdata([pixel(x, y) for y in range(height) for x in range(width)])

for name, image, options in [
    ("444", picture, {"subsampling": 0, "quality": 90}),
    ("422", picture, {"subsampling": 1, "quality": 75}),
    ("420", picture, {"subsampling": 2, "quality": 75}),
    ("411", picture, {"subsampling": "4:1:1", "quality": 60}),
    ("grey", picture.convert("L"), {"quality": 80}),
    ("restart", picture, {"subsampling": 2, "quality": 75, "restart_marker_blocks": 3}),
    ("optimized", picture, {"subsampling": 1, "quality": 97, "optimize": True}),
    ("progressive", picture, {"subsampling": 2, "quality": 75, "progressive": True}),
    ("narrow", picture.crop((14, 9, 18, 20)), {"subsampling": 2, "quality": 90}),
]:
    path = os.path.join(here, name + ".jpg")
    image.save(path, **options)
    with open(os.path.join(here, name + ".rgb"), "wb") as f:
        f.write(Image.open(path).convert("RGB").tobytes())
