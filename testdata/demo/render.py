"""Emoji as a camera sees them, rendered in batches with PyTorch.

A scene is a card, a sheet of paper or a phone that shows one glyph of a color
font, in front of a procedural background. Everything is a function of the
pixel's position, so a batch of any size of picture is a few tensor operations:
the pixel is mapped onto the card by the inverse homography, the card is a
rounded rectangle there, and the glyph is the only texture.

Lengths are in half heights of the picture: y runs from -1 to 1, x from
-width/height to width/height. The square in the middle of a wide picture is
therefore the scene that a square picture shows.
"""

import dataclasses
import io
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"  # Debian's fonts-noto-color-emoji
STRIKE = 109  # pixels per em of the font's only bitmap strike
TEXTURE = 128  # pixels, width and height of a glyph's texture
LEVELS = 4  # of detail: the texture as seen at 1, 1/2, 1/4 and 1/8 of its size
NOTHING = "nothing"


def read_emoji(path):
    """The (label, text) pairs of a file of lines "label<TAB>text"."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if line and not line.startswith("#")]


def rasterize(text, font=FONT, size=TEXTURE):
    """One glyph, centered, RGBA, uint8 [size, size, 4]."""
    face = ImageFont.truetype(font, STRIKE, layout_engine=ImageFont.Layout.BASIC)
    canvas = Image.new("RGBA", (2 * size, 2 * size))
    ImageDraw.Draw(canvas).text((size // 2, size // 2), text, font=face, embedded_color=True)
    box = canvas.getbbox()
    if box is None:
        raise SystemExit(f"{font} draws nothing for {text!r}; install Debian's fonts-noto-color-emoji")
    # Pillow has mixed the color with the canvas, which is black; take that out.
    pixels = np.array(canvas.crop(box))
    color, alpha = pixels[..., :3].astype(np.float32), pixels[..., 3:]
    pixels[..., :3] = (color * 255 / np.maximum(alpha, 1)).round().clip(0, 255)
    glyph = Image.fromarray(pixels)
    glyph.thumbnail((size, size), Image.Resampling.LANCZOS)
    out = Image.new("RGBA", (size, size))
    out.paste(glyph, ((size - glyph.width) // 2, (size - glyph.height) // 2))
    return np.asarray(out)


def textures(emoji, font=FONT):
    """Premultiplied glyphs at every level of detail, float32
    [LEVELS, glyphs, 4, TEXTURE, TEXTURE]. A level keeps the resolution and
    loses the detail, so that one batch can mix levels."""
    glyphs = torch.from_numpy(np.stack([rasterize(text, font) for _, text in emoji])).permute(0, 3, 1, 2) / 255
    glyphs = torch.cat([glyphs[:, :3] * glyphs[:, 3:], glyphs[:, 3:]], 1)
    levels = [glyphs]
    for level in range(1, LEVELS):
        small = F.avg_pool2d(glyphs, 1 << level)
        levels.append(F.interpolate(small, size=TEXTURE, mode="bilinear", align_corners=False))
    return torch.stack(levels)


@dataclasses.dataclass
class Split:
    """Scenes that share nothing with another split's: its own stream of seeds,
    and patterns of the background that the other split never shows."""

    seed: int
    patterns: tuple  # indices into Scene.PATTERNS


TRAIN = Split(seed=1_000_000_000, patterns=(0, 1, 2, 3))
VALIDATION = Split(seed=2_000_000_000, patterns=(0, 1, 2, 3))  # for the learning curve
EXAMPLES = Split(seed=4_000_000_000, patterns=(0, 1, 2, 3, 4, 5))  # the pictures that ship
HELD_OUT = Split(seed=3_000_000_000, patterns=(0, 1, 2, 3, 4, 5))


class Renderer:
    """Renders batches of scenes.

    emoji are the classes, in order; the class after the last one is "nothing".
    others are emoji that are shown as nothing.
    """

    def __init__(self, emoji, others, font=FONT, device="cpu"):
        self.nothing = len(emoji)
        self.others = len(others)
        self.textures = textures(emoji + others, font).to(device)
        self.device = device

    def batch(self, labels, difficulty, split, index, width, height, jpeg="simulate"):
        """Scenes number index of a split: uint8 [batch, 3, height, width].

        labels is int64 [batch]; difficulty is float32 [batch], from 0 (a clear
        view) to 1. The same arguments give the same pictures. jpeg is
        "simulate" (quantized block transform here) or "none" (the caller
        compresses).
        """
        scene = Scene(self, labels, difficulty, split, index, width, height)
        picture = scene.background()
        picture = scene.card(picture)
        picture = scene.occlude(picture)
        picture = scene.light(picture)
        picture = scene.blur(picture)
        picture = scene.noise(picture)
        if jpeg == "simulate":
            picture = scene.compress(picture)
        return (picture.clamp(0, 1) * 255).round().to(torch.uint8)


class Scene:
    """One batch while it is drawn. Parameters are [batch, 1, 1] and masks
    [batch, height, width]; pictures are [batch, 3, height, width]."""

    PATTERNS = ("half plane", "rectangle", "ellipse", "stripes", "checks", "rings")
    SKIN = ((0.96, 0.80, 0.69), (0.89, 0.67, 0.52), (0.72, 0.50, 0.36), (0.47, 0.31, 0.22), (0.30, 0.20, 0.15))

    def __init__(self, renderer, labels, difficulty, split, index, width, height):
        self.r, self.labels, self.split = renderer, labels, split
        self.b, self.w, self.h = len(labels), width, height
        self.g = torch.Generator(device=renderer.device).manual_seed(split.seed + index)
        self.d = difficulty.view(-1, 1, 1)
        y = (torch.arange(height, device=renderer.device) + 0.5) * 2 / height - 1
        x = ((torch.arange(width, device=renderer.device) + 0.5) * 2 - width) / height
        self.y, self.x = torch.meshgrid(y, x, indexing="ij")
        self.y, self.x = self.y[None], self.x[None]
        self.aspect = width / height

    # Random parameters. Every draw is made for the whole batch, whether a
    # sample uses it or not: another label changes the one picture alone.

    def uniform(self, low, high):
        return low + (high - low) * torch.rand(self.b, 1, 1, generator=self.g, device=self.r.device)

    def spread(self, easy, hard):
        """Uniform in +-easy for a clear view, +-hard at difficulty 1."""
        return self.uniform(-1, 1) * (easy + (hard - easy) * self.d)

    def chance(self, easy, hard=None):
        hard = easy if hard is None else hard
        return (self.uniform(0, 1) < easy + (hard - easy) * self.d).float()

    def choice(self, n):
        return torch.randint(n, (self.b, 1, 1), generator=self.g, device=self.r.device)

    def color(self, low=0.0, high=1.0):
        """A random color, more often pale than vivid: [batch, 3, 1, 1]."""
        gray = self.uniform(low, high)[:, None]
        vivid = low + (high - low) * torch.rand(self.b, 3, 1, 1, generator=self.g, device=self.r.device)
        return gray + (vivid - gray) * self.uniform(0, 1)[:, None]

    def field(self, cells):
        """Smooth noise in [0, 1] with so many cells a side: [batch, 3, height, width]."""
        noise = torch.rand(self.b, 3, cells, cells, generator=self.g, device=self.r.device)
        gray = noise.mean(1, keepdim=True)
        noise = gray + (noise - gray) * self.uniform(0, 1)[:, None]
        return F.interpolate(noise, size=(self.h, self.w), mode="bilinear", align_corners=True)

    def edge(self, distance, softness=None):
        """The mask of distance < 0 with an edge of a pixel, or of softness."""
        width = 2 / self.h if softness is None else softness + 2 / self.h
        return (0.5 - distance / width).clamp(0, 1)

    def turned(self, x, y, angle):
        c, s = angle.cos(), angle.sin()
        return c * x + s * y, c * y - s * x

    @staticmethod
    def over(picture, paint, mask):
        """mask of paint over the picture."""
        return torch.lerp(picture, paint.expand_as(picture), mask[:, None])

    def pattern(self, size=1.0):
        """One of the split's patterns as a mask."""
        kind = torch.tensor(self.split.patterns, device=self.r.device)[self.choice(len(self.split.patterns))]
        x, y = self.turned(self.x - self.uniform(-self.aspect, self.aspect), self.y - self.uniform(-1, 1), self.uniform(0, math.pi))
        a, b = self.uniform(0.1, size), self.uniform(0.1, size)
        period = self.uniform(4, 25)
        distances = (
            lambda: y,
            lambda: torch.maximum(x.abs() - a, y.abs() - b),
            lambda: ((x / a).square() + (y / b).square()).sqrt() * torch.minimum(a, b) - torch.minimum(a, b),
            lambda: (y * period).sin() / period,
            lambda: (x * period).sin() * (y * period).sin() / period,
            lambda: ((x.square() + y.square()).sqrt() * period).sin() / period,
        )
        distance = torch.zeros(self.b, self.h, self.w, device=self.r.device)
        for k in self.split.patterns:
            chosen = (kind == k).view(-1)
            if chosen.any():
                distance[chosen] = distances[k]().expand(self.b, self.h, self.w)[chosen]
        return self.edge(distance, self.uniform(0, 0.15) * self.chance(0.5))

    # The stages, far to near.

    def background(self):
        """A wall, a room out of focus, a desk: smooth noise in octaves and a few patterns."""
        picture = self.color(0.05, 0.95) + (self.field(3) - 0.5) * self.uniform(0, 0.8)[:, None]
        picture = picture + (self.field(8) - 0.5) * self.uniform(0, 0.4)[:, None]
        picture = picture + (self.field(24)[:, :1] - 0.5) * self.uniform(0, 0.3)[:, None] * self.chance(0.5)[:, None]
        for _ in range(3):
            picture = self.over(picture, self.color(), self.pattern() * self.uniform(0.3, 1) * self.chance(0.35, 0.75))
        return picture.clamp(0, 1)

    def card(self, picture):
        """What is held up. The unit of the card's coordinates u, v is half of
        the glyph's size, its origin the glyph's center."""
        is_nothing = (self.labels == self.r.nothing).view(-1, 1, 1).float()
        size = 0.64 + self.uniform(-1, 1) * (0.12 + 0.06 * self.d) - 0.1 * self.d
        far = (0.9 - 0.6 * size).clamp(0.05)  # keeps most of the glyph in the square
        cx, cy = self.spread(0.25, 0.75) * far, self.spread(0.25, 0.75) * far
        angle = self.spread(0.15, 0.55)
        c, s = size * angle.cos(), size * angle.sin()
        tilt_u, tilt_v = self.spread(0.05, 0.2), self.spread(0.05, 0.2)
        one = torch.ones_like(cx)
        matrix = torch.stack([
            c + cx * tilt_u, -s + cx * tilt_v, cx,
            s + cy * tilt_u, c + cy * tilt_v, cy,
            tilt_u, tilt_v, one], -1).view(self.b, 3, 3)
        m = torch.linalg.inv(matrix).reshape(self.b, 9, 1, 1)
        w = m[:, 6] * self.x + m[:, 7] * self.y + m[:, 8]
        u = (m[:, 0] * self.x + m[:, 1] * self.y + m[:, 2]) / w
        v = (m[:, 3] * self.x + m[:, 4] * self.y + m[:, 5]) / w
        visible = (w * m[:, 8] > 0).float()

        # A card, a large sheet or a phone, in that order.
        kind = self.uniform(0, 1)
        phone = (kind > 0.6).float()
        sheet = ((kind > 0.45) & (kind <= 0.6)).float()
        hw = self.uniform(1.12, 1.7) + sheet * self.uniform(0.5, 2.5)
        hh = torch.where(phone > 0, hw * self.uniform(1.6, 2.1), self.uniform(1.12, 1.7) + sheet * self.uniform(0.5, 2.5))
        u0 = self.spread(0.3, 1) * (hw - 1.1)
        v0 = self.spread(0.3, 1) * (hh - 1.1)
        corner = self.uniform(0, 0.3)

        def rounded(margin, softness=0, du=0, dv=0):
            qu, qv = (u - u0 - du).abs() - (hw - margin - corner), (v - v0 - dv).abs() - (hh - margin - corner)
            outside = (qu.clamp(min=0).square() + qv.clamp(min=0).square()).sqrt()
            distance = outside + torch.maximum(qu, qv).clamp(max=0) - corner
            return self.edge(distance * size, softness) * visible

        held = 1 - is_nothing * self.chance(0.45)  # "nothing" is also an empty scene
        shadow = rounded(0, softness=self.uniform(0.1, 0.5), du=self.uniform(-0.2, 0.2), dv=self.uniform(0, 0.25))
        picture = picture * (1 - shadow * held * self.uniform(0, 0.6))[:, None]

        dark = self.chance(0.12)
        paper = torch.where(dark[:, None] > 0, self.color(0.02, 0.3), self.color(0.75, 1))
        colored = self.chance(0.15)
        paper = torch.where(colored[:, None] > 0, self.color(), paper)
        glow = 1 + phone * self.uniform(-0.1, 0.3)
        bezel = self.uniform(0.04, 0.12)
        rim = torch.where(phone[:, None] > 0, self.color(0.02, 0.25), paper * self.uniform(0.7, 1)[:, None])
        surface = self.over(rim.expand_as(picture), paper * glow[:, None], rounded(bezel))

        # What a phone or a page shows beside the glyph: bars and lines of text.
        bar = self.uniform(1.05, 1.5)
        surface = self.over(surface, self.color(), (v.abs() > bar).float() * rounded(bezel) * self.chance(0.25))
        text = ((v * self.uniform(8, 20)).sin() > 0.2) & ((u * self.uniform(10, 40) + (v * 3).round() * 7).sin() > -0.6)
        beside = torch.maximum((v.abs() > bar).float(), is_nothing * self.chance(0.5))
        surface = self.over(surface, self.color(0, 0.5), text.float() * beside * rounded(2 * bezel) * self.chance(0.3))
        # Drawings that are no emoji.
        drawing = self.pattern(0.5) * (torch.maximum(u.abs(), v.abs()) < 1).float() * is_nothing * self.chance(0.5)
        surface = self.over(surface, self.color(), drawing * rounded(bezel))

        glyph = self.glyph(u, v, size, is_nothing)
        surface = surface * (1 - glyph[:, 3:]) + glyph[:, :3] * glow[:, None]
        # The lines of a screen, and light that its glass or a glossy card throws back.
        lines = 1 + phone * self.chance(0.4) * self.uniform(0, 0.06) * (v * self.uniform(40, 150)).sin()
        surface = surface * lines[:, None]
        gu, gv = self.turned(u - self.uniform(-1.5, 1.5), v - self.uniform(-1.5, 1.5), self.uniform(0, math.pi))
        glare = torch.exp(-(gu / self.uniform(0.2, 0.8)).square() - (gv / self.uniform(0.4, 5)).square())
        surface = surface + (glare * self.uniform(0, 0.25 + 0.35 * self.d) * self.chance(0.2, 0.5))[:, None]
        return self.over(picture, surface, rounded(0) * held)

    def glyph(self, u, v, size, is_nothing):
        """The class's glyph, premultiplied: [batch, 4, height, width]."""
        other = self.r.nothing + self.choice(max(self.r.others, 1)).view(-1)
        shown = torch.where(is_nothing.view(-1) > 0, other, self.labels).clamp(max=self.r.textures.shape[1] - 1)
        show = 1 - is_nothing * (1 - self.chance(0.35) * float(self.r.others > 0))
        level = (TEXTURE / (size * self.h)).log2().round().clamp(0, LEVELS - 1).long().view(-1)
        grid = torch.stack([u, v], -1).clamp(-4, 4)
        glyph = F.grid_sample(self.r.textures[level, shown], grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        return glyph * show[:, None]

    def occlude(self, picture):
        """Fingers, and things in between."""
        skin = torch.tensor(self.SKIN, device=self.r.device)[self.choice(len(self.SKIN)).view(-1)].view(-1, 3, 1, 1)
        for _ in range(2):
            # A finger comes from outside and ends in a round tip.
            toward = self.uniform(0, 2 * math.pi)
            reach = self.uniform(0.45, 1.0) + 0.25 * (1 - self.d)
            x, y = self.turned(self.x - self.uniform(-0.3, 0.3), self.y - self.uniform(-0.3, 0.3), toward)
            thick = self.uniform(0.08, 0.19)
            distance = ((reach - x).clamp(min=0).square() + y.square()).sqrt() - thick
            shade = (1 - 0.35 * (y / thick).square().clamp(max=1))[:, None]
            picture = self.over(picture, skin * shade, self.edge(distance) * self.chance(0.2, 0.5))
        away, reach = self.uniform(0, 2 * math.pi), self.uniform(0.35, 0.9) + 0.4 * (1 - self.d)
        x, y = self.turned(self.x, self.y, away)
        thing = torch.maximum(reach - x, y.abs() - self.uniform(0.1, 0.5))
        return self.over(picture, self.color(), self.edge(thing) * self.chance(0, 0.3))

    def light(self, picture):
        """Exposure, white balance, contrast, a light from one side, vignetting."""
        x, y = self.turned(self.x, self.y, self.uniform(0, 2 * math.pi))
        side = 1 + x * self.uniform(0, 0.15 + 0.3 * self.d)
        vignette = 1 - (x.square() + y.square()) * self.uniform(0, 0.05 + 0.15 * self.d)
        gain = torch.exp(self.spread(0.2, 0.45))
        balance = torch.exp(torch.cat([self.spread(0.05, 0.17), 0 * self.d, self.spread(0.05, 0.17)], 1)).unsqueeze(-1)
        picture = (picture * balance * (side * vignette * gain)[:, None]).clamp(1e-4, 1)
        picture = picture.pow(torch.exp(self.spread(0.1, 0.35))[:, None])
        gray = picture.mean(1, keepdim=True)
        picture = gray + (picture - gray) * (1 + self.spread(0.15, 0.4))[:, None]
        haze = self.uniform(0, 0.03 + 0.12 * self.d)[:, None]
        return picture * (1 - haze) + haze * 0.7

    def blur(self, picture):
        """Out of focus and moved: a Gaussian of its own width each way."""
        radius = max(1, round(3.5 * self.h / 96))
        sigma = torch.cat([self.uniform(0.3, 0.5 + 0.8 * self.d), self.uniform(0.3, 0.5 + 0.8 * self.d)], 1)
        sigma = sigma * self.h / 96  # pixels
        taps = torch.arange(-radius, radius + 1, device=self.r.device)
        kernel = torch.exp(-0.5 * (taps / sigma).square())  # [batch, 2, taps]
        kernel = (kernel / kernel.sum(-1, keepdim=True)).repeat_interleave(3, 0)
        flat = picture.reshape(1, self.b * 3, self.h, self.w)
        flat = F.pad(flat, (radius,) * 4, mode="replicate")
        flat = F.conv2d(flat, kernel[:, None, :1], groups=self.b * 3)
        flat = F.conv2d(flat, kernel[:, None, 1:].transpose(2, 3), groups=self.b * 3)
        return flat.view(self.b, 3, self.h, self.w)

    def noise(self, picture):
        """Noise of the sensor, more in the shadows after the gamma curve. A
        pixel of a smaller picture is the mean of more of the sensor's pixels."""
        sigma = self.uniform(0, 0.02 + 0.05 * self.d)[:, None] * (1.2 - 0.8 * picture.clamp(0, 1)) * min(1, self.h / 240)
        draw = torch.randn(self.b, 3, self.h, self.w, generator=self.g, device=self.r.device)
        return picture + sigma * draw

    def compress(self, picture):
        """JPEG without the entropy coder: YCbCr, chroma halved, 8x8 cosine
        transform, quantization by Annex K's tables. Two of three pictures."""
        quality = self.uniform(95 - 40 * self.d, 96)
        factor = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
        ycc = torch.einsum("ij,bjhw->bihw", YCC.to(picture), picture * 255) - 128 * torch.tensor([1.0, 0, 0]).to(picture).view(1, 3, 1, 1)
        luma = quantize_blocks(ycc[:, :1], LUMA.to(picture), factor)
        chroma = quantize_blocks(F.avg_pool2d(ycc[:, 1:], 2, ceil_mode=True), CHROMA.to(picture), factor)
        chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)[..., :self.h, :self.w]
        ycc = torch.cat([luma + 128, chroma], 1)
        rgb = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(YCC).to(picture), ycc) / 255
        return torch.where(self.chance(0.67)[:, None] > 0, rgb, picture)


YCC = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
LUMA = torch.tensor([  # ITU-T T.81, table K.1
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99]]).float()
CHROMA = torch.full((8, 8), 99.0)  # table K.2
CHROMA[:4, :4] = torch.tensor([[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]).float()
_k = torch.arange(8).float()
COSINE = torch.cos((2 * _k[None] + 1) * _k[:, None] * math.pi / 16) * 0.5
COSINE[0] *= math.sqrt(0.5)


def quantize_blocks(plane, table, factor):
    """Rounds the 8x8 transform of [batch, c, height, width] to multiples of table x factor."""
    b, c, h, w = plane.shape
    plane = F.pad(plane, (0, -w % 8, 0, -h % 8), mode="replicate")
    blocks = plane.unfold(2, 8, 8).unfold(3, 8, 8)  # [b, c, h/8, w/8, 8, 8]
    dct = COSINE.to(plane)
    step = (table * factor).clamp(min=1).view(b, 1, 1, 1, 8, 8)
    blocks = dct @ blocks @ dct.T
    blocks = dct.T @ ((blocks / step).round() * step) @ dct
    return blocks.transpose(3, 4).reshape(plane.shape)[..., :h, :w]


def jpeg(picture, quality):
    """The bytes of a JPEG file of a uint8 [3, height, width] picture."""
    out = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).cpu().numpy()).save(out, "JPEG", quality=quality)
    return out.getvalue()


def camera_batches(renderer, split, count, nothing=0.12, width=320, height=240, size=32):
    """Batches of a camera's pictures as JPEG files, with their labels and
    difficulties, spread evenly: yields (files, labels, difficulty). nothing is
    the share of that class; the other classes share the rest."""
    for index, start in enumerate(range(0, count, size)):
        g = torch.Generator().manual_seed(split.seed + 500_000_000 + index)
        n = min(size, count - start)
        labels = draw_labels(n, renderer.nothing, nothing, g)
        difficulty = torch.rand(n, generator=g)
        pictures = renderer.batch(labels, difficulty, split, index, width, height, jpeg="none")
        quality = 95 - 60 * difficulty * torch.rand(n, generator=g)
        yield [jpeg(p, int(q)) for p, q in zip(pictures, quality)], labels, difficulty


def draw_labels(n, classes, nothing, generator):
    """n labels; class number classes, "nothing", has its own share."""
    labels = torch.randint(classes, (n,), generator=generator)
    return torch.where(torch.rand(n, generator=generator) < nothing, classes, labels)


def contact_sheet(pictures, columns):
    """A picture of all pictures, uint8 [n, 3, height, width]."""
    n, _, h, w = pictures.shape
    rows = -(-n // columns)
    sheet = Image.new("RGB", (columns * w, rows * h))
    for i, p in enumerate(pictures):
        sheet.paste(Image.fromarray(p.permute(1, 2, 0).cpu().numpy()), (i % columns * w, i // columns * h))
    return sheet
