"""Images a second of `parallax features` and of PyTorch on the same CPU.

    venv/bin/pip install torch torchvision
    venv/bin/python bench/pytorch_features.py --parallax target/release/parallax [--rounds 5]

Two cases with random weights: ResNet-18 with the `cifar` stem on the 500 test images of the embedded sample (32 px), and ResNet-50 on JPEG photos of 500 x
375 pixels, which both decode, resize and crop to 224 px. Both programs take turns; the figure is the best round of each.
PyTorch runs in inference mode with every combination of batch size and memory layout given below, in the first round; later rounds
repeat the fastest. Of the small images PyTorch is given the decoded pixels in one tensor, and only normalises them. Features of both
are compared.

Both use all cores.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18, resnet50

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def network(small):
    """A network with running statistics that keep its activations in range."""
    torch.manual_seed(0)
    net = resnet18() if small else resnet50()
    if small:
        net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        net.maxpool = nn.Identity()
    net.fc = nn.Identity()
    side = 32 if small else 224
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(16, 3, side, side))
    return net.eval()


def photos(folder, count):
    """Smooth random images as JPEG files."""
    random = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"{number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = random.integers(0, 256, (24, 32, 3), np.uint8)
        image = Image.fromarray(coarse).resize((500, 375), Image.BICUBIC)
        noise = random.normal(0, 6, (375, 500, 3))
        noisy = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(place / f"{number:04}.jpg", quality=90)


def ours(parallax, weights, data, out):
    command = [parallax, "features", "--device", "cpu", "--json"]
    command += ["--weights", weights, "--data", data, "--split", "test", "--out", out]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(run.stdout)["images_per_second"]


@torch.inference_mode()
def theirs_small(net, pixels, batch, layout):
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    net, begin, rows = net.to(memory_format=layout), time.perf_counter(), []
    for part in pixels.split(batch):
        views = ((part / 255 - mean) / std).contiguous(memory_format=layout)
        rows.append(net(views))
    return len(pixels) / (time.perf_counter() - begin), torch.cat(rows)


@torch.inference_mode()
def theirs_large(net, folder, batch, layout, workers):
    steps = [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    data = ImageFolder(folder, transforms.Compose(steps))
    net, begin, rows = net.to(memory_format=layout), time.perf_counter(), []
    for views, _ in DataLoader(data, batch, num_workers=workers):
        rows.append(net(views.contiguous(memory_format=layout)))
    return len(data) / (time.perf_counter() - begin), torch.cat(rows)


def compare(name, rounds, ours, theirs, settings):
    """`theirs` takes a setting and returns rate and features; `ours` returns the rate."""
    rates, theirs_rates, chosen = [], [], settings
    for _ in range(rounds):
        rates.append(ours())
        found = {setting: theirs(*setting)[0] for setting in chosen}
        theirs_rates.append(max(found.values()))
        chosen = [max(found, key=found.get)]
    ratios = sorted(a / b for a, b in zip(rates, theirs_rates))
    print(f"| {name} | {max(rates):.1f} | {max(theirs_rates):.1f} | {max(rates) / max(theirs_rates):.2f} "
          f"| {ratios[0]:.2f} to {ratios[-1]:.2f} |", flush=True)
    print(f"<!-- PyTorch: {chosen[0]} -->", flush=True)


def agree(out, rows, what):
    found = load_file(out)["features"]
    error = ((found - rows).abs().max() / rows.abs().max()).item()
    print(f"<!-- {what}: features differ by {error:.1e} of the largest -->", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parallax", default="target/release/parallax")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--only", choices=["small", "large"])
    arguments = parser.parse_args()
    print("| network and images | Parallax, images/s | PyTorch, images/s | ratio | over rounds |\n|---|---:|---:|---:|---|")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if arguments.only != "large":
            net, weights, out = network(True), folder / "small.pth", folder / "small.safetensors"
            torch.save(net.state_dict(), weights)
            pixels = torch.randint(0, 256, (500, 3, 32, 32), dtype=torch.uint8)
            compare("ResNet-18, `cifar` stem, 32 px", arguments.rounds,
                    lambda: ours(arguments.parallax, weights, "sample", out),
                    lambda batch, layout: theirs_small(net, pixels, batch, layout),
                    list(itertools.product([50, 250], LAYOUTS)))
        if arguments.only != "small":
            net, weights, out = network(False), folder / "large.pth", folder / "large.safetensors"
            torch.save(net.state_dict(), weights)
            photos(folder / "photos", arguments.photos)
            compare("ResNet-50, 224 px, JPEG", arguments.rounds,
                    lambda: ours(arguments.parallax, weights, folder / "photos", out),
                    lambda *setting: theirs_large(net, folder / "photos", *setting),
                    list(itertools.product([16], LAYOUTS, [0, 2])))
            agree(out, theirs_large(net, folder / "photos", 16, LAYOUTS[0], 0)[1], "ResNet-50")


if __name__ == "__main__":
    main()
