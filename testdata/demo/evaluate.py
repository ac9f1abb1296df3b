"""Measures the demo's model on held-out scenes and writes README.md.

    python testdata/demo/evaluate.py --work /tmp/emoji

5,000 camera pictures of 320x240 are rendered into the work folder, as JPEG
files, with seeds and patterns of the background that training never used.
timm's float model answers them here; quantize makes the int8 model, and
`quantize verify` compares both on the same files with Go. Of the training it
needs what train.py leaves in float/: the weights and training.json.
"""

import argparse
import csv
import html
import json
import pathlib
import subprocess
import sys

import torch
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer

import render
import train

HERE = train.HERE
HELD_OUT = 5000  # pictures
UNSEEN = 500  # pictures of emoji that training never shows


def held_out(recipe, folder):
    """Renders the held-out pictures unless they are there. Returns their files
    as bytes, labels and difficulties."""
    index = folder / "labels.csv"
    if not index.exists():
        folder.mkdir(parents=True, exist_ok=True)
        emoji, others, _ = train.emoji_of(recipe)
        rows = [("file", "class", "difficulty")]
        renderer = render.Renderer(emoji, others)
        for files, labels, difficulty in render.camera_batches(renderer, render.HELD_OUT, HELD_OUT):
            for file, label, d in zip(files, labels.tolist(), difficulty.tolist()):
                name = f"{len(rows):05}.jpg"
                (folder / name).write_bytes(file)
                rows.append((name, label, d))
        with open(index, "w", newline="") as f:
            csv.writer(f).writerows(rows)
    with open(index, newline="") as f:
        rows = list(csv.DictReader(f))
    return ([(folder / r["file"]).read_bytes() for r in rows],
            torch.tensor([int(r["class"]) for r in rows]), torch.tensor([float(r["difficulty"]) for r in rows]))


def unseen(recipe):
    """Pictures of emoji that are no class and that training never showed."""
    emoji = train.emoji_of(recipe)[2]
    return [f for files, _, _ in render.camera_batches(render.Renderer(emoji, []), render.HELD_OUT, UNSEEN, 0) for f in files]


def probabilities(model, files, size):
    pixels = torch.stack([train.preprocess(f, size) for f in files])
    return train.logits_of(model, pixels, "cpu").softmax(1)


def go(*args):
    run = subprocess.run(["go", "run", "./cmd/quantize", *map(str, args)], cwd=HERE.parent.parent, capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    return run.stdout


def percent(x, digits=1):
    return f"{100 * x:.{digits}f} %"


def fraction(v, key):
    """One of verify's fractions with its 95 % interval."""
    low, high = v["intervals"][key]
    return f"{percent(v[key], 2)} ({100 * low:.2f} to {100 * high:.2f})"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def curve_svg(curve):
    """Loss of training and top-1 of validation over the steps."""
    w, h, left, bottom, top = 720, 300, 50, 40, 20
    last, worst = curve[-1]["step"], max(c["loss"] for c in curve)

    def line(values, color):
        at = [(left + (w - 2 * left) * c["step"] / last, h - bottom - (h - bottom - top) * v) for c, v in zip(curve, values)]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        return f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>'

    def text(x, y, anchor, color, words):
        return f'<text x="{x}" y="{y:.0f}" text-anchor="{anchor}" fill="{color}">{html.escape(words)}</text>'

    blue, orange, gray = "#1f77b4", "#d95f02", "#777"
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" font-family="sans-serif" font-size="12">',
             f'<rect width="{w}" height="{h}" fill="#fff"/>']
    for i in range(6):
        y = h - bottom - (h - bottom - top) * i / 5
        parts += [f'<line x1="{left}" x2="{w - left}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>',
                  text(left - 6, y + 4, "end", blue, f"{20 * i} %"), text(w - left + 6, y + 4, "start", orange, f"{worst * i / 5:.2f}")]
    parts += [line([c["top1"] for c in curve], blue), line([c["loss"] / worst for c in curve], orange),
              text(left, h - 8, "start", blue, "validation top-1"), text(w - left, h - 8, "end", orange, "training loss"),
              text(w / 2, h - 8, "middle", gray, f"{last} steps"), "</svg>"]
    return "\n".join(parts) + "\n"


def measure(recipe, work):
    model = VisionTransformer(**train.model_args(recipe))
    model.load_state_dict(load_file(HERE / "float" / "model.safetensors"))
    names = train.labels_of(recipe)
    folder = work / f"held-out-{recipe.classes}"
    files, labels, difficulty = held_out(recipe, folder)
    p = probabilities(model, files, recipe.image)
    score, answer = p.max(1)
    right = answer == labels
    nothing = len(names) - 1

    go("--force", HERE / "float", HERE / "emoji.safetensors")
    verified = json.loads(go("verify", "--json", "--float", HERE / "float", "--images", folder,
                             "--labels", folder / "labels.csv", HERE / "emoji.safetensors"))

    by_difficulty = []
    for name, low, high in (("easy", 0, 1 / 3), ("medium", 1 / 3, 2 / 3), ("hard", 2 / 3, 1.01)):
        these = (difficulty >= low) & (difficulty < high)
        by_difficulty.append((name, int(these.sum()), percent(right[these].float().mean().item())))
    by_difficulty.append(("all", len(right), f"**{percent(right.float().mean().item(), 2)}**"))

    by_class = []
    for k, name in enumerate(names):
        these = labels == k
        wrong = torch.bincount(answer[these & ~right], minlength=len(names))
        most = f"{names[wrong.argmax()]} ({int(wrong.max())})" if wrong.max() else ""
        by_class.append((name, int(these.sum()), percent(right[these].float().mean().item()),
                         percent(right[answer == k].float().mean().item()) if (answer == k).any() else "", most))

    other = probabilities(model, unseen(recipe), recipe.image)
    by_threshold = []
    for t in (0, 0.5, 0.7, 0.8, 0.9):
        told = (score >= t) & (answer != nothing)
        named = (other.max(1).values >= t) & (other.argmax(1) != nothing)
        by_threshold.append((t, percent((told & right).sum().item() / (labels != nothing).sum().item()),
                             percent(right[told].float().mean().item()), percent(named.float().mean().item())))
    return dict(
        difficulty=table(("difficulty", "pictures", "top-1"), by_difficulty),
        classes=table(("class", "pictures", "found", "right when answered", "most often taken for"), by_class),
        thresholds=table(("threshold", "emoji named rightly", "right when named", "unknown emoji named as one of the classes"), by_threshold),
        verified=verified, float_top1=right.float().mean().item())


def schedule(curve):
    """Says where a run went on with another recipe."""
    parts = []
    for before, after in zip(curve, curve[1:]):
        if before["chunks"] != after["chunks"]:
            parts.append(f" Up to step {before['step']:,} rate and difficulty followed the schedule of {before['chunks']} chunks.")
        if before["nothing"] != after["nothing"]:
            parts.append(f" Up to step {before['step']:,} the share of \"{render.NOTHING}\" was {percent(before['nothing'], 0)}.")
    return "".join(parts)


def readme(recipe_name, recipe, m, training):
    v = m["verified"]
    size = {f: (HERE / f).stat().st_size / 1e6 for f in ("float/model.safetensors", "emoji.safetensors")}
    labels = train.labels_of(recipe)
    option = "" if recipe_name == "full" else f" --recipe {recipe_name}"
    _, others, unknown = train.emoji_of(recipe)
    last = training["curve"][-1]
    scenes = recipe.chunks * recipe.chunk
    trained = f"{recipe.chunks} chunks of {recipe.chunk:,} scenes ({scenes:,} in all), each shown {recipe.repeats} times: {last['step']:,} steps of {recipe.batch}.{schedule(training['curve'])}"
    note = f"{training['note']}\n\n" if "note" in training else ""
    return f"""# A model of our own: emoji in front of a camera
<!-- Written by evaluate.py. -->
A plain Vision Transformer, trained from scratch on rendered scenes, that tells {recipe.classes} emoji and "{render.NOTHING}" apart. Hold up a phone or a printed card with one of them: {", ".join(labels[:-1])}.

    vitedge classify --model testdata/demo/emoji.safetensors testdata/demo/pictures/*.jpg

| file | what |
|---|---|
| `emoji.safetensors` | the int8 model, {size["emoji.safetensors"]:.2f} MB |
| `float/` | what it was made of, as timm writes it: `config.json`, `model.safetensors` ({size["float/model.safetensors"]:.2f} MB), `labels.txt`; `training.json`, its recipe and learning curve |
| `pictures/` | one picture of each class, rendered with seeds of their own and not picked; `labels.csv` has their classes |
| `sprites.png` | the glyphs in the order of the labels: squares of {render.TEXTURE} pixels with transparent ground, eight a row |
| `emoji.tsv`, `others.tsv` | the classes, chosen to differ in color and shape; emoji that are shown as "{render.NOTHING}" |
| `render.py` | the scenes |
| `train.py`, `evaluate.py`, `pictures.py` | the training; the figures and this page; the pictures and sprites |
| `demo.go` | the model and the sprites, embedded for `vitedge demo` |
| `LICENSE` | the SIL Open Font License 1.1 of Noto Color Emoji, whose glyphs these pictures show |

## Make it again

    sudo apt-get install fonts-noto-color-emoji
    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install -r testdata/requirements.txt
    /tmp/reference/bin/python testdata/demo/train.py{option} --work /tmp/emoji
    /tmp/reference/bin/python testdata/demo/pictures.py{option}
    /tmp/reference/bin/python testdata/demo/evaluate.py{option} --work /tmp/emoji

Training saves its state after every chunk, and the same command goes on from there. It takes a GPU where there is one. The seeds make a run repeatable on the same machine; another CPU rounds otherwise and ends in other weights of the same quality.

## What the camera sees
![rocket](pictures/rocket.jpg) ![octopus](pictures/octopus.jpg) ![nothing](pictures/nothing.jpg)

A scene is a card, a large sheet or a phone with one glyph of Noto Color Emoji, in front of smooth noise and patterns, seen in perspective. Difficulty, drawn evenly from 0 to 1, widens what is random, from what somebody shows who takes care to what a person can still name:

| | at difficulty 0 | at difficulty 1 |
|---|---|---|
| size of the glyph, of the picture's height | 52 to 76 % | 36 to 72 % |
| turn | to 9° | to 32° |
| tilt: the far edge of the glyph is smaller by | to 10 % | to 33 % |
| each of two fingers | in 20 % | in 50 % |
| another thing in front | never | in 30 % |
| reflection | in 20 %, to 0.25 of white | in 50 %, to 0.6 of white |
| exposure | to 1.2 times, or less by as much | to 1.6 times |
| white balance: red and blue | to 1.05 times | to 1.19 times |
| haze | to 3 % | to 15 % |
| blur, standard deviation each way, of the height | 0.3 to 0.5 % | 0.3 to 1.4 % |
| noise of 240 lines, standard deviation, of white | to 2 % | to 7 % |
| JPEG quality | 95 | 35 to 95 |

The place, contrast, gamma, light from one side and vignetting vary, too. "{render.NOTHING.capitalize()}" is an empty scene, an empty card, a page of lines, a drawing, or one of {len(others)} other emoji.

Held-out pictures come from seeds that training never used and have two more patterns behind the card, checks and rings. They are 320x240 JPEG files, made by libjpeg, and are resized as any picture of a camera is; training renders at {recipe.image}x{recipe.image} at once and imitates the compression. The other emoji that stand for "{render.NOTHING}" are those of training; what the model makes of {len(unknown)} that it never saw is in the last table.

## Recipe
| | |
|---|---|
| model | {recipe.image}x{recipe.image} pixels, patches of {recipe.patch}, width {recipe.dim}, {recipe.depth} blocks, {recipe.heads} heads of {recipe.dim // recipe.heads}, MLP {int(recipe.dim * recipe.mlp_ratio)}, mean pooling; positions start as sines |
| data | {trained} Mirrored, turned, moved, zoomed and exposed anew each time |
| "{render.NOTHING}" | {percent(recipe.nothing, 0)} of the scenes |
| difficulty | up to {recipe.start} at first, growing to 1 at half of the steps |
| patches | {percent(recipe.drop, 0)} of them left out of each step, drawn anew for each picture, for the first {percent(recipe.whole, 0)} of the steps: these take half of the time |
| optimizer | [Muon](https://kellerjordan.github.io/posts/muon/) for the matrices of the blocks, {recipe.matrix_rate:g} at its peak in the scale of AdamW's updates, weight decay {recipe.decay:g}; AdamW for the rest, {recipe.rate:g}, betas 0.9 and 0.98; {100 * recipe.warmup:g} % of warm-up, cosine to 0; gradients clipped to norm 1 |
| loss | cross entropy, labels smoothed by {recipe.smoothing:g} |
| weights | exponential moving average, {recipe.ema:g} a step |
| seed | {recipe.seed}; scenes from {render.TRAIN.seed:,}, validation {render.VALIDATION.seed:,}, held out {render.HELD_OUT.seed:,}, pictures {render.EXAMPLES.seed:,} |

{note}![Learning curve](curve.svg)

## Accuracy
On {v["images"]:,} held-out pictures, float model with timm:

{m["difficulty"]}

The int8 model against the float model, both with `quantize verify` on the same files:

{table(("figure", "value (95 % interval)"), [
    ("agreement", fraction(v, "agreement")),
    ("top-1, float", fraction(v, "top1_float")),
    ("top-1, int8", fraction(v, "top1_int8")),
    ("top-5, int8", fraction(v, "top5_int8")),
    ("mean KL", f"{v['kl_mean']:.2g}"),
    ("max KL", f"{v['kl_max']:.2g}"),
    ("logits SQNR", f"{v['sqnr_db']:.1f} dB"),
    ("largest flip margin", "no flip" if v["max_flip_margin"] is None else f"{v['max_flip_margin']:.3f}"),
])}

By class:

{m["classes"]}

With a threshold on the score. The last column is the weak side of a model this small: {UNSEEN} pictures of emoji that are no class and that it never saw in training.

{m["thresholds"]}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=train.RECIPES, default="full")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder of the held-out pictures")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all)")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    training = json.loads((HERE / "float" / "training.json").read_text())
    recipe = train.Recipe(**training["recipe"])
    m = measure(recipe, args.work)
    (HERE / "curve.svg").write_text(curve_svg(training["curve"]))
    (HERE / "README.md").write_text(readme(args.recipe, recipe, m, training))
    print(m["difficulty"])
    print(f"float top-1 {percent(m['float_top1'], 2)}, int8 agreement {percent(m['verified']['agreement'], 2)}")


if __name__ == "__main__":
    main()
