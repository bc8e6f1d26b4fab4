#!/usr/bin/env python3
"""Writes N.png, an image of 3 x 2 pixels whose EXIF orientation is N, and N.rgb, the pixels that Pillow's exif_transpose gives.

    VENV/bin/python crates/data/tests/images/turned/make.py    # pillow
"""

import pathlib

from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent
for orientation in range(1, 9):
    image = Image.frombytes("RGB", (3, 2), bytes(range(10, 190, 10)))
    exif = Image.Exif()
    exif[274] = orientation
    image.save(HERE / f"{orientation}.png", exif=exif)
    turned = ImageOps.exif_transpose(Image.open(HERE / f"{orientation}.png"))
    (HERE / f"{orientation}.rgb").write_bytes(turned.tobytes())
