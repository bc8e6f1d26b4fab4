"""Images a second of Parallax's loader and of torchvision's DataLoader on Pillow, from the same JPEG files on the same cores.

    python3 -m venv venv && venv/bin/pip install torch torchvision pillow
    venv/bin/python bench/loader.py --parallax target/release/parallax [--images 2000] [--rounds 3] [--cores N]

The images are 500 x 375 pixels, JPEG of quality 90 with halved chroma, in an ImageFolder. Both read and decode them and make two views
of 224 px by the `moco-v2` policy, in batches of 256, with as many threads (workers) as cores. They take turns; the best round of each
counts. Reading comes from memory after the first round.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import tempfile
import time

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image, ImageFilter
from torch.utils.data import DataLoader
from torchvision import transforms as t
from torchvision.datasets import ImageFolder

BATCH = 256


def photos(folder, count):
    """Images with the spectrum of photos: noise of several scales, one octave above the other."""
    for number in range(count):
        rng = np.random.default_rng(number)
        pixels = np.full((375, 500, 3), 128.0)
        for scale, strength in [(3, 60), (8, 35), (24, 20), (64, 12), (160, 8), (375, 5)]:
            grid = rng.normal(0, strength, (scale, scale * 4 // 3, 3)).astype(np.float32)
            layer = [Image.fromarray(grid[..., c]).resize((500, 375), Image.BICUBIC) for c in range(3)]
            pixels += np.stack([np.asarray(channel) for channel in layer], -1)
        place = folder / f"class{number % 10}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(place / f"{number:06}.jpg", quality=90)


class Blur:
    def __call__(self, image):
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2)))


class TwoViews:
    def __init__(self):
        self.policy = t.Compose([
            t.RandomResizedCrop(224, (0.2, 1)),
            t.RandomApply([t.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
            t.RandomGrayscale(0.2),
            t.RandomApply([Blur()], 0.5),
            t.RandomHorizontalFlip(),
            t.ToTensor(),
            t.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ])

    def __call__(self, image):
        return self.policy(image), self.policy(image)


def theirs(folder, cores):
    """Images a second of all batches but the first, which waits for the workers to start."""
    loader = DataLoader(ImageFolder(folder, TwoViews()), BATCH, shuffle=True, num_workers=cores, drop_last=True, persistent_workers=False)
    images, begin = 0, None
    for (first, _), _ in loader:
        if begin is None:
            begin = time.perf_counter()
        else:
            images += len(first)
    return images / (time.perf_counter() - begin)


def ours(parallax, folder, cores):
    command = [parallax, "bench", "data", "moco-v2", "--data", folder, "--device", "cpu", "--steps", "0", "--json"]
    command += ["--threads", str(cores), "--milliseconds", "4000", "--set", f"run.batch_size={BATCH}"]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(run.stdout)["images_per_second"][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parallax", required=True)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=pathlib.Path, help="an ImageFolder to read instead of generated images")
    args = parser.parse_args()
    if args.images < 3 * BATCH and not args.folder:
        parser.error(f"--images must be at least {3 * BATCH}")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or pathlib.Path(scratch)
        if not args.folder:
            photos(folder, args.images)
        best = {}
        for _ in range(args.rounds):
            for name, rate in ours(args.parallax, folder, args.cores).items():
                best[name] = max(best.get(name, 0), rate)
            best["torchvision"] = max(best.get("torchvision", 0), theirs(folder, args.cores))
    print(f"{args.cores} cores, torchvision {torchvision.__version__}, Pillow {PIL.__version__}: images a second")
    for name in ["reading", "decoding", "views", "together", "torchvision"]:
        print(f"  {name:<12} {best[name]:8.0f}")
    print(f"  ratio        {best['together'] / best['torchvision']:8.2f}")


if __name__ == "__main__":
    main()
