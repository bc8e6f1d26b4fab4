#!/usr/bin/env python3
"""Writes the photos here: cut-outs of those that scikit-image ships, halved, as raw RGB bytes, row by row.

    python3 -m venv VENV && VENV/bin/pip install scikit-image 'pillow<12'
    VENV/bin/python crates/views/tests/pillow/photos/cut.py
"""

import pathlib

import skimage.data
from PIL import Image

HERE = pathlib.Path(__file__).parent
# Name, box in the halved photo.
CUTS = [
    ("coffee", skimage.data.coffee, (95, 55, 196, 130)),
    ("cat", skimage.data.cat, (40, 22, 123, 119)),
    ("rocket", skimage.data.rocket, (125, 60, 186, 173)),
    ("astronaut", skimage.data.astronaut, (66, 5, 157, 70)),
]

for name, load, box in CUTS:
    photo = Image.fromarray(load()).convert("RGB").reduce(2).crop(box)
    (HERE / f"{name}-{photo.width}x{photo.height}.rgb").write_bytes(photo.tobytes())
