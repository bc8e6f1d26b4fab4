#!/usr/bin/env python3
"""Makes the embedded sample from the whole of CIFAR-10.

    parallax data fetch cifar10
    python3 make.py CACHE/cifar10

CACHE is the cache folder that `parallax data fetch` names. Needs Pillow (made with 13.0), nothing else.
The images are the first 200 of each class of the training set and the first 50 of each class of the test set, kept
in the order of the data set, so the classes stay mixed. Sorting the test images by class, brightness or likeness was tried:
it changes the size by less than half a percent.
"""
import sys
from pathlib import Path

from PIL import Image

SIDE = 32
PLANE = SIDE * SIDE
RECORD = 1 + 3 * PLANE


def choose(records, per_class):
    seen = [0] * 10
    for record in records:
        if seen[record[0]] < per_class:
            seen[record[0]] += 1
            yield record


def image(record):
    planes = [record[1 + c * PLANE : 1 + (c + 1) * PLANE] for c in range(3)]
    return Image.merge("RGB", [Image.frombytes("L", (SIDE, SIDE), plane) for plane in planes])


def make(source, name, per_class, columns):
    data = (source / f"{name}.bin").read_bytes()
    chosen = list(choose((data[i : i + RECORD] for i in range(0, len(data), RECORD)), per_class))
    rows = -(-len(chosen) // columns)
    sprite = Image.new("RGB", (columns * SIDE, rows * SIDE))
    for i, record in enumerate(chosen):
        sprite.paste(image(record), (i % columns * SIDE, i // columns * SIDE))
    here = Path(__file__).parent
    # `exact` keeps every colour value; quality is the effort when lossless.
    sprite.save(here / f"{name}.webp", lossless=True, quality=100, method=6, exact=True)
    (here / f"{name}.labels").write_bytes(bytes(record[0] for record in chosen))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    make(folder, "train", 200, 40)
    make(folder, "test", 50, 25)
