"""Draws what ships beside the model: the sprites, and a picture of each class.

    python testdata/demo/pictures.py

sprites.png has the glyphs of the classes in the order of labels.txt, in rows
of eight squares with transparent ground. pictures/ has one camera picture of
each class as drawn, none picked, and labels.csv for `quantize verify`.
"""

import argparse

import torch
from PIL import Image

import render
import train

COLUMNS = 8


def sprites(emoji):
    side, rows = render.TEXTURE, -(-len(emoji) // COLUMNS)
    sheet = Image.new("RGBA", (COLUMNS * side, rows * side))
    for i, (_, text) in enumerate(emoji):
        sheet.paste(Image.fromarray(render.rasterize(text)), (i % COLUMNS * side, i // COLUMNS * side))
    return sheet


def examples(recipe):
    """One picture of each class, "nothing" included: (name, JPEG file, class)."""
    emoji, others, _ = train.emoji_of(recipe)
    labels = torch.arange(recipe.classes + 1)
    g = torch.Generator().manual_seed(render.EXAMPLES.seed + 1)
    difficulty = 0.4 * torch.rand(len(labels), generator=g)
    pictures = render.Renderer(emoji, others).batch(labels, difficulty, render.EXAMPLES, 0, 256, 192, jpeg="none")
    names = [label.replace(" ", "-") for label in train.labels_of(recipe)]
    return [(f"{name}.jpg", render.jpeg(p, 80), i) for i, (name, p) in enumerate(zip(names, pictures))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=train.RECIPES, default="full")
    recipe = train.RECIPES[parser.parse_args().recipe]
    sprites(train.emoji_of(recipe)[0]).save(train.HERE / "sprites.png", optimize=True)
    folder = train.HERE / "pictures"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.jpg"):
        old.unlink()
    rows = ["file,class"]
    for name, file, number in examples(recipe):
        (folder / name).write_bytes(file)
        rows.append(f"{name},{number}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
