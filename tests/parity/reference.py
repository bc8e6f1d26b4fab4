"""The siamese methods once more, in PyTorch, from methods.md and nothing else: what Parallax is compared with.

Needs torch (any recent version, CPU):  python -m venv venv && venv/bin/pip install torch safetensors
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

BLOCKS = {"tiny": [1, 1, 1], "resnet18": [2, 2, 2, 2], "resnet34": [3, 4, 6, 3]}


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A backbone and its head; `heads` is 1 for a projector, 2 for projector and predictor."""

    def __init__(self, arch, stem, width, heads, hidden, out):
        super().__init__()
        kernel, stride = {"cifar": (3, 1), "small": (3, 2), "imagenet": (7, 2)}[stem]
        self.conv1 = nn.Conv2d(3, width, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool = nn.Identity() if stem == "cifar" else nn.MaxPool2d(3, 2, 1)
        self.stages = []
        inputs = width
        for number, count in enumerate(BLOCKS[arch]):
            outputs = width << number
            blocks = []
            for block in range(count):
                blocks.append(BasicBlock(inputs, outputs, 2 if block == 0 and number > 0 else 1))
                inputs = outputs
            setattr(self, f"layer{number + 1}", nn.Sequential(*blocks))
            self.stages.append(f"layer{number + 1}")
        layers = []
        for width_in in [inputs, out][:heads]:
            layers += [nn.Linear(width_in, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, out)]
        self.fc = nn.Sequential(*layers)

    def features(self, x):
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        for stage in self.stages:
            x = getattr(self, stage)(x)
        return x.mean(dim=(2, 3))

    def forward(self, x):
        return self.fc(self.features(x))


def normalize(x):
    return x / x.norm(dim=1, keepdim=True).clamp_min(1e-12)


def byol_loss(online, target, x1, x2, **_):
    with torch.no_grad():
        z1, z2 = normalize(target(x1)), normalize(target(x2))
    p1, p2 = normalize(online(x1)), normalize(online(x2))
    loss = (2 - 2 * (p1 * z2).sum(1)).mean() + (2 - 2 * (p2 * z1).sum(1)).mean()
    return loss, z1, z2


def moco_v2_plus_loss(online, target, x1, x2, queue, temperature, **_):
    with torch.no_grad():
        b1, b2 = normalize(target(x1)), normalize(target(x2))
    a1, a2 = normalize(online(x1)), normalize(online(x2))

    def info_nce(q, k):
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], 1) / temperature
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))

    return info_nce(a1, b2) + info_nce(a2, b1), b1, b2


LOSSES = {"byol": byol_loss, "moco-v2-plus": moco_v2_plus_loss}


def build(arch, stem, width, hidden, out):
    online = ResNet(arch, stem, width, 2, hidden, out)
    target = ResNet(arch, stem, width, 1, hidden, out)
    target.load_state_dict(online.state_dict(), strict=False)
    for parameter in target.parameters():
        parameter.requires_grad_(False)
    return online, target


@torch.no_grad()
def update_target(online, target, momentum):
    """Parameters only, in order, the predictor left out; buffers stay the target's own."""
    for theirs, ours in zip(target.parameters(), online.parameters()):
        theirs.mul_(momentum).add_(ours, alpha=1 - momentum)


def pictures(phase, shape):
    """The formula of the parity cases, in f64 and rounded to f32."""
    count = math.prod(shape)
    values = [math.sin(0.37 * i + phase) + math.sin(0.011 * (i % 977) * (i % 977)) for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).float().reshape(shape)
