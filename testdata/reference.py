"""What timm and transformers answer, for vitlite to be compared with.

    python3 testdata/reference.py
        writes the small models of testdata/reference with their answers

    python3 testdata/reference.py --model DIR --images DIR [--image-size N] [--labels CSV] [--logits FILE]
        runs a model folder on a folder of pictures and compares with the logits
        that `VITEDGE_LOGITS=FILE go test ./vitlite -run TestWriteLogits` wrote;
        testdata/README.md has the commands

Nothing is downloaded: weights come from the folder or from a seed.
"""

import argparse
import copy
import csv
import json
import pathlib
import shutil

import numpy as np
import timm
import torch
from PIL import Image, ImageDraw
from timm.data import create_transform, resolve_model_data_config
from timm.models import save_for_hf
from transformers import ViTConfig, ViTForImageClassification
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

import variants

HERE = pathlib.Path(__file__).parent / "reference"
IMAGENET = dict(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
HALF = dict(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


class TimmModel:
    """A folder in timm's layout: config.json and model.safetensors."""

    def __init__(self, folder, size=None):
        resized = {"img_size": size} if size else {}
        self.model = timm.create_model(f"local-dir:{folder}", pretrained=True, **resized).eval().float()
        data = resolve_model_data_config(self.model, resized)
        self.normalized = create_transform(**data, is_training=False)
        self.raw = create_transform(**data, is_training=False, normalize=False)

    def pixels(self, picture):
        return self.raw(picture).permute(1, 2, 0).numpy()

    def logits(self, picture):
        with torch.inference_mode():
            return self.model(self.normalized(picture)[None])[0].numpy()


class HuggingFaceModel:
    """A folder in Hugging Face's layout: also preprocessor_config.json."""

    def __init__(self, folder):
        self.model = ViTForImageClassification.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
        config = json.loads((pathlib.Path(folder) / "preprocessor_config.json").read_text())
        # Resizing as Pillow does it; the processor of this name that is loaded
        # by default uses torchvision's resize.
        processor = DeiTImageProcessorPil if "DeiT" in config["image_processor_type"] else ViTImageProcessorPil
        self.processor = processor.from_pretrained(folder, local_files_only=True)

    def pixels(self, picture):
        raw = self.processor(picture, do_rescale=False, do_normalize=False)["pixel_values"][0]
        return np.asarray(raw).transpose(1, 2, 0).astype(np.uint8)

    def logits(self, picture):
        values = torch.tensor(np.asarray(self.processor(picture)["pixel_values"]), dtype=torch.float32)
        with torch.inference_mode():
            return self.model(values).logits[0].numpy()


def open_model(folder):
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    return HuggingFaceModel(folder) if "model_type" in config else TimmModel(folder)


def train(model, seed):
    """Gives a timm ViT weights whose activations look like a trained model's.

    Attention is neither uniform nor one-hot, gains differ by an order of
    magnitude, every bias and position counts, and one channel of the residual
    stream is massive, as in the ViTs trained on ImageNet-21k.
    """
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            n = rng.standard_normal(tuple(p.shape))
            if name == "pos_embed" or name == "cls_token":
                n *= 0.5
            elif "norm" in name:
                n = np.exp(0.4 * n) if name.endswith("weight") else 0.2 * n
                if "norm1" in name and name.endswith("weight"):
                    n[3] *= 6
            elif name.endswith("bias"):
                n = 0.3 * n - 0.3 * ("fc1" in name)
            else:
                n *= {"qkv": 1.3, "fc1": 1.2, "fc2": 1.0, "head": 2.0}.get(name.split(".")[-2], 1) / np.sqrt(n[0].size)
                if "mlp.fc2" in name:
                    n[5] *= 12
            n[np.abs(n) < 2.0**-14] = 0  # so that float16 holds what bfloat16 holds
            p.copy_(torch.tensor(n).to(torch.bfloat16))


def write_timm(model, folder, dtype):
    save_for_hf(copy.deepcopy(model).to(dtype), folder, safe_serialization=True)


def write_huggingface(model, folder, dtype, processor, **config):
    """Writes the weights of a plain timm ViT, query, key and value apart."""
    heads = model.blocks[0].attn.num_heads
    dim, classes = model.embed_dim, model.num_classes
    qkv_bias = model.blocks[0].attn.qkv.bias is not None
    hf = ViTForImageClassification(ViTConfig(
        hidden_size=dim, num_hidden_layers=len(model.blocks), num_attention_heads=heads,
        intermediate_size=model.blocks[0].mlp.fc1.out_features, qkv_bias=qkv_bias,
        image_size=model.patch_embed.img_size[0], patch_size=model.patch_embed.patch_size[0],
        id2label={i: f"thing {i}" for i in range(classes)}, label2id={f"thing {i}": i for i in range(classes)}, **config,
    ))
    names = [("vit.layernorm", model.norm), ("classifier", model.head), ("vit.embeddings.patch_embeddings.projection", model.patch_embed.proj)]
    tensors = {"vit.embeddings.cls_token": model.cls_token, "vit.embeddings.position_embeddings": model.pos_embed}
    for i, block in enumerate(model.blocks):
        at = f"vit.layers.{i}."
        names += [(at + "layernorm_before", block.norm1), (at + "attention.o_proj", block.attn.proj), (at + "layernorm_after", block.norm2),
                  (at + "mlp.fc1", block.mlp.fc1), (at + "mlp.fc2", block.mlp.fc2)]
        for kind, p in block.attn.qkv.named_parameters():
            for one, rows in zip("qkv", p.chunk(3)):
                tensors[at + f"attention.{one}_proj.{kind}"] = rows
    for at, module in names:
        tensors |= {f"{at}.{kind}": p for kind, p in module.named_parameters()}
    hf.load_state_dict(tensors)
    hf.to(dtype).save_pretrained(folder)
    processor.save_pretrained(folder)


# MODELS says what is special about each model that write_models makes.
MODELS = {
    "vit64-timm": "plain, a massive channel; crop of 0.9, bicubic",
    "vit64-hf": "the same weights; squashed, bilinear",
    "odd48-timm": "no bias of query, key and value, mean pooling; Lanczos with a border",
    "odd48-hf": "the same weights with class token, quick GELU, epsilon 1e-3; squashed, bicubic",
    "deit32-timm": "patches of 16; crop of 0.875, bilinear",
    "deit32-hf": "the same weights with tanh GELU; squashed to 73 pixels, cropped, bicubic",
}


def write_models():
    """The models: folder names tell width, patch and layout."""
    vit = timm.create_model(
        "vit_tiny_patch16_224", img_size=48, patch_size=8, embed_dim=64, depth=2, num_heads=2, mlp_ratio=2, num_classes=10,
        pretrained_cfg_overlay=dict(input_size=(3, 48, 48), crop_pct=0.9, interpolation="bicubic", crop_mode="center", **HALF))
    train(vit, 1)
    write_timm(vit, HERE / "vit64-timm", torch.bfloat16)
    half = dict(image_mean=HALF["mean"], image_std=HALF["std"])
    write_huggingface(vit, HERE / "vit64-hf", torch.float16, ViTImageProcessorPil(size=dict(height=48, width=48), **half))

    # Everything that is usually otherwise: no biases of query, key and value,
    # three heads, mean pooling, a border; then another epsilon and activation.
    odd = timm.create_model(
        "vit_tiny_patch16_224", img_size=40, patch_size=8, embed_dim=48, depth=2, num_heads=3, mlp_ratio=1.5, num_classes=10,
        qkv_bias=False, global_pool="avg",
        pretrained_cfg_overlay=dict(input_size=(3, 40, 40), crop_pct=1.0, interpolation="lanczos", crop_mode="border", **IMAGENET))
    train(odd, 2)
    write_timm(odd, HERE / "odd48-timm", torch.float16)
    odd.norm = odd.fc_norm  # mean pooling has its norm after the pooling
    write_huggingface(odd, HERE / "odd48-hf", torch.bfloat16, ViTImageProcessorPil(size=dict(height=40, width=40), resample=3, **half),
                      hidden_act="quick_gelu", layer_norm_eps=1e-3)

    deit = timm.create_model(
        "deit_tiny_patch16_224", img_size=64, patch_size=16, embed_dim=32, depth=2, num_heads=4, mlp_ratio=2, num_classes=7,
        pretrained_cfg_overlay=dict(input_size=(3, 64, 64), crop_pct=0.875, interpolation="bilinear", crop_mode="center", **IMAGENET))
    train(deit, 3)
    write_timm(deit, HERE / "deit32-timm", torch.float32)
    write_huggingface(deit, HERE / "deit32-hf", torch.float16,
                      DeiTImageProcessorPil(size=dict(height=73, width=73), crop_size=dict(height=64, width=64),
                                            image_mean=IMAGENET["mean"], image_std=IMAGENET["std"]),
                      hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-12)


def write_pictures():
    """A picture larger than the models and one smaller: clouds, shapes and noise."""
    for name, width, height, seed in ("wide.png", 110, 83, 4), ("tall.png", 31, 45, 5):
        rng = np.random.default_rng(seed)
        clouds = Image.fromarray(rng.integers(0, 256, (5, 6, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        draw = ImageDraw.Draw(clouds)
        for _ in range(6):
            x, y, size = rng.integers(width), rng.integers(height), rng.integers(5, height // 2)
            color = tuple(int(c) for c in rng.integers(0, 256, 3))
            rng.choice([draw.ellipse, draw.rectangle])((x, y, x + size, y + size), fill=color)
        noise = rng.integers(-6, 7, (height, width, 3))
        Image.fromarray(np.clip(np.asarray(clouds) + noise, 0, 255).astype(np.uint8)).save(HERE / name, optimize=True)


def write_reference():
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    write_pictures()
    write_models()
    what = dict(MODELS)
    for folder in sorted(f for f in HERE.iterdir() if f.is_dir()):
        model = open_model(folder)
        logits = {}
        for path in sorted(HERE.glob("*.png")):
            picture = Image.open(path).convert("RGB")
            # What the model sees of it.
            Image.fromarray(model.pixels(picture)).save(folder / path.name, optimize=True)
            logits[path.name] = [float(v) for v in model.logits(picture)]
        (folder / "logits.json").write_text(json.dumps(logits, indent=1) + "\n")
        print(folder.name, {k: np.round(v, 2).tolist() for k, v in logits.items()})
    what |= variants.write(HERE)
    (HERE / "cases.json").write_text(json.dumps(what, indent=1, sort_keys=True) + "\n")


def compare(args):
    model = TimmModel(args.model, args.image_size) if args.image_size else open_model(args.model)
    ours = {}
    if args.logits:
        for line in open(args.logits):
            row = json.loads(line)
            ours[pathlib.Path(row["file"]).stem] = np.array(row["logits"], np.float32)
    labels = {}
    if args.labels:
        labels = {pathlib.Path(row["file"]).stem: int(row["class"]) for row in csv.DictReader(open(args.labels))}

    pictures = right = labelled = ours_right = agree = compared = 0
    largest, worst = 0.0, None
    for path in sorted(pathlib.Path(args.images).iterdir()):
        if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
            continue
        picture = Image.open(path).convert("RGB")
        if args.png:
            picture.save(pathlib.Path(args.png) / f"{path.stem}.png", compress_level=1)
        reference = model.logits(picture)
        pictures += 1
        label = labels.get(path.stem)
        if label is not None:
            labelled += 1
            right += reference.argmax() == label
        if path.stem in ours:
            mine = ours[path.stem]
            compared += 1
            agree += mine.argmax() == reference.argmax()
            ours_right += mine.argmax() == label
            difference = np.abs(mine - reference).max()
            if difference > largest:
                largest, worst = float(difference), path.name
    print(f"pictures {pictures}, with a label {labelled}, compared {compared}")
    if labelled:
        print(f"top-1 of the reference {right / labelled:.4f}")
    if labelled and compared == labelled:
        print(f"top-1 of ours {ours_right / labelled:.4f}")
    if compared:
        print(f"same top-1 {agree / compared:.4f}, max |logit difference| {largest:.3g} ({worst})")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", help="model folder in timm's or Hugging Face's layout")
    p.add_argument("--images", help="folder of pictures")
    p.add_argument("--image-size", type=int, help="run a model of timm's at this size instead of the trained one")
    p.add_argument("--labels", help="csv with columns file and class")
    p.add_argument("--logits", help="what our code answered: lines of {\"file\": NAME, \"logits\": [...]}")
    p.add_argument("--png", help="existing folder to write the pictures to as Pillow decodes them")
    args = p.parse_args()
    if bool(args.model) != bool(args.images):
        p.error("--model and --images go together")
    compare(args) if args.model else write_reference()


if __name__ == "__main__":
    main()
