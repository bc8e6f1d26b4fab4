"""Seconds of a detector's training step and of the search of an image, and peak memory, by `parallax bench detect` and by PyTorch on the same CPU.

    venv/bin/pip install torch torchvision pycocotools
    venv/bin/python bench/pytorch_detect.py --parallax target/release/parallax [--rounds 2] [--steps 3] [--roi-batch 512]

Faster R-CNN C4 with ResNet-50, two images of 480 x 640, five objects each, random weights. PyTorch computes the same by the
reference of the parity tests (`tests/parity/transfer/reference.py`): torch.nn.functional, torchvision.ops. Both programs take
turns and use all cores; the figure is the best round's median.
"""

import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests/parity/transfer"))
import inputs
from reference import Config, Model, Training, shapes

HEIGHT, WIDTH = 480, 640


def pytorch(config, steps):
    model = Model(config, inputs.weights(shapes(config), 0))
    training = Training(model)
    generator = torch.Generator().manual_seed(0)
    boxes = torch.tensor([[at / 8 * WIDTH, at / 8 * HEIGHT, (at + 3) / 8 * WIDTH, (at + 3) / 8 * HEIGHT] for at in range(5)])
    images = [inputs.image(generator, HEIGHT, WIDTH) for _ in range(2)]
    batch = dict(images=images, boxes=[boxes] * 2, classes=[torch.arange(5)] * 2, polygons=[None] * 2)
    seconds = []
    for _ in range(steps + 1):
        begin = time.perf_counter()
        training.take(batch)
        seconds.append(time.perf_counter() - begin)
    step = statistics.median(seconds[1:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    seconds = []
    for _ in range(steps + 1):
        begin = time.perf_counter()
        model.detect(images[0], (HEIGHT, WIDTH))
        seconds.append(time.perf_counter() - begin)
    return step, statistics.median(seconds[1:]), peak


def parallax(program, roi_batch, steps):
    command = [program, "bench", "detect", "--json", "--steps", str(steps), "--set", "run.batch_size=2", "--set", f"detector.roi_batch={roi_batch}"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found["step_seconds"], found["image_seconds"], found["peak_bytes"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--parallax", required=True)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--roi-batch", type=int, default=512)
    a = parser.parse_args()
    ours, theirs = [], []
    for number in range(a.rounds):
        ours.append(parallax(a.parallax, a.roi_batch, a.steps))
        theirs.append(pytorch(Config("voc-c4", roi_batch=a.roi_batch), a.steps))
        print(f"round {number + 1}: Parallax {ours[-1]}, PyTorch {theirs[-1]}", flush=True)
    for name, at in (("training step", 0), ("search of an image", 1)):
        own, other = (min(pair[at] for pair in pairs) for pairs in (ours, theirs))
        print(f"{name}: Parallax {own:.2f} s, PyTorch {other:.2f} s, {own / other:.2f} of PyTorch's time")
    own, other = (pairs[0][2] / 2**20 for pairs in (ours, theirs))
    print(f"peak memory of training: Parallax {own:.0f} MiB, PyTorch {other:.0f} MiB")
