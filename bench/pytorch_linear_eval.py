"""Images a second of `parallax linear-eval` and of PyTorch on the same CPU.

    venv/bin/pip install torch torchvision
    venv/bin/python bench/pytorch_linear_eval.py --parallax target/release/parallax [--rounds 5] [--epochs 2]

A linear classifier on the frozen features of a ResNet-18 with the `cifar` stem and random weights, on the embedded sample at 32
px, augmented (random resized crop, flip), batch 256. Both programs take turns; the figure is the best round of each: images of a
step over its time, waiting for views included, median over the steps. PyTorch has the decoded images in memory, augments them by
torchvision on Pillow's images in as many loader processes as are fastest, runs the backbone in inference mode and channels-last
where that is faster; a few steps of each find out, the rounds repeat the fastest.

Both use all cores.
"""

import argparse
import itertools
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.models import resnet18

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SAMPLE = pathlib.Path(__file__).parent.parent / "crates/data/sample"
BATCH = 256
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def network():
    """With running statistics that keep its activations in range."""
    torch.manual_seed(0)
    net = resnet18()
    net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    net.maxpool = nn.Identity()
    net.fc = nn.Identity()
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(16, 3, 32, 32))
    return net.eval()


class Sample(Dataset):
    def __init__(self):
        sprite = Image.open(SAMPLE / "train.webp").convert("RGB")
        self.labels = (SAMPLE / "train.labels").read_bytes()
        places = ((i % 40 * 32, i // 40 * 32) for i in range(len(self.labels)))
        self.images = [sprite.crop((x, y, x + 32, y + 32)) for x, y in places]
        crop = transforms.RandomResizedCrop(32)
        flip = transforms.RandomHorizontalFlip()
        self.views = transforms.Compose([crop, flip, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.views(self.images[index]), self.labels[index]


def ours(parallax, weights, epochs):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "run"
        command = [parallax, "linear-eval", "--device", "cpu", "--weights", weights, "--train", "sample", "--test", "sample"]
        command += ["--epochs", str(epochs), "--eval-every", "0", "--checkpoint-every", "0", "--preset", "large-norm-release"]
        subprocess.run([*command, "--out", out], check=True, capture_output=True)
        events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
        return statistics.median(event["images_per_second"] for event in events if event["event"] == "step")


def theirs(net, data, layout, workers, steps):
    net = net.to(memory_format=layout)
    classifier = nn.Linear(512, 10)
    sgd = torch.optim.SGD(classifier.parameters(), lr=0.2, momentum=0.9, nesterov=True)
    rates = []
    while len(rates) < steps:
        loader = DataLoader(data, BATCH, shuffle=True, drop_last=True, num_workers=workers)
        begin = time.perf_counter()
        for number, (views, labels) in enumerate(loader):
            with torch.no_grad():
                features = net(views.contiguous(memory_format=layout))
            loss = nn.functional.cross_entropy(classifier(features), labels)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            loss.item()
            if number > 0:  # the first waits for the processes
                rates.append(BATCH / (time.perf_counter() - begin))
            if len(rates) == steps:
                break
            begin = time.perf_counter()
    return statistics.median(rates)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parallax", default="target/release/parallax")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    net, data = network(), Sample()
    steps = arguments.epochs * (len(data) // BATCH - 1)
    settings = itertools.product(LAYOUTS, [0, 1, 2])
    chosen = max(settings, key=lambda setting: theirs(net, data, *setting, steps=3))
    best, rates = [], []
    with tempfile.TemporaryDirectory() as folder:
        weights = pathlib.Path(folder) / "r18.pth"
        torch.save(net.state_dict(), weights)
        for _ in range(arguments.rounds):
            rates.append(ours(arguments.parallax, weights, arguments.epochs))
            best.append(theirs(net, data, *chosen, steps=steps))
            print(f"<!-- {rates[-1]:.0f} and {best[-1]:.0f} images/s, PyTorch with {chosen} -->", flush=True)
    print("| network | Parallax, images/s | PyTorch, images/s | ratio |\n|---|---:|---:|---:|")
    print(f"| ResNet-18, `cifar` stem, 32 px | {max(rates):.0f} | {max(best):.0f} | {max(rates) / max(best):.2f} |")


if __name__ == "__main__":
    main()
