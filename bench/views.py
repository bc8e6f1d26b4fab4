"""Views a second of Parallax, torchvision on Pillow and albumentations, from the same photo in the same run.

    python3 -m venv venv && venv/bin/pip install torch torchvision 'pillow<12' 'albumentationsx[headless]'
    venv/bin/python bench/views.py --parallax target/release/parallax [--input PHOTO] [--seconds 2]

One core, from the decoded photo to the normalised view of 224 px by the `moco-v2` policy. Without --input the photo is noise of
500 x 375; the cost of a view does not depend on the content. The three alternate. Each makes the same forty views repeatedly, and the
minimum time of each view counts, to suppress noise from other processes: elapsed time for Parallax, CPU time for the others, whose
views take too long to be undisturbed on a busy machine. Libraries that are not installed are skipped.
"""

import argparse
import json
import pathlib
import random
import subprocess
import tempfile
import time

import numpy
import PIL
import torch
from PIL import Image, ImageFilter

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ROUNDS, VIEWS = 5, 40


class Blur:
    """Pillow's blur, as the reference pipelines use it."""

    def __call__(self, image):
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2)))


def torchvision_views(photo):
    from torchvision import __version__, transforms as t

    torch.set_num_threads(1)
    policy = t.Compose([
        t.RandomResizedCrop(224, (0.2, 1)),
        t.RandomApply([t.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
        t.RandomGrayscale(0.2),
        t.RandomApply([Blur()], 0.5),
        t.RandomHorizontalFlip(),
        t.ToTensor(),
        t.Normalize(MEAN, STD),
    ])
    return f"torchvision {__version__} on Pillow {PIL.__version__}", lambda: policy(photo), lambda: (random.seed(0), torch.manual_seed(0))


def albumentations_views(photo):
    import albumentations as a
    import cv2

    cv2.setNumThreads(1)
    policy = a.Compose([
        a.RandomResizedCrop((224, 224), scale=(0.2, 1)),
        a.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1), p=0.8),
        a.ToGray(p=0.2),
        a.GaussianBlur(sigma_range=(0.1, 2), p=0.5),
        a.HorizontalFlip(p=0.5),
        a.Normalize(MEAN, STD),
    ])
    pixels = numpy.asarray(photo)
    return f"albumentations {a.__version__}", lambda: policy(image=pixels)["image"], lambda: policy.set_random_seed(0)


def measure(view, seed, seconds, fastest):
    """Updates the minimum time of each view."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        seed()
        for number in range(VIEWS):
            begin = time.thread_time()
            view()
            fastest[number] = min(fastest[number], time.thread_time() - begin)


def parallax(binary, file, seconds):
    command = [binary, "bench", "views", "--json", "--input", file, "--milliseconds", str(int(1000 * seconds))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    rates = {row["pipeline"]: row["one_core"] for row in json.loads(done.stdout)["pipelines"]}
    return rates["moco-v2"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parallax", default="target/release/parallax")
    parser.add_argument("--input", help="a photo")
    parser.add_argument("--seconds", type=float, default=2, help="for each library and round")
    arguments = parser.parse_args()
    if arguments.input:
        photo = Image.open(arguments.input).convert("RGB")
    else:
        photo = Image.effect_noise((500, 375), 90).convert("RGB")
    views = []
    for load in (torchvision_views, albumentations_views):
        try:
            views.append(load(photo))
        except ImportError as error:
            print(f"skipped: {error}".splitlines()[0])
    fastest = {name: [float("inf")] * VIEWS for name, *_ in views}
    ours = 0
    with tempfile.TemporaryDirectory() as folder:
        file = str(pathlib.Path(folder) / "photo.png")
        photo.save(file)
        for _ in range(ROUNDS):
            ours = max(ours, parallax(arguments.parallax, file, arguments.seconds))
            for name, view, seed in views:
                measure(view, seed, arguments.seconds, fastest[name])
    print(f"moco-v2 at 224 px of a photo of {photo.width} x {photo.height}, views a second on one core")
    print(f"{'Parallax':<36} {ours:>8.0f}")
    for name, times in fastest.items():
        found = VIEWS / sum(times)
        print(f"{name:<36} {found:>8.0f}   Parallax is {ours / found:.1f} times as fast")


if __name__ == "__main__":
    main()
