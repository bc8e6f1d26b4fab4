#!/usr/bin/env python3
"""Writes chains.json: Pillow's results for random chains of operations, which the test `pillow.rs` replays.

    python3 -m venv VENV
    VENV/bin/pip install 'pillow>=9,<12'
    VENV/bin/python crates/views/tests/pillow/generate.py

Inputs come from formulas (`image`) and real photos (`photo`), which `pillow.rs` has as well; each result is stored as a CRC-32,
those of photos with the first and last bytes. The committed file names its version under "pillow". Versions 9.3.0, 9.5.0,
10.4.0 and 11.3.0 give the same file except for that line (`--check` compares without writing). From 12 on, Pillow may resize
vertically first and then differs by 1.
"""

import json
import math
import pathlib
import random
import sys
import zlib

import PIL
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

OUT = pathlib.Path(__file__).with_name("chains.json")


def image(seed, width, height):
    """Four kinds: smooth with a little noise, noise, flat blocks (many of them grey), saturated colours."""
    state = (seed * 2654435761 + 12345) % 2**32
    data = bytearray()
    for y in range(height):
        for x in range(width):
            for c in range(3):
                state = (state * 1664525 + 1013904223) % 2**32
                noise = state >> 24
                if seed % 4 == 0:
                    ramp = abs((x * (3 + c) + y * (5 - c) + c * 85 + seed) % 510 - 255)
                    value = ramp * 7 // 8 + noise // 8
                elif seed % 4 == 1:
                    value = noise
                elif seed % 4 == 2:
                    value = ((x // 3 + y // 2) * 40 + (c * 60 if (x // 4 + seed) % 3 == 0 else 0)) % 256
                else:
                    value = 255 * ((x // 5 + y // 7 + c * (seed % 5)) % 2) ^ (noise // 16)
                data.append(value)
    return Image.frombytes("RGB", (width, height), bytes(data))


PHOTOS = {}
for file in sorted((OUT.parent / "photos").glob("*.rgb")):
    name, sides = file.stem.rsplit("-", 1)
    PHOTOS[name] = Image.frombytes("RGB", tuple(map(int, sides.split("x"))), file.read_bytes())


def photo(name, width, height, left, top):
    """The photo, continued by its mirror images in all directions, from (left, top) on."""
    small = PHOTOS[name]
    w, h = small.size
    tile = Image.new("RGB", (2 * w, 2 * h))
    mirrored = small.transpose(Image.FLIP_LEFT_RIGHT)
    for y, row in ((0, (small, mirrored)), (h, [p.transpose(Image.FLIP_TOP_BOTTOM) for p in (small, mirrored)])):
        for x, part in zip((0, w), row):
            tile.paste(part, (x, y))
    out = Image.new("RGB", (width, height))
    for y in range(-top, height, 2 * h):
        for x in range(-left, width, 2 * w):
            out.paste(tile, (x, y))
    return out


def every_colour():
    """All 2^24 colours as 4096 x 4096: red is the low byte of the pixel's number, blue the high one."""
    low = bytes(range(256)) * 65536
    data = bytearray(3 << 24)
    data[0::3] = low
    data[1::3] = b"".join(bytes([g]) * 256 for g in range(256)) * 256
    data[2::3] = b"".join(bytes([b]) * 65536 for b in range(256))
    return Image.frombytes("RGB", (4096, 4096), bytes(data))


def hue(image, delta):
    """torchvision's adjust_hue on a Pillow image, with the wrap of negative shifts made explicit."""
    h, s, v = image.convert("HSV").split()
    shift = math.trunc(255 * delta) % 256
    h = h.point([(i + shift) % 256 for i in range(256)])
    return Image.merge("HSV", (h, s, v)).convert("RGB")


def apply(image, op):
    name = op["op"]
    if name == "crop":
        box = (op["left"], op["top"], op["left"] + op["width"], op["top"] + op["height"])
        return image.crop(box)
    if name == "resize":
        return image.resize((op["width"], op["height"]), Image.BILINEAR)
    if name == "hflip":
        return image.transpose(Image.FLIP_LEFT_RIGHT)
    if name == "brightness":
        return ImageEnhance.Brightness(image).enhance(op["factor"])
    if name == "contrast":
        return ImageEnhance.Contrast(image).enhance(op["factor"])
    if name == "saturation":
        return ImageEnhance.Color(image).enhance(op["factor"])
    if name == "hue":
        return hue(image, op["delta"])
    if name == "grayscale":
        return image.convert("L").convert("RGB")
    if name == "blur":
        return image.filter(ImageFilter.GaussianBlur(op["sigma"]))
    if name == "solarize":
        return ImageOps.solarize(image, op["threshold"])
    raise ValueError(name)


def random_crop(rng, width, height):
    w, h = rng.randint(1, width), rng.randint(1, height)
    return {"op": "crop", "left": rng.randint(0, width - w), "top": rng.randint(0, height - h), "width": w, "height": h}


def random_op(rng, width, height):
    """Any operation, with wider ranges than training uses, and the special values of each."""
    name = rng.choice(
        ["crop", "resize", "hflip", "brightness", "contrast", "saturation", "hue", "grayscale", "blur", "solarize"]
    )
    if name == "crop":
        return random_crop(rng, width, height)
    if name == "resize":
        side = lambda n: rng.choice([n, rng.randint(1, 40), rng.randint(1, 2 * n + 1)])
        return {"op": name, "width": side(width), "height": side(height)}
    if name in ("brightness", "contrast", "saturation"):
        factor = rng.choice([0.0, 1.0, rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(1, 2), rng.uniform(1, 9)])
        return {"op": name, "factor": round(factor, 6)}
    if name == "hue":
        return {"op": name, "delta": round(rng.choice([0.0, 0.5, -0.5, rng.uniform(-0.5, 0.5), rng.uniform(-0.1, 0.1)]), 6)}
    if name == "blur":
        return {"op": name, "sigma": round(rng.choice([0.0, 1.0, rng.uniform(0.1, 2), rng.uniform(0.1, 2), rng.uniform(2, 40)]), 6)}
    if name == "solarize":
        return {"op": name, "threshold": rng.choice([0, 256, 128, rng.randint(1, 255)])}
    return {"op": name}


def training_ops(rng, width, height, size):
    """A view as training draws it, every step taken half of the time."""
    ops = [random_crop(rng, width, height), {"op": "resize", "width": size, "height": size}]
    jitter = [
        {"op": "brightness", "factor": round(rng.uniform(0.6, 1.4), 6)},
        {"op": "contrast", "factor": round(rng.uniform(0.6, 1.4), 6)},
        {"op": "saturation", "factor": round(rng.uniform(0.6, 1.4), 6)},
        {"op": "hue", "delta": round(rng.uniform(-0.1, 0.1), 6)},
    ]
    rng.shuffle(jitter)
    ops += jitter
    for op in (
        {"op": "grayscale"},
        {"op": "blur", "sigma": round(rng.uniform(0.1, 2), 6)},
        {"op": "hflip"},
        {"op": "solarize", "threshold": 128},
    ):
        if rng.random() < 0.5:
            ops.append(op)
    return ops


def chains():
    rng = random.Random(20220904)
    sizes = [(1, 1), (1, 9), (9, 1), (2, 2), (3, 100), (201, 2), (1, 300), (300, 1)]
    for i in range(300):
        if i < 120:
            width, height = rng.randint(2, 70), rng.randint(2, 70)
        elif i < 200:
            width, height = rng.choice(sizes)
        elif i < 280:
            width, height = rng.choice([(32, 32), (96, 64), (64, 97), (33, 31), (128, 20)])
        else:
            width, height = rng.choice([(500, 375), (375, 500), (400, 267), (640, 113)])
        seed = rng.randrange(1000)
        if i < 200:
            ops, w, h = [], width, height
            for _ in range(rng.randint(1, 6)):
                ops.append(random_op(rng, w, h))
                w, h = ops[-1].get("width", w), ops[-1].get("height", h)
        else:
            ops = training_ops(rng, width, height, rng.choice([32, 64]) if i < 280 else 224)
        image = image(seed, width, height)
        for op in ops:
            image = apply(image, op)
        crc = zlib.crc32(image.tobytes())
        yield {"seed": seed, "width": width, "height": height, "ops": ops, "crc32": crc}


def photo_chains():
    """Odd sizes, single rows and columns, enlarged specks, sides of 4000 pixels reduced, views as training draws them."""
    rng = random.Random(20221023)
    for i in range(340):
        if i < 110:
            width, height = 2 * rng.randint(1, 90) + 1, 2 * rng.randint(1, 90) + 1
        elif i < 170:
            width, height = 1, rng.choice([1, 2, rng.randint(3, 40), rng.randint(100, 900)])
            if i < 120:
                width = rng.randint(2, 5)
            if i % 2:
                width, height = height, width
        elif i < 230 or i >= 280:
            width, height = rng.choice([(500, 375), (375, 500), (333, 500), (500, 281), (97, 101)])
        else:
            width, height = rng.choice([(4000, 31), (29, 4001), (3999, 1), (1, 4000), (4000, 601), (4000, 3000)])
        name = rng.choice(list(PHOTOS))
        left, top = (rng.randrange(2 * side) for side in PHOTOS[name].size)
        ops, w, h = [], width, height
        if i >= 280:
            ops = training_ops(rng, width, height, rng.choice([224, 224, 96]))
        else:
            if 170 <= i < 230:
                w, h = rng.randint(1, 6), rng.randint(1, 6)
                place = {"left": rng.randint(0, width - w), "top": rng.randint(0, height - h)}
                ops.append({"op": "crop", **place, "width": w, "height": h})
            if i >= 170:
                w, h = rng.choice([(224, 224), (rng.randint(7, 300), rng.randint(7, 300))])
                ops.append({"op": "resize", "width": w, "height": h})
            for _ in range(rng.randint(1, 5)):
                ops.append(random_op(rng, w, h))
                w, h = ops[-1].get("width", w), ops[-1].get("height", h)
        image = photo(name, width, height, left, top)
        for op in ops:
            image = apply(image, op)
        data = image.tobytes()
        source = {"photo": name, "width": width, "height": height, "left": left, "top": top}
        yield {**source, "ops": ops, "crc32": zlib.crc32(data), "first": list(data[:3]), "last": list(data[-3:])}


def conversions(colours):
    hsv = Image.frombytes("HSV", colours.size, colours.tobytes())
    return {"rgb_to_hsv": zlib.crc32(colours.convert("HSV").tobytes()), "hsv_to_rgb": zlib.crc32(hsv.convert("RGB").tobytes())}


def colour_ops():
    for delta in (0.1, -0.037):
        yield {"op": "hue", "delta": delta}
    for factor in (0.7, 1.4):
        yield {"op": "saturation", "factor": factor}
    yield {"op": "grayscale"}


def main():
    colours = every_colour()
    lines = lambda rows: ",\n".join("    " + json.dumps(row) for row in rows)
    every = lines({"op": op, "crc32": zlib.crc32(apply(colours, op).tobytes())} for op in colour_ops())
    body = f'  "conversions": {json.dumps(conversions(colours))},\n  "every_colour": [\n{every}\n  ],\n'
    body += f'  "chains": [\n{lines(chains())}\n  ],\n  "photos": [\n{lines(photo_chains())}\n  ]\n}}\n'
    if "--check" in sys.argv:
        same = OUT.read_text().split("\n", 2)[2] == body
        print(f"Pillow {PIL.__version__}: {'the same' if same else 'DIFFERENT'}")
        sys.exit(not same)
    OUT.write_text(f'{{\n  "pillow": "{PIL.__version__}",\n{body}')


if __name__ == "__main__":
    main()
