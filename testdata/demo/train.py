"""Trains the demo's model from scratch and writes it as timm does.

    python testdata/demo/train.py --work /tmp/emoji

Training goes by chunks: a chunk of scenes is rendered, shown a few times with
cheap augmentation, and forgotten. After each chunk the state is saved in the
work folder; the same command goes on from there. The last chunk writes
config.json, model.safetensors, labels.txt and training.json, the recipe with
the learning curve, into testdata/demo/float. Then evaluate.py measures the model
and writes the README.
"""

import argparse
import copy
import dataclasses
import io
import json
import math
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

import render

HERE = pathlib.Path(__file__).parent


@dataclasses.dataclass
class Recipe:
    classes: int  # without "nothing": the first ones of emoji.tsv
    image: int
    patch: int
    dim: int
    depth: int
    heads: int
    mlp_ratio: float
    chunks: int
    chunk: int = 4096  # scenes rendered at a time
    repeats: int = 4  # times that a scene is shown
    batch: int = 128
    rate: float = 2e-3  # of AdamW, at its peak: embeddings, norms, biases and head
    matrix_rate: float = 6e-3  # of Muon, at its peak: the blocks' matrices
    warmup: float = 0.03  # of all steps
    decay: float = 0.02  # weight decay
    smoothing: float = 0.05  # of the labels
    ema: float = 0.995  # a step
    drop: float = 0.5  # share of the patches left out of a step until whole
    whole: float = 0.65  # of all steps: from here on no patch is left out
    nothing: float = 0.15  # share of the class "nothing" in training
    start: float = 0.3  # hardest difficulty at first; 1 after half of the steps
    seed: int = 7


RECIPES = {
    # Half an hour of one core.
    "full": Recipe(classes=64, image=96, patch=12, dim=128, depth=5, heads=4, mlp_ratio=2, chunks=28),
    # Seconds: proves that every line runs.
    "smoke": Recipe(classes=3, image=32, patch=8, dim=32, depth=1, heads=1, mlp_ratio=2, chunks=2, chunk=128, repeats=1, batch=32),
}


def emoji_of(recipe):
    """The recipe's classes, the emoji shown as "nothing" in training, and
    those that training never shows."""
    emoji, others = render.read_emoji(HERE / "emoji.tsv"), render.read_emoji(HERE / "others.tsv")
    rest = emoji[recipe.classes:] + others
    return emoji[:recipe.classes], [e for i, e in enumerate(rest) if i % 5], rest[::5]


def labels_of(recipe):
    return [label for label, _ in emoji_of(recipe)[0]] + [render.NOTHING]


def model_args(recipe):
    return dict(img_size=recipe.image, patch_size=recipe.patch, num_classes=recipe.classes + 1, embed_dim=recipe.dim,
                depth=recipe.depth, num_heads=recipe.heads, mlp_ratio=recipe.mlp_ratio, global_pool="avg")


def new_model(recipe):
    model = VisionTransformer(**model_args(recipe), patch_drop_rate=recipe.drop)
    with torch.no_grad():  # training from scratch is shorter when positions start apart
        model.pos_embed[0, 1:] = 0.2 * sine_positions(recipe.image // recipe.patch, recipe.dim)
    return model


def sine_positions(side, dim):
    """Sine and cosine of both coordinates at falling frequencies: [side^2, dim]."""
    y, x = torch.meshgrid(torch.arange(side).float(), torch.arange(side).float(), indexing="ij")
    frequency = side ** -(torch.arange(dim // 4).float() / (dim // 4))
    angles = [c.reshape(-1, 1) * frequency for c in (x, y)]
    return torch.cat([f(a) for a in angles for f in (torch.sin, torch.cos)], 1)


def normalize(pixels):
    """uint8 to [-1, 1]: mean and deviation are 0.5."""
    return pixels.float() / 127.5 - 1


def preprocess(file, size):
    """What vitlite does: the short side resized to size, the middle square of it."""
    picture = Image.open(io.BytesIO(file)).convert("RGB")
    w, h = picture.size
    short = min(w, h)
    picture = picture.resize((size * w // short, size * h // short), Image.Resampling.BILINEAR)
    left, top = round((picture.width - size) / 2), round((picture.height - size) / 2)
    picture = picture.crop((left, top, left + size, top + size))
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)


def augment(pixels, g):
    """Another look at rendered scenes: mirrored or not (front cameras mirror),
    moved, turned, zoomed, and another exposure. Float [batch, 3, s, s] in and out."""
    b = len(pixels)

    def uniform(low, high):
        return low + (high - low) * torch.rand(b, generator=g).to(pixels.device)

    angle, zoom = uniform(-0.15, 0.15), torch.exp(uniform(-0.12, 0.12))
    mirror = uniform(-1, 1).sign()
    c, s = zoom * angle.cos(), zoom * angle.sin()
    theta = torch.stack([c * mirror, -s, uniform(-0.1, 0.1), s * mirror, c, uniform(-0.1, 0.1)], -1).view(b, 2, 3)
    grid = F.affine_grid(theta, pixels.shape, align_corners=False)
    pixels = F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
    gain, offset = torch.exp(uniform(-0.2, 0.2)).view(b, 1, 1, 1), uniform(-0.15, 0.15).view(b, 1, 1, 1)
    return (pixels * gain + offset).clamp(-1, 1)


@torch.no_grad()
def logits_of(model, pixels, device, size=64):
    model.eval()
    return torch.cat([model(normalize(p.to(device))).cpu() for p in pixels.split(size)])


class Trainer:
    def __init__(self, recipe, work, device):
        torch.manual_seed(recipe.seed)
        self.recipe, self.work, self.device = recipe, work, device
        emoji, others, _ = emoji_of(recipe)
        self.renderer = render.Renderer(emoji, others, device=device)
        self.model = new_model(recipe).to(device)
        self.average = copy.deepcopy(self.model)
        matrices = [p for p in self.model.blocks.parameters() if p.ndim == 2]
        rest = [p for name, p in self.model.named_parameters() if not (name.startswith("blocks.") and p.ndim == 2)]
        self.muon = torch.optim.Muon(matrices, lr=recipe.matrix_rate, weight_decay=recipe.decay, adjust_lr_fn="match_rms_adamw")
        self.adam = torch.optim.AdamW(rest, lr=recipe.rate, betas=(0.9, 0.98), weight_decay=0)
        self.chunk, self.step, self.curve = 0, 0, []

    @property
    def steps(self):
        return self.recipe.chunks * self.recipe.repeats * (self.recipe.chunk // self.recipe.batch)

    def save(self):
        state = {k: getattr(self, k).state_dict() for k in ("model", "average", "muon", "adam")}
        state |= {"chunk": self.chunk, "step": self.step, "curve": self.curve, "recipe": dataclasses.asdict(self.recipe)}
        torch.save(state, self.work / "checkpoint.new")
        (self.work / "checkpoint.new").replace(self.work / "checkpoint.pt")

    def restore(self):
        path = self.work / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device)
        for key, value in dataclasses.asdict(self.recipe).items():
            if key not in ("chunks", "nothing") and state["recipe"][key] != value:
                raise SystemExit(f"{path} was made with {key}={state['recipe'][key]}, the recipe says {value}; use another --work")
        for k in ("model", "average", "muon", "adam"):
            getattr(self, k).load_state_dict(state[k])
        self.chunk, self.step, self.curve = state["chunk"], state["step"], state["curve"]

    def set_rates(self):
        """Linear warm-up, then half a cosine down to 0."""
        warm = self.recipe.warmup * self.steps
        share = min((self.step + 1) / warm, 0.5 * (1 + math.cos(math.pi * max(0, self.step - warm) / (self.steps - warm))))
        for optimizer, rate in ((self.muon, self.recipe.matrix_rate), (self.adam, self.recipe.rate)):
            for group in optimizer.param_groups:
                group["lr"] = rate * share

    def scenes(self):
        """The scenes of the present chunk and their labels."""
        r = self.recipe
        hardest = min(1, r.start + (1 - r.start) * 2 * self.chunk / r.chunks)
        pixels, labels = [], []
        size = 32  # intermediate results stay in the caches
        for i in range(r.chunk // size):
            index = self.chunk * (r.chunk // size) + i
            g = torch.Generator().manual_seed(render.TRAIN.seed + 500_000_000 + index)
            label = render.draw_labels(size, r.classes, r.nothing, g).to(self.device)
            difficulty = (hardest * torch.rand(size, generator=g)).to(self.device)
            pixels.append(self.renderer.batch(label, difficulty, render.TRAIN, index, r.image, r.image))
            labels.append(label)
        return torch.cat(pixels), torch.cat(labels)

    def learn(self, pixels, labels):
        """Shows the chunk's scenes; returns the mean loss."""
        r, total, count = self.recipe, 0.0, 0
        g = torch.Generator().manual_seed(r.seed * 1_000_003 + self.chunk)
        torch.manual_seed(r.seed * 1_000_003 + self.chunk)  # of the patches left out
        self.model.train()
        for _ in range(r.repeats):
            for pick in torch.randperm(len(pixels), generator=g).split(r.batch):
                self.set_rates()
                self.model.patch_drop.prob = r.drop if self.step < r.whole * self.steps else 0
                logits = self.model(augment(normalize(pixels[pick]), g))
                loss = F.cross_entropy(logits, labels[pick], label_smoothing=r.smoothing)
                self.model.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                self.muon.step()
                self.adam.step()
                self.step += 1
                keep = min(r.ema, self.step / (self.step + 10))
                with torch.no_grad():
                    torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - keep)
                total, count = total + loss.item(), count + 1
        return total / count

    def run(self, minutes=math.inf):
        r, began = self.recipe, time.monotonic()
        files = [b for b in render.camera_batches(self.renderer_cpu(), render.VALIDATION, 512)]
        valid = torch.stack([preprocess(f, r.image) for b in files for f in b[0]])
        answer = torch.cat([b[1] for b in files])
        while self.chunk < r.chunks:
            if time.monotonic() - began > 60 * minutes:
                raise SystemExit(f"stopped before chunk {self.chunk} of {r.chunks}; the same command goes on")
            start, cpu = time.monotonic(), time.process_time()
            loss = self.learn(*self.scenes())
            top1 = (logits_of(self.average, valid, self.device).argmax(1) == answer).float().mean().item()
            self.chunk += 1
            self.curve.append({"step": self.step, "loss": loss, "top1": top1, "chunks": r.chunks, "nothing": r.nothing})
            self.save()
            print(f"chunk {self.chunk}/{r.chunks} step {self.step}/{self.steps} loss {loss:.3f} validation {100 * top1:.1f} % "
                  f"{time.monotonic() - start:.0f} s, {time.process_time() - cpu:.0f} s of CPU", flush=True)

    def renderer_cpu(self):
        """Pictures to measure with are the same on every device."""
        return render.Renderer(*emoji_of(self.recipe)[:2]) if self.device != "cpu" else self.renderer


def export(model, recipe, folder):
    """The folder that timm's save_for_hf writes, and labels.txt for people."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().cpu().float().contiguous() for k, v in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    labels = labels_of(recipe)
    config = {
        "architecture": f"vit_emoji_patch{recipe.patch}_{recipe.image}",
        "num_classes": recipe.classes + 1,
        "num_features": recipe.dim,
        "global_pool": "avg",
        "model_args": model_args(recipe),
        "label_names": labels,
        "pretrained_cfg": {
            "license": "apache-2.0", "input_size": [3, recipe.image, recipe.image], "interpolation": "bilinear",
            "crop_pct": 1.0, "crop_mode": "center", "mean": [0.5] * 3, "std": [0.5] * 3,
            "num_classes": recipe.classes + 1, "first_conv": "patch_embed.proj", "classifier": "head",
        },
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")
    (folder / "labels.txt").write_text("\n".join(labels) + "\n")


def record(recipe, curve, folder):
    """training.json: the recipe and the learning curve, a point a line."""
    points = ",\n".join(f"  {json.dumps(point)}" for point in curve)
    head = json.dumps({"recipe": dataclasses.asdict(recipe)}, indent=1).removesuffix("\n}")
    (folder / "training.json").write_text(f'{head},\n "curve": [\n{points}\n ]\n}}\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=RECIPES, default="full")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder of the saved state")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "float", help="folder of the model")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all)")
    parser.add_argument("--chunks", type=int, help="train longer or shorter than the recipe")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after a chunk when so much time has passed")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    recipe = RECIPES[args.recipe]
    if args.chunks:
        recipe = dataclasses.replace(recipe, chunks=args.chunks)
    args.work.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(recipe, args.work, args.device)
    trainer.restore()
    trainer.run(args.minutes)
    export(trainer.average, recipe, args.out)
    record(recipe, trainer.curve, args.out)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
