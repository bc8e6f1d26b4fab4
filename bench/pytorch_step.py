"""Times training steps of Parallax and of PyTorch on the same CPU or GPU.

    python -m venv venv && venv/bin/pip install torch
    venv/bin/python bench/pytorch_step.py --parallax target/release/parallax --step --width 64 --batch 32
    venv/bin/python bench/pytorch_step.py --parallax target/release/parallax [--method byol] [--steps 40]

With --step: forward pass, cross-entropy, backward pass and momentum SGD of a ResNet-18 with the `cifar` stem on a fixed batch.
`parallax bench step` and PyTorch alternate for ROUNDS rounds; the figure is the median of the rounds' medians. PyTorch gets the
fastest of two memory layouts and two SGD implementations. `--device vulkan --torch-device cuda` compares on a GPU.

Without --step: the step of a recipe. `parallax pretrain` runs the demo recipe, augmentation included and without the final table;
then PyTorch runs the same number of steps of the same network, batch and method on random images, without augmentation. Prints
images a second of both and their ratio; medians over the steps.

Both use all cores.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import tempfile
import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize, relu

ROUNDS = 5
BLOCKS = {"tiny": [1, 1, 1], "resnet18": [2, 2, 2, 2], "resnet34": [3, 4, 6, 3]}
STEMS = {"cifar": (3, 1), "small": (3, 2), "imagenet": (7, 2)}


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        return relu(y + self.downsample(x))


def mlp(inputs, hidden, out):
    return [nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, out)]


def backbone(arch, stem, width):
    """Images to pooled features, and how many those are."""
    kernel, stride = STEMS[stem]
    layers = [nn.Conv2d(3, width, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    if stem != "cifar":
        layers.append(nn.MaxPool2d(3, 2, 1))
    inputs = width
    for number, count in enumerate(BLOCKS[arch]):
        for block in range(count):
            layers.append(Block(inputs, width << number, 2 if block == 0 and number > 0 else 1))
            inputs = width << number
    return [*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()], inputs


def networks(arch, stem, width, hidden, out):
    """Online and target network, built from PyTorch's own modules."""

    def network(predictor):
        layers, features = backbone(arch, stem, width)
        layers += mlp(features, hidden, out)
        return nn.Sequential(*layers, *(mlp(out, hidden, out) if predictor else []))

    return network(True), network(False).requires_grad_(False)


class Supervised:
    """The network, loss and update of `parallax bench step`."""

    def __init__(self, width, batch, size, layout, device, tf32, **sgd):
        torch.manual_seed(0)
        self.tf32 = tf32
        layers, features = backbone("resnet18", "cifar", width)
        self.network = nn.Sequential(*layers, nn.Linear(features, 10)).to(device, memory_format=layout)
        self.images = torch.randn(batch, 3, size, size).to(device, memory_format=layout)
        self.labels = torch.arange(batch, device=device) % 10
        self.sgd = torch.optim.SGD(self.network.parameters(), lr=0.01, momentum=0.9, **sgd)

    def seconds(self, steps):
        """The median time of `steps` steps after two to warm up. Reading the loss synchronises with the device."""
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = self.tf32
        times = []
        for _ in range(steps + 2):
            begin = time.perf_counter()
            loss = cross_entropy(self.network(self.images), self.labels)
            self.sgd.zero_grad()
            loss.backward()
            self.sgd.step()
            loss.item()
            times.append(time.perf_counter() - begin)
        return statistics.median(times[2:])


def fastest(device, tf32, width, batch, size, steps):
    """PyTorch's fastest variant of the step, and its name."""
    ways = itertools.product(
        [("contiguous", torch.contiguous_format), ("channels last", torch.channels_last)],
        [("foreach", {"foreach": True}), ("fused", {"fused": True})],
    )
    trials = []
    for (layout, form), (name, sgd) in ways:
        training = Supervised(width, batch, size, form, device, tf32, **sgd)
        trials.append((training.seconds(max(steps // 2, 3)), f"{layout}, {name} SGD", training))
    _, way, training = min(trials, key=lambda trial: trial[0])
    return training, f"{'TF32' if tf32 else 'f32'}, {way}"


def compare_steps(binary, device, torch_device, width, batch, size, steps):
    # On CUDA TF32, 10 bits of mantissa, is PyTorch's default for convolutions.
    kinds = [False, True] if torch_device == "cuda" else [False]
    others = [fastest(torch_device, tf32, width, batch, size, steps) for tf32 in kinds]
    values = {"width": width, "batch": batch, "size": size, "steps": steps}
    command = [binary, "bench", "step", "--device", device, "--json"]
    command += [text for key, value in values.items() for text in (f"--{key}", str(value))]
    ours, theirs = [], [[] for _ in others]
    for _ in range(ROUNDS):
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        ours.append(json.loads(done.stdout)["report"]["step"])
        for times, (training, _) in zip(theirs, others):
            times.append(training.seconds(steps))

    def line(name, times):
        median, least, most = (1e3 * figure for figure in (statistics.median(times), min(times), max(times)))
        print(f"{name}: {median:.1f} ms ({least:.1f} to {most:.1f})")

    print(f"ResNet-18 of width {width} at {size} px, batch {batch}: forward, backward, SGD")
    line(f"parallax {device}", ours)
    where = torch.cuda.get_device_name() if torch_device == "cuda" else f"{torch.get_num_threads()} threads"
    for times, (_, way) in zip(theirs, others):
        line(f"PyTorch {torch.__version__}, {where}, {way}", times)
        ratios = sorted(a / b for a, b in zip(ours, times))
        whole = statistics.median(ours) / statistics.median(times)
        print(f"  Parallax takes {whole:.2f} of PyTorch's time a step ({ratios[0]:.2f} to {ratios[-1]:.2f} a round)")


def byol(online, target, x1, x2, _):
    with torch.no_grad():
        z1, z2 = normalize(target(x1)), normalize(target(x2))
    p1, p2 = normalize(online(x1)), normalize(online(x2))
    return (2 - 2 * (p1 * z2).sum(1)).mean() + (2 - 2 * (p2 * z1).sum(1)).mean()


def moco_v2_plus(online, target, x1, x2, queue):
    with torch.no_grad():
        b1, b2 = normalize(target(x1)), normalize(target(x2))

    def info_nce(q, k):
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], 1) / 0.2
        return cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))

    return info_nce(normalize(online(x1)), b2) + info_nce(normalize(online(x2)), b1)


LOSSES = {"byol": byol, "moco-v2-plus": moco_v2_plus}


def pytorch(method, arch, stem, width, hidden, out, batch, size, steps):
    torch.manual_seed(0)
    online, target = networks(arch, stem, width, hidden, out)
    sgd = torch.optim.SGD(online.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    queue = normalize(torch.randn(1024, out))
    x1, x2 = torch.randn(2, batch, 3, size, size)
    seconds = []
    for _ in range(steps):
        begin = time.perf_counter()
        loss = LOSSES[method](online, target, x1, x2, queue)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        with torch.no_grad():
            for theirs, ours in zip(target.parameters(), online.parameters()):
                theirs.lerp_(ours, 0.01)
        loss.item()
        seconds.append(time.perf_counter() - begin)
    return batch / statistics.median(seconds[2:])


def parallax(binary, device, method, arch, stem, width, hidden, out, batch, size, steps):
    values = {
        "method.name": method, "model.arch": arch, "model.stem": stem, "model.width": width,
        "method.hidden": hidden, "method.out": out, "method.queue": 1024, "run.batch_size": batch,
        "views.size": size, "run.total_steps": steps, "probe.table": "false", "probe.knn_every": 0,
    }
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "pretrain", "demo", "--device", device, "--json", "--out", f"{folder}/run"]
        for key, value in values.items():
            command += ["--set", f"{key}={value}"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    rates = [event["images_per_second"] for event in events if event["event"] == "step"]
    waits = [event["data_wait"] for event in events if event["event"] == "step"]
    return statistics.median(rates[2:]), statistics.median(waits[2:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parallax", default="target/release/parallax")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--torch-device", default="cpu", choices=["cpu", "cuda"], help="with --step")
    parser.add_argument("--method", default="byol", choices=sorted(LOSSES))
    parser.add_argument("--arch", default="tiny")
    parser.add_argument("--stem", default="small")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--out", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--step", action="store_true", help="a supervised step alone, without views")
    arguments = vars(parser.parse_args())
    binary, device = arguments.pop("parallax"), arguments.pop("device")
    torch.set_num_threads(os.cpu_count())
    torch_device = arguments.pop("torch_device")
    if arguments.pop("step"):
        names = ("width", "batch", "size", "steps")
        return compare_steps(binary, device, torch_device, **{name: arguments[name] for name in names})
    ours, wait = parallax(binary, device, **arguments)
    theirs = pytorch(**arguments)
    print(f"parallax {device}: {ours:.0f} images/s, views included, {100 * wait:.1f} % of a step waits for data")
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads: {theirs:.0f} images/s, without views")
    print(f"Parallax takes {theirs / ours:.2f} of PyTorch's time a step")


if __name__ == "__main__":
    main()
