#!/usr/bin/env python3
"""Writes cases.json: images with boxes, polygons and label maps, resized, cropped and flipped, which `geometry.rs` replays.

    VENV/bin/python crates/views/tests/detectron2/generate.py    # numpy, pillow >=9,<12

Pixels and label maps are Pillow's. Boxes and polygons go through numpy code that follows detectron2 0.6 (`ResizeShortestEdge`,
`RandomFlip`, `RandomCrop`, `transform_instance_annotations`, `filter_empty_instances`), written from its documented behaviour:
four corners of a box are moved and their bounds taken after every step, then clipped, then f32, then sides <= 1e-5 dropped.
"""

import json
import pathlib
import random
import zlib

import numpy as np
import PIL
from PIL import Image

OUT = pathlib.Path(__file__).with_name("cases.json")


def image(seed, width, height):
    """The same as `image` of `geometry.rs`."""
    state, data = (seed * 2654435761 + 12345) % 2**32, bytearray()
    for _ in range(width * height * 3):
        state = (state * 1664525 + 1013904223) % 2**32
        data.append(state >> 24)
    return Image.frombytes("RGB", (width, height), bytes(data))


def labels(seed, width, height):
    y, x = np.mgrid[:height, :width]
    return ((x * 7 + y * 13 + x * y + seed) % 256).astype(np.uint8)


def shortest_edge(w, h, size, longest):
    scale = size * 1.0 / min(h, w)
    newh, neww = (size, scale * w) if h < w else (scale * h, size)
    if max(newh, neww) > longest:
        scale = longest * 1.0 / max(newh, neww)
        newh, neww = newh * scale, neww * scale
    return int(neww + 0.5), int(newh + 0.5)


class Resize:
    def __init__(self, w, h, new_w, new_h):
        self.w, self.h, self.new_w, self.new_h = w, h, new_w, new_h

    def op(self):
        return {"op": "resize", "width": self.new_w, "height": self.new_h}

    def coords(self, c):
        c[:, 0] = c[:, 0] * (self.new_w * 1.0 / self.w)
        c[:, 1] = c[:, 1] * (self.new_h * 1.0 / self.h)
        return c

    def pixels(self, img):
        return img.resize((self.new_w, self.new_h), Image.BILINEAR)

    def labels(self, a):
        return np.asarray(Image.fromarray(a).resize((self.new_w, self.new_h), Image.NEAREST))


class Crop:
    def __init__(self, left, top, w, h):
        self.left, self.top, self.w, self.h = left, top, w, h

    def op(self):
        return {"op": "crop", "left": self.left, "top": self.top, "width": self.w, "height": self.h}

    def coords(self, c):
        c[:, 0] -= self.left
        c[:, 1] -= self.top
        return c

    def pixels(self, img):
        return img.crop((self.left, self.top, self.left + self.w, self.top + self.h))

    def labels(self, a):
        return a[self.top : self.top + self.h, self.left : self.left + self.w]


class Flip:
    def __init__(self, width):
        self.width = width

    def op(self):
        return {"op": "hflip"}

    def coords(self, c):
        c[:, 0] = self.width - c[:, 0]
        return c

    def pixels(self, img):
        return Image.fromarray(np.ascontiguousarray(np.asarray(img)[:, ::-1]))

    def labels(self, a):
        return a[:, ::-1]


def move_box(steps, box, w, h):
    for step in steps:
        corners = np.asarray([box], np.float64).reshape(-1, 4)[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 2)
        corners = step.coords(corners).reshape(-1, 4, 2)
        box = np.concatenate((corners.min(axis=1), corners.max(axis=1)), axis=1)[0]
    box = np.asarray(box, np.float64).clip(min=0)
    return np.minimum(box, [w, h, w, h])


def case(rng, seed, kind):
    w, h = rng.randint(1, 150), rng.randint(1, 150)
    longest = rng.choice([1333, 160, 90])
    short = rng.choice([20, 37, 64, 96, 128])
    steps, size = [], (w, h)
    new = tuple(max(1, side) for side in shortest_edge(w, h, short, longest))
    if new != size:
        steps.append(Resize(w, h, *new))
        size = new
    if kind == "segmentation":
        cw, ch = min(rng.randint(1, 80), size[0]), min(rng.randint(1, 80), size[1])
        top, left = rng.randint(0, size[1] - ch), rng.randint(0, size[0] - cw)
        steps.append(Crop(left, top, cw, ch))
        size = (cw, ch)
    if rng.random() < 0.5:
        steps.append(Flip(size[0]))
    img, map_ = image(seed, w, h), labels(seed, w, h)
    for step in steps:
        img, map_ = step.pixels(img), step.labels(map_)
    assert img.size == size and map_.shape == size[::-1]
    boxes, polygons = [], []
    for _ in range(6):
        x, y = rng.uniform(-10, w + 5), rng.uniform(-10, h + 5)
        side = rng.choice([0.0, 4e-6, 1.2e-5, 1.0, rng.uniform(0, w + h)])
        # Few digits, which every parser of JSON reads exactly.
        boxes.append([round(v, 7) for v in (x, y, x + side, y + rng.uniform(0.5, h + 1))])
        polygons.append([round(rng.uniform(-3, max(w, h) + 3), 4) for _ in range(6)])
    if seed % 3 == 0:
        boxes = [[float(round(v)) for v in box] for box in boxes]
    moved = np.stack([move_box(steps, box, *size) for box in boxes]).astype(np.float32)
    sides = moved[:, 2:] - moved[:, :2]
    keep = ((sides[:, 0] > 1e-5) & (sides[:, 1] > 1e-5)).tolist()
    moved_polygons = []
    for polygon in polygons:
        points = np.asarray(polygon).reshape(-1, 2)
        for step in steps:
            points = step.coords(points)
        moved_polygons.append([repr(value) for value in points.reshape(-1).tolist()])
    return {
        "seed": seed, "width": w, "height": h, "short": short, "longest": longest,
        "ops": [step.op() for step in steps],
        "pixels": zlib.crc32(img.tobytes()), "labels": zlib.crc32(np.ascontiguousarray(map_).tobytes()),
        "boxes": boxes, "moved": moved.tolist(), "keep": keep,
        "polygons": polygons, "moved_polygons": moved_polygons,
    }


def nearest(old, new):
    line = Image.fromarray((np.arange(old) % 251).astype(np.uint8)[None])
    return {"old": old, "new": new, "labels": zlib.crc32(line.resize((new, 1), Image.NEAREST).tobytes())}


def main():
    rng = random.Random(0)
    cases = [case(rng, seed, "segmentation" if seed % 4 == 0 else "detection") for seed in range(48)]
    # Widths with coordinates that are whole numbers, where the running sum decides.
    lines = [nearest(*pair) for pair in [(1024, 1536), (1024, 2048), (2048, 512), (480, 800), (7, 1000), (1000, 7), (3, 3)]]
    lines += [nearest(rng.randint(1, 3000), rng.randint(1, 3000)) for _ in range(48)]
    sizes = [[w, h, s, m, *shortest_edge(w, h, s, m)] for w, h, s, m in
             ((rng.randint(100, 3000), rng.randint(100, 3000), rng.choice(range(480, 801, 32)), 1333) for _ in range(200))]
    OUT.write_text(json.dumps({"pillow": PIL.__version__, "cases": cases, "lines": lines, "sizes": sizes}) + "\n")


main()
