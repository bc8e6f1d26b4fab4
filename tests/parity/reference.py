"""The paper's methods in PyTorch, written from docs/methods.md alone: the reference that Parallax is compared with.

    python -m venv venv && venv/bin/pip install torch
    venv/bin/python tests/parity/reference.py          writes tests/parity/cases/*.json

Each case is a hundred steps of a small network in f64. Weights, queue and batches come from the function `noise`, which Parallax
has as well, so a case holds results only: every loss, and after steps 1, 10 and 100 the norm of each gradient, parameter and
running statistic, and a digest of the queue.
"""

import copy
import json
import math
import pathlib
import re

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 5
SNAPSHOTS = (1, 10, 100)
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


# Inputs that are the same in every language.

MASK = 0xFFFFFFFF


def mix(stream, index):
    """32 hashed bits of an integer or of a tensor of integers (products wrap around below 2^64)."""
    x = (index * 0x9E3779B1 + stream * 0x85EBCA77 + 0x165667B1) & MASK
    x ^= x >> 15
    x = (x * 0x2C1B3C6D) & MASK
    x ^= x >> 12
    x = (x * 0x297A2D39) & MASK
    return x ^ (x >> 15)


def noise(stream, count, scale, offset=0.0):
    """Uniform in offset + scale * [-1/2, 1/2), computed in f64, rounded to f32, kept in f64."""
    bits = mix(stream, torch.arange(count))
    return (offset + scale * (bits.double() / 4294967296 - 0.5)).float().double()


# Networks.


class Norm(nn.Module):
    """Batch norm with its running statistics by hand. `remember`: 'unbiased', 'biased' or None."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.remember = "unbiased"

    def forward(self, x):
        y = F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, 1e-5)
        if self.remember:
            axes = [axis for axis in range(x.dim()) if axis != 1]
            with torch.no_grad():
                mean = x.mean(axes)
                variance = x.var(axes, unbiased=self.remember == "unbiased")
                self.running_mean.mul_(0.9).add_(mean, alpha=0.1)
                self.running_var.mul_(0.9).add_(variance, alpha=0.1)
        return y


def conv(inputs, outputs, kernel, stride):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class Block(nn.Module):
    def __init__(self, inputs, width, stride, bottleneck):
        super().__init__()
        outputs = 4 * width if bottleneck else width
        if bottleneck:
            layers = [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]
        else:
            layers = [(inputs, width, 3, stride), (width, width, 3, 1)]
        self.count = len(layers)
        for number, layer in enumerate(layers, 1):
            setattr(self, f"conv{number}", conv(*layer))
            setattr(self, f"bn{number}", Norm(layer[1]))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride), Norm(outputs))

    def forward(self, x):
        y = x
        for number in range(1, self.count + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            if number < self.count:
                y = F.relu(y)
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


ARCHS = {
    "tiny": ([1, 1, 1], False),
    "resnet18": ([2, 2, 2, 2], False),
    "resnet34": ([3, 4, 6, 3], False),
    "resnet50": ([3, 4, 6, 3], True),
}


def head(kind, features, hidden, out):
    def mlp(inputs, bias):
        return [nn.Linear(inputs, hidden), Norm(hidden), nn.ReLU(), nn.Linear(hidden, out, bias=bias)]

    layers = {
        "cls": lambda: [nn.Linear(features, out)],
        "moco": lambda: [nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, out)],
        "projector": lambda: mlp(features, True),
        "predictor": lambda: mlp(features, True) + mlp(out, True),
        "mcv2p": lambda: mlp(features, False) + mlp(out, False),
    }
    return nn.Sequential(*layers[kind]())


class ResNet(nn.Module):
    def __init__(self, arch, stem, width, kind, hidden, out):
        super().__init__()
        blocks, bottleneck = ARCHS[arch]
        kernel, stride = {"cifar": (3, 1), "small": (3, 2), "imagenet": (7, 2)}[stem]
        self.conv1 = conv(3, width, kernel, stride)
        self.bn1 = Norm(width)
        self.pool = nn.Identity() if stem == "cifar" else nn.MaxPool2d(3, 2, 1)
        self.stages = len(blocks)
        inputs = width
        for number, count in enumerate(blocks):
            stage = []
            for block in range(count):
                stage.append(Block(inputs, width << number, 2 if block == 0 and number > 0 else 1, bottleneck))
                inputs = (width << number) * (4 if bottleneck else 1)
            setattr(self, f"layer{number + 1}", nn.Sequential(*stage))
        self.fc = head(kind, inputs, hidden, out)
        self.features = inputs

    def forward(self, x):
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        for number in range(self.stages):
            x = getattr(self, f"layer{number + 1}")(x)
        features = x.mean(dim=(2, 3))
        return features, self.fc(features)


@torch.no_grad()
def fill(network):
    """The cases' weights, from each parameter's index."""
    for number, (name, p) in enumerate(network.named_parameters()):
        count = p.numel()
        if p.dim() == 4:
            value = noise(100 + number, count, math.sqrt(24 / (p.shape[0] * p.shape[2] * p.shape[3])))
        elif p.dim() == 2:
            value = noise(100 + number, count, 2 / math.sqrt(p.shape[1]))
        elif name.endswith(".weight"):
            value = noise(100 + number, count, 0.4, 1.0)
        else:
            value = noise(100 + number, count, 0.2)
        p.copy_(value.reshape(p.shape))


def initial_queue(keys, out):
    """L2-normalised rows; summed sequentially, so that rounding to f32 is the same everywhere."""
    rows = noise(1, keys * out, 1.0).reshape(keys, out)
    square = torch.zeros(keys)
    for column in rows.T:
        square += column * column
    return (rows / square.sqrt()[:, None]).float().double()


# Methods.


def run_in_groups(network, x, groups, remember):
    """A forward pass for each BN group; the running statistics are the first group's."""
    features, outs = [], []
    for number, part in enumerate(x.chunk(groups)):
        for module in network.modules():
            if isinstance(module, Norm):
                module.remember = remember if number == 0 else None
        feature, out = network(part)
        features.append(feature)
        outs.append(out)
    return torch.cat(features), torch.cat(outs)


def unit(x):
    return x / x.norm(dim=1, keepdim=True).clamp_min(1e-12)


def info_nce(q, k, queue, temperature):
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], 1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))


class System:
    """One method of the paper: networks, queue, optimiser, schedules and online classifier."""

    HEADS = {
        "supervised": ("cls", None),
        "moco-v1": ("cls", "cls"),
        "moco-v2": ("moco", "moco"),
        "moco-v2-plus": ("predictor", "projector"),
        "s-moco-v2-plus": ("mcv2p", "mcv2p"),
        "byol": ("predictor", "projector"),
    }

    def __init__(self, case):
        self.case = case
        online, target = self.HEADS[case["method"]]
        self.classes = case["classes"]
        out = self.classes if case["method"] == "supervised" else case["out"]
        build = lambda kind: ResNet(case["arch"], case["stem"], case["width"], kind, case["hidden"], out)
        self.online = build(online)
        fill(self.online)
        self.target = None
        if target:
            self.target = build(target)
            state = self.online.state_dict()
            self.target.load_state_dict({name: copy.deepcopy(state[name]) for name in self.target.state_dict()})
            self.target.requires_grad_(False)
        self.queue = initial_queue(case["queue"], out)
        self.pointer = 0
        self.lars = case["optimizer"] == "lars"
        if self.lars:
            self.velocity = {name: torch.zeros_like(p) for name, p in self.online.named_parameters()}
        else:
            self.sgd = torch.optim.SGD(self.online.parameters(), lr=1.0, momentum=0.9, weight_decay=1e-4)
        self.classifier = None
        if case["method"] != "supervised":
            features = self.online.features
            self.classifier = nn.Linear(features, self.classes)
            with torch.no_grad():
                self.classifier.weight.copy_(noise(2, self.classes * features, 0.5).reshape(self.classes, -1))
                self.classifier.bias.copy_(noise(3, self.classes, 0.5))
            self.probe = torch.optim.SGD(self.classifier.parameters(), lr=1.0, momentum=0.9)

    def forward(self, x1, x2, labels, coins, order):
        case, groups = self.case, self.case["bn_groups"]
        method, tau = case["method"], case["temperature"]
        per_device = method in ("supervised", "moco-v1", "moco-v2")
        plainsync = case.get("bn") == "plainsync" and groups > 1
        remember = "biased" if plainsync else "unbiased"
        f = lambda x: run_in_groups(self.online, x, groups if per_device else 1, remember)

        @torch.no_grad()
        def g(x):
            return unit(run_in_groups(self.target, x, groups if per_device else 1, remember)[1])

        if method == "supervised":
            features, logits = f(x1)
            return F.cross_entropy(logits, labels), features, None
        if method in ("moco-v1", "moco-v2"):
            shuffled = g(x2[order])
            k = torch.empty_like(shuffled)
            k[order] = shuffled
            features, q = f(x1)
            return info_nce(unit(q), k, self.queue, tau), features, k
        b1, b2 = g(x1), g(x2)
        _, a1 = f(x1)
        features, a2 = f(x2)
        a1, a2 = unit(a1), unit(a2)
        if method == "byol":
            loss = (2 - 2 * (a1 * b2).sum(1)).mean() + (2 - 2 * (a2 * b1).sum(1)).mean()
            return loss, features, None
        loss = info_nce(a1, b2, self.queue, tau) + info_nce(a2, b1, self.queue, tau)
        keys = [two if coin else one for one, two, coin in zip(b1.chunk(groups), b2.chunk(groups), coins)]
        return loss, features, torch.cat(keys)

    def rate(self, k):
        case, warmup, steps = self.case, self.case["warmup"], self.case["steps"]
        peak = case["base_lr"] * case["batch"] / 256
        if case["schedule"] == "step":
            return peak * 0.1 ** sum(k >= int(steps * m / 100) for m in (60, 80))
        if warmup and k <= warmup:
            return (peak - 1e-6) * k / warmup + 1e-6
        return peak * 0.5 * (1 + math.cos(math.pi * (k - warmup) / (steps - warmup)))

    def probe_rate(self, k):
        if self.lars:
            return 0.2 * 0.5 * (1 + math.cos(math.pi * k / self.case["steps"]))
        return 0.5 * 0.1 ** sum(k >= epoch for epoch in (60, 80))  # one step an epoch

    def momentum(self, t):
        if self.case["momentum_schedule"] == "constant":
            return self.case["momentum"]
        return 1 - (1 - self.case["momentum"]) * (math.cos(math.pi * t / self.case["steps"]) + 1) / 2

    @torch.no_grad()
    def lars_step(self, rate):
        for name, p in self.online.named_parameters():
            v, decay = self.velocity[name], 1e-6 if p.dim() > 1 else 0.0
            if decay:
                w, g = p.norm(), p.grad.norm()
                local = 0.001 * w / (g + decay * w) if w > 0 and g > 0 else 1.0
                v.mul_(0.9).add_(local * rate * (p.grad + decay * p))
            else:
                v.mul_(0.9).add_(rate * p.grad)
            p.sub_(v)

    def step(self, k, x1, x2, labels, coins, order):
        loss, features, keys = self.forward(x1, x2, labels, coins, order)
        self.online.zero_grad()
        loss.backward()
        gradients = [p.grad.clone() for p in self.online.parameters()]
        if self.lars:
            self.lars_step(self.rate(k))
        else:
            self.sgd.param_groups[0]["lr"] = self.rate(k)
            self.sgd.step()
        if keys is not None:
            places = (self.pointer + torch.arange(len(keys))) % len(self.queue)
            self.queue = self.queue.index_copy(0, places, keys)
            self.pointer = (self.pointer + len(keys)) % len(self.queue)
        if self.target:
            m = self.momentum(k + 1)
            with torch.no_grad():
                for theirs, ours in zip(self.target.parameters(), self.online.parameters()):
                    theirs.mul_(m).add_(ours, alpha=1 - m)
        online_loss = None
        if self.classifier:
            probe_loss = F.cross_entropy(self.classifier(features.detach()), labels)
            self.probe.zero_grad()
            probe_loss.backward()
            self.probe.param_groups[0]["lr"] = self.probe_rate(k)
            self.probe.step()
            online_loss = probe_loss.item()
        return loss.item(), online_loss, gradients


def around(image, k, case, apart=2.0):
    """Two views of the same image, labels, coins and an order."""
    count, size = image.numel(), case["batch"]
    shape = (size, 3, case["side"], case["side"])
    x1, x2 = ((image + noise(10_000 + 8 * k + view, count, apart)).float().double() for view in (1, 2))
    labels = torch.tensor([mix(10_003 + 8 * k, i) % case["classes"] for i in range(size)])
    coins = [mix(10_004 + 8 * k, group) & 1 == 1 for group in range(case["bn_groups"])]
    order = sorted(range(size), key=lambda i: mix(10_005 + 8 * k, i))
    return x1.reshape(shape), x2.reshape(shape), labels, coins, torch.tensor(order)


def batch(k, case):
    return around(noise(10_000 + 8 * k, case["batch"] * 3 * case["side"] ** 2, 4.0), k, case)


def norms(tensors):
    """With 15 digits, more than the comparison needs."""
    return [float(f"{tensor.norm().item():.15g}") for tensor in tensors]


def snapshot(system, gradients):
    weights = noise(4, system.queue.numel(), 2.0).reshape(system.queue.shape)
    has_queue = system.case["method"] not in ("supervised", "byol")
    return {
        "gradients": norms(gradients),
        "online": norms(system.online.state_dict().values()),
        "target": norms(system.target.state_dict().values()) if system.target else [],
        "queue": (system.queue * weights).sum().item() if has_queue else None,
        "queue_pointer": system.pointer,
    }


# Rates at which an error of 1e-7 does not grow to 1e-2 in ninety steps: batch norm over few values is chaotic.
CASES = {
    "supervised": dict(method="supervised", bn_groups=2, base_lr=0.8),
    "moco-v1": dict(method="moco-v1", bn_groups=2, temperature=0.07, schedule="step", base_lr=0.08),
    "moco-v2": dict(method="moco-v2", bn_groups=4, base_lr=0.8),
    "moco-v2-plus": dict(method="moco-v2-plus", base_lr=0.004),
    "s-moco-v2-plus": dict(method="s-moco-v2-plus", base_lr=0.01),
    "moco-v2-plus-lars": dict(method="moco-v2-plus", optimizer="lars", bn="plainsync", bn_groups=2, base_lr=0.16),
    "byol": dict(method="byol", base_lr=0.08),
    "byol-lars": dict(method="byol", optimizer="lars", base_lr=0.16),
    "supervised-resnet50": dict(method="supervised", arch="resnet50", width=4, side=16, base_lr=0.001),
    "byol-resnet18": dict(method="byol", arch="resnet18", stem="imagenet", side=32, base_lr=0.005),
}


def recipe(case):
    """The case as Parallax reads it."""
    supervised = case["method"] == "supervised"
    method = {key: case[key] for key in ("hidden", "temperature", "queue", "momentum", "momentum_schedule", "bn_groups")}
    method |= {"name": case["method"]} | ({} if supervised else {"out": case["out"]})
    method |= {"bn": case["bn"]} if "bn" in case else {}
    sections = {
        "run": {"total_steps": case["steps"], "batch_size": case["batch"]},
        "views": {"size": case["side"]},
        "model": {"arch": case["arch"], "stem": case["stem"], "width": case["width"]},
        "method": method,
        "optimizer": {
            "name": case["optimizer"],
            "base_lr": case["base_lr"],
            "weight_decay": 1e-6 if case["optimizer"] == "lars" else 1e-4,
        },
        "schedule": {"kind": case["schedule"], "warmup_steps": case["warmup"]},
        "probe": {"online": not supervised, "online_lr": 0.2 if case["optimizer"] == "lars" else 0.5},
    }
    lines = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def compact(result):
    """JSON with one line a list: small files, readable diffs."""
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), json.dumps(result, indent=1)) + "\n"


def main():
    folder = pathlib.Path(__file__).parent / "cases"
    for name, given in CASES.items():
        defaults = dict(arch="tiny", stem="cifar", width=4, side=8, hidden=24, out=12, queue=40, temperature=0.2)
        defaults |= dict(bn_groups=1, optimizer="sgd", schedule="warmup-cosine", momentum=0.9)
        defaults |= dict(steps=100, batch=16, warmup=10, classes=CLASSES)
        constant = given["method"] in ("moco-v1", "moco-v2")
        defaults |= dict(momentum_schedule="constant" if constant else "cosine")
        case = defaults | given
        system = System(case)
        losses, online_losses, snapshots = [], [], {}
        for k in range(case["steps"]):
            loss, online_loss, gradients = system.step(k, *batch(k, case))
            losses.append(loss)
            online_losses.append(online_loss)
            if k + 1 in SNAPSHOTS:
                snapshots[k + 1] = snapshot(system, gradients)
        result = {
            "recipe": recipe(case),
            "classes": CLASSES,
            "losses": losses,
            "online_losses": online_losses if system.classifier else [],
            "parameters": [name for name, _ in system.online.named_parameters()],
            "online": list(system.online.state_dict()),
            "target": list(system.target.state_dict()) if system.target else [],
            "after": snapshots,
        }
        path = folder / f"{name}.json"
        path.write_text(compact(result))
        print(f"{name}: loss {losses[0]:.4f} to {losses[-1]:.4f}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
