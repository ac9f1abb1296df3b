"""The variants of ViT that checkpoints hold, one small random model each.

reference.py runs this. Every folder has the weights as their users find them and
the logits of the implementation that they were made for: timm, transformers or
torchvision; for JAX's layout timm, whose weights are transposed. options.json is
what a user says with flags where the files do not (the fields of quant.Options).
"""

import argparse
import collections
import json
import math

import numpy as np
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from timm.layers import resample_abs_pos_embed
from timm.models import save_for_hf
from torchvision.models import VisionTransformer as TorchvisionViT
from transformers import (
    DeiTConfig, DeiTForImageClassification, DeiTForImageClassificationWithTeacher, Dinov2Config, Dinov2ForImageClassification,
    Dinov2WithRegistersConfig, Dinov2WithRegistersForImageClassification, TimmWrapperConfig, TimmWrapperForImageClassification,
    ViTConfig, ViTForImageClassification,
)
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

HALF = dict(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
TINY = dict(depth=2, mlp_ratio=2, num_classes=6)


def train(model, seed):
    """Draws weights whose activations look like a trained model's, see reference.py."""
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            n = rng.standard_normal(tuple(p.shape))
            if any(word in name for word in ("token", "pos_embed", "position_embeddings", "pos_embedding")):
                n *= 0.5
            elif "gamma" in name or "lambda" in name:
                n *= 0.7  # either sign, as trained ones have
            elif "norm" in name or "ln" in name.replace("_", ".").split("."):
                n = np.exp(0.4 * n) if name.endswith("weight") else 0.2 * n
            elif name.endswith("bias"):
                n = 0.3 * n
            else:
                n *= 1.3 / math.sqrt(n[0].size)
            n[np.abs(n) < 2.0**-14] = 0  # so that float16 holds what bfloat16 holds
            p.copy_(torch.tensor(n).to(torch.bfloat16))
    return model.eval()


def squash(side):
    """Preprocessing that every case without files of its own says with flags."""
    def pixels(picture):
        return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR))
    return pixels


def flags(side, **more):
    return dict(Resize=dict(Mode="squash", Size=side), Interpolation="bilinear",
                Mean=HALF["mean"], Std=HALF["std"], **more)


def normalized(pixels, mean=HALF["mean"], std=HALF["std"]):
    x = torch.tensor(pixels).permute(2, 0, 1).float() / 255
    return ((x - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None])[None]


class Cases:
    """Writes the folders of the cases."""

    def __init__(self, root):
        self.root = root
        self.pictures = {p.name: Image.open(p).convert("RGB") for p in sorted(root.glob("*.png"))}
        self.what = {}

    def folder(self, name):
        folder = self.root / name
        folder.mkdir()
        return folder

    def add(self, name, what, pixels, logits, options=None):
        """pixels: of a picture, uint8; logits: of those pixels."""
        folder = self.root / name
        answers = {}
        for file, picture in self.pictures.items():
            seen = pixels(picture)
            Image.fromarray(seen).save(folder / file, optimize=True)
            with torch.inference_mode():
                answers[file] = [float(v) for v in logits(seen)]
        (folder / "logits.json").write_text(json.dumps(answers, indent=1) + "\n")
        if options:
            (folder / "options.json").write_text(json.dumps(options) + "\n")
        self.what[name] = what
        print(name, {k: np.round(v, 2).tolist() for k, v in answers.items()})

    def plain(self, name, what, model, side, forward=None, **options):
        """A case without preprocessing in its files."""
        forward = forward or model
        self.add(name, what, squash(side), lambda seen: forward(normalized(seen))[0], flags(side, **options))


def timm_model(name, seed, side, **args):
    overlay = dict(input_size=(3, side, side), crop_pct=1.0, interpolation="bilinear", crop_mode="squash", **HALF)
    return train(timm.create_model(name, img_size=side, **{**TINY, **args}, pretrained_cfg_overlay=overlay), seed)


def timm_cases(cases):
    for name, what, architecture, seed, side, dtype, args in (
        ("distilled-timm", "distillation token and second head", "deit_tiny_distilled_patch16_224", 11, 48, torch.bfloat16,
         dict(patch_size=16, embed_dim=32, num_heads=2)),
        ("deit3-timm", "LayerScale, class token without position", "deit3_small_patch16_224", 12, 32, torch.float16,
         dict(patch_size=8, embed_dim=32, num_heads=4)),
        ("registers-timm", "class token, 4 registers without positions, LayerScale, patches of 14", "vit_small_patch14_reg4_dinov2", 13, 56,
         torch.bfloat16, dict(patch_size=14, embed_dim=24, num_heads=2)),
        ("gap-registers-timm", "4 registers, no class token, LayerScale, mean pooling", "vit_little_patch16_reg4_gap_256", 14, 40, torch.float16,
         dict(patch_size=8, embed_dim=32, num_heads=2)),
        ("gap-positions-timm", "4 registers with positions, no class token, norm before mean pooling", "vit_so150m_patch16_reg4_gap_256", 15, 40,
         torch.bfloat16, dict(patch_size=8, embed_dim=32, num_heads=2)),
        ("gap-timm", "no class token, no bias of query, key and value, LayerScale, norm before mean pooling", "vit_medium_patch16_gap_240", 16, 32,
         torch.float16, dict(patch_size=8, embed_dim=32, num_heads=2)),
        ("patch32-timm", "patches of 32, tanh GELU", "vit_tiny_patch16_224", 17, 64, torch.float16,
         dict(patch_size=32, embed_dim=16, num_heads=2, act_layer="gelu_tanh")),
    ):
        model = timm_model(architecture, seed, side, **args)
        folder = cases.folder(name)
        save_for_hf(model.to(dtype), folder, safe_serialization=True)
        model.float()
        cases.add(name, what, squash(side), lambda seen: model(normalized(seen))[0])

    # timm in transformers.
    model = timm_model("vit_tiny_patch16_224", 18, 32, patch_size=8, embed_dim=32, num_heads=2)
    args = dict(img_size=32, patch_size=8, embed_dim=32, num_heads=2, depth=2, mlp_ratio=2)
    config = TimmWrapperConfig.from_dict(dict(architecture="vit_tiny_patch16_224", num_classes=6, model_args=args, pretrained_cfg=model.pretrained_cfg))
    wrapper = TimmWrapperForImageClassification(config).eval()
    wrapper.timm_model.load_state_dict(model.state_dict())
    folder = cases.folder("wrapper-hf")
    wrapper.half().save_pretrained(folder)
    wrapper.float()
    cases.add("wrapper-hf", "timm's model in transformers", squash(32), lambda seen: wrapper(normalized(seen)).logits[0])


def pytorch_cases(cases):
    """What training scripts leave: torch.save in all its forms."""
    small = dict(patch_size=8, embed_dim=32, num_heads=4)
    heads = dict(Heads=4)

    model = timm_model("deit3_small_patch16_224", 21, 32, **small)
    weights = {k.replace("ls1.gamma", "gamma_1").replace("ls2.gamma", "gamma_2"): v for k, v in model.half().state_dict().items()}
    torch.save({"model": weights}, cases.folder("deit3-pth") / "deit_3_small_224_1k.pth", _use_new_zipfile_serialization=False)
    cases.plain("deit3-pth", "DeiT-III's own names and the file format before PyTorch 1.6", model.float(), 32, **heads)

    model = timm_model("vit_tiny_patch16_224", 22, 32, global_pool="avg", **small)
    torch.save({"model": model.half().state_dict(), "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.ones(8, 8)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.95)}]},
                "epoch": 49, "scaler": {"scale": 65536.0}, "args": argparse.Namespace(model="vit_base_patch16", input_size=32, mean=[0.1])},
               cases.folder("mae-pth") / "checkpoint-49.pth")
    cases.plain("mae-pth", "MAE fine-tuned: beside an optimizer, mean pooling", model.float(), 32, **heads)

    model = timm_model("vit_tiny_patch16_224", 23, 32, **small)
    other = timm_model("vit_tiny_patch16_224", 24, 32, **small)
    module = {k: collections.OrderedDict(("module." + n, v.to(torch.bfloat16)) for n, v in m.state_dict().items()) for k, m in (("state_dict", other), ("state_dict_ema", model))}
    torch.save({"epoch": 7, "arch": "vit_tiny_patch16_224", **module, "metric": torch.tensor(81.5), "version": 2, "args": argparse.Namespace(model="x")},
               cases.folder("ema-pth") / "model_best.pth.tar.pth")
    cases.plain("ema-pth", "timm's training script: the average beside the weights, names of DistributedDataParallel", model, 32, **heads)
    cases.folder("raw-pth")
    cases.plain("raw-pth", "the same file, the other weights by --weights", other, 32, Path="../ema-pth", Weights="state_dict", **heads)

    model = timm_model("vit_tiny_patch16_224", 25, 32, **small)
    torch.save({"state_dict": {"model." + n: v.half() for n, v in model.state_dict().items()}, "hyper_parameters": {"lr": 0.1}, "pytorch-lightning_version": "2.6.0"},
               cases.folder("lightning-ckpt") / "last.ckpt")
    cases.plain("lightning-ckpt", "PyTorch Lightning's names", model, 32, **heads)

    model = timm_model("vit_tiny_patch16_224", 26, 32, **small)
    torch.save(model.half(), cases.folder("module-pth") / "model.pth")
    cases.plain("module-pth", "a whole module and no state dict", model.float(), 32, **heads)

    model = timm_model("vit_tiny_patch16_224", 27, 32, **small)
    state = {}
    weights = model.half().state_dict()
    everything = torch.cat([p.flatten() for p in weights.values()])
    at = 0
    for name, p in weights.items():  # all views of one storage,
        state[name] = everything[at:at + p.numel()].view(p.shape)
        at += p.numel()
    for name in ("blocks.0.attn.proj.weight", "blocks.1.mlp.fc1.weight", "patch_embed.proj.weight"):
        state[name] = state[name].transpose(0, 1).contiguous().transpose(0, 1)  # but for some that are transposed
    torch.save(state, cases.folder("views-pth") / "pytorch_model.bin")
    cases.plain("views-pth", "views of one storage, transposed tensors", model.float(), 32, **heads)


def processor(kind, side, **args):
    return kind(image_mean=HALF["mean"], image_std=HALF["std"], **(args or dict(size=dict(height=side, width=side))))


def transformers_cases(cases):
    def add(name, what, model, seed, processor, save, dtype=torch.float16):
        train(model, seed)
        folder = cases.folder(name)
        save(model.to(dtype), folder)
        model.float()
        processor.save_pretrained(folder)

        def pixels(picture):
            raw = processor(picture, do_rescale=False, do_normalize=False)["pixel_values"][0]
            return np.ascontiguousarray(np.asarray(raw).transpose(1, 2, 0).astype(np.uint8))
        cases.add(name, what, pixels, lambda seen: model(normalized(seen)).logits[0])

    def pretrained(model, folder):
        model.save_pretrained(folder)

    def state_dict(model, folder):  # the names of transformers 5
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        model.config.save_pretrained(folder)

    def sharded(model, folder):
        model.save_pretrained(folder, max_shard_size="40KB")

    size = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=32, patch_size=8)
    classes = dict(id2label={i: f"thing {i}" for i in range(6)}, label2id={f"thing {i}": i for i in range(6)})
    vit = ViTImageProcessorPil
    add("release5-hf", "names of transformers 5, as torch.save leaves them", ViTForImageClassification(ViTConfig(**size, **classes)), 31,
        processor(vit, 32), state_dict)
    add("sharded-hf", "shards with their index", ViTForImageClassification(ViTConfig(**size, **classes)), 32, processor(vit, 32), sharded)
    add("nobias-hf", "no bias of query, key and value, GELU of another name", ViTForImageClassification(ViTConfig(**size, **classes, qkv_bias=False, hidden_act="gelu_new")), 33,
        processor(vit, 32), state_dict, torch.bfloat16)
    deit = processor(DeiTImageProcessorPil, 32, size=dict(height=36, width=36), crop_size=dict(height=32, width=32))
    add("deit-hf", "distillation token without a head", DeiTForImageClassification(DeiTConfig(**size, **classes)), 34, deit, pretrained)
    add("teacher-hf", "distillation token and second head", DeiTForImageClassificationWithTeacher(DeiTConfig(**size, **classes)), 35, deit, state_dict, torch.bfloat16)

    # DINOv2 is trained at one size and run at another.
    dino = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, patch_size=14)
    bit = processor(BitImageProcessorPil, 0, size=dict(shortest_edge=64), crop_size=dict(height=56, width=56), resample=3)
    add("dinov2-hf", "patches of 14, LayerScale, class token and mean, positions of 5 by 5 patches for 4 by 4",
        Dinov2ForImageClassification(Dinov2Config(**dino, **classes, image_size=70)), 36, bit, pretrained)
    add("dinov2-registers-hf", "the same with registers, positions of 3 by 3 patches, names of transformers 5",
        Dinov2WithRegistersForImageClassification(Dinov2WithRegistersConfig(**dino, **classes, image_size=42, num_register_tokens=4)), 37, bit, state_dict)


def torchvision_cases(cases):
    size = dict(image_size=32, patch_size=8, num_layers=2, num_heads=4, hidden_dim=32, mlp_dim=64, num_classes=6)
    model = train(TorchvisionViT(**size), 41)
    torch.save(model.half().state_dict(), cases.folder("torchvision-pth") / "model.pth")
    cases.plain("torchvision-pth", "names of today", model.float(), 32, Heads=4)

    model = train(TorchvisionViT(**size, representation_size=20), 42)
    old = collections.OrderedDict((k.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"), v) for k, v in model.half().state_dict().items())
    torch.save(old, cases.folder("torchvision-old-pth") / "vit_b_16.pth", _use_new_zipfile_serialization=False)
    cases.plain("torchvision-old-pth", "old names and format, a layer with tanh before the head", model.float(), 32, Heads=4)


def jax_arrays(model, prefix, big_vision=False):
    """timm's weights under the names and in the layout of Google's JAX code."""
    w = {k: v.detach().float().numpy() for k, v in model.state_dict().items()}
    dim, heads = model.embed_dim, model.blocks[0].attn.num_heads
    mha, mlp, ln = (0, 0, 1) if big_vision else (1, 3, 2)
    out = {"embedding/kernel": w["patch_embed.proj.weight"].transpose(2, 3, 1, 0), "embedding/bias": w["patch_embed.proj.bias"],
           "pos_embedding" if big_vision else "Transformer/posembed_input/pos_embedding": w["pos_embed"],
           "Transformer/encoder_norm/scale": w["norm.weight"], "Transformer/encoder_norm/bias": w["norm.bias"],
           "head/kernel": w["head.weight"].T, "head/bias": w["head.bias"]}
    if "cls_token" in w:
        out["cls"] = w["cls_token"]
    blocks = []
    for i in range(len(model.blocks)):
        b, at = {}, f"blocks.{i}."
        for name, norm in ("LayerNorm_0", "norm1"), (f"LayerNorm_{ln}", "norm2"):
            b[name + "/scale"], b[name + "/bias"] = w[at + norm + ".weight"], w[at + norm + ".bias"]
        for j, name in enumerate(("query", "key", "value")):
            rows = slice(j * dim, (j + 1) * dim)
            b[f"MultiHeadDotProductAttention_{mha}/{name}/kernel"] = w[at + "attn.qkv.weight"][rows].T.reshape(dim, heads, -1)
            b[f"MultiHeadDotProductAttention_{mha}/{name}/bias"] = w[at + "attn.qkv.bias"][rows].reshape(heads, -1)
        b[f"MultiHeadDotProductAttention_{mha}/out/kernel"] = w[at + "attn.proj.weight"].T.reshape(heads, -1, dim)
        b[f"MultiHeadDotProductAttention_{mha}/out/bias"] = w[at + "attn.proj.bias"]
        for j, name in enumerate(("fc1", "fc2")):
            b[f"MlpBlock_{mlp}/Dense_{j}/kernel"], b[f"MlpBlock_{mlp}/Dense_{j}/bias"] = w[at + f"mlp.{name}.weight"].T, w[at + f"mlp.{name}.bias"]
        blocks.append(b)
    if big_vision:
        out |= {"Transformer/encoderblock/" + k: np.stack([b[k] for b in blocks]) for k in blocks[0]}
    else:
        out |= {f"Transformer/encoderblock_{i}/{k}": v for i, b in enumerate(blocks) for k, v in b.items()}
    return {prefix + k: v for k, v in out.items()}


def jax_cases(cases):
    size = dict(patch_size=8, embed_dim=32, num_heads=4, act_layer="gelu_tanh")  # JAX's gelu

    model = timm_model("vit_tiny_patch16_224", 51, 32, **size)
    np.savez(cases.folder("jax-npz") / "Ti_8.npz", **{k: np.ascontiguousarray(v) for k, v in jax_arrays(model, "").items()})
    cases.plain("jax-npz", "AugReg's layout", model, 32)

    model = timm_model("vit_tiny_patch16_224", 52, 32, **size)
    rng = np.random.default_rng(53)
    kernel, bias = ((rng.standard_normal(s) * 0.2).astype(np.float32) for s in ((32, 20), (20,)))
    head = torch.nn.Linear(20, 6)
    head.load_state_dict({"weight": torch.tensor(rng.standard_normal((6, 20)) * 0.5), "bias": torch.zeros(6)})
    arrays = jax_arrays(model, "opt/target/") | {
        "opt/target/pre_logits/kernel": kernel, "opt/target/pre_logits/bias": bias,
        "opt/target/head/kernel": head.weight.detach().numpy().T, "opt/target/head/bias": head.bias.detach().numpy(),
        "opt/state/step": np.int64(20000), "opt/state/param_states/cls/momentum": np.ones((1, 1, 32), np.float32)}
    np.savez_compressed(cases.folder("jax-prelogits-npz") / "weights.npz", **arrays)
    cases.plain("jax-prelogits-npz", "a layer with tanh before the head, beside an optimizer, compressed, transposed views", model, 32,
                lambda x: head(torch.tanh(model.forward_head(model.forward_features(x), pre_logits=True) @ torch.tensor(kernel) + torch.tensor(bias))))

    model = timm_model("vit_base_patch16_gap_224", 54, 32, **size)
    arrays = {k: (v.view(np.uint32) >> 16).astype(np.uint16).view("V2") for k, v in  # bfloat16 as NumPy stores it
              ((k, np.ascontiguousarray(v)) for k, v in jax_arrays(model, "params/", big_vision=True).items())}
    np.savez(cases.folder("bigvision-npz") / "checkpoint.npz", **arrays)
    cases.plain("bigvision-npz", "big_vision: stacked blocks, no class token, norm before mean pooling", model, 32)


def resized_cases(cases):
    """Other image sizes than the trained one."""
    for name, source, side in (
        ("vit64-larger", "vit64-timm", 80), ("vit64-smaller", "vit64-timm", 32), ("distilled-larger", "distilled-timm", 96),
        ("deit3-smaller", "deit3-timm", 16), ("gap-positions-larger", "gap-positions-timm", 64),
    ):
        folder = cases.folder(name)
        model = timm.create_model(f"local-dir:{folder.parent / source}", pretrained=True).eval().float()
        before = model.patch_embed.img_size[0]
        model.set_input_size(img_size=(side, side))  # in float32; on loading timm would round to the type of the file
        config = resolve_data_config({"input_size": (3, side, side)}, pretrained_cfg=model.pretrained_cfg)
        raw = create_transform(**config, normalize=False)
        cases.add(name, f"{source} at {side} pixels instead of {before}", lambda p: np.ascontiguousarray(raw(p).permute(1, 2, 0).numpy()),
                  lambda seen: model(normalized(seen, config["mean"], config["std"]))[0], dict(Path="../" + source, ImageSize=side))


def position_table(grid):
    """Position embeddings of width 2 that any language makes the same."""
    i = np.arange(2 * grid * grid)
    return ((i * 7919 + i * i % 1013) % 257 - 128) / 64


def write_positions(path):
    """timm's and transformers' interpolation of position embeddings, as numbers."""
    rows = []
    for old, new in (1, 3), (3, 5), (5, 3), (14, 24), (14, 7), (37, 16), (16, 37), (7, 8):
        grid = torch.tensor(position_table(old), dtype=torch.float32).reshape(old, old, 2)
        timms = resample_abs_pos_embed(grid.reshape(1, -1, 2), [new, new], num_prefix_tokens=0)[0]
        plain = torch.nn.functional.interpolate(grid.permute(2, 0, 1)[None], size=(new, new), mode="bicubic", align_corners=False)
        plain = plain[0].permute(1, 2, 0).reshape(-1, 2)
        pick = sorted({0, 1, new, new * new // 2, new * new // 2 + 1, new * new - 1})  # border and middle
        rows.append(dict(old=old, new=new, pick=pick, antialiased=timms[pick].flatten().tolist(), plain=plain[pick].flatten().tolist()))
    path.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")


def write_architectures(path):
    """The heads, activation and epsilon of all of timm's plain ViTs."""
    lines = []
    for name in timm.list_models(module="vision_transformer") + timm.list_models(module="deit"):
        with torch.device("meta"):
            model = timm.create_model(name)
        block = model.blocks[0]
        state = model.state_dict()
        plain = (type(block).__name__ == "Block" and type(block.mlp).__name__ == "Mlp" and type(block.norm1).__name__ == "LayerNorm"
                 and not any(w in n for n in state for w in ("norm_pre", "attn_pool", "mlp.norm", "attn.norm", "q_norm"))
                 and any(n in state for n in ("norm.weight", "fc_norm.weight")))
        if plain:
            lines.append(json.dumps(dict(name=name, dim=model.embed_dim, heads=block.attn.num_heads, activation=type(block.mlp.act).__name__, epsilon=block.norm1.eps)))
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def write(root):
    cases = Cases(root)
    for group in timm_cases, pytorch_cases, transformers_cases, torchvision_cases, jax_cases, resized_cases:
        group(cases)
    write_positions(root / "positions.json")
    write_architectures(root / "timm.json")
    return cases.what
