"""One step of every method at the paper's scale in PyTorch: ResNet-50, 224 px, a queue of 65,536 keys.

    venv/bin/pip install torch torchvision
    venv/bin/python tests/parity/reference_224.py      writes tests/parity/cases/resnet50-224.json

The batch is 4; weights and batch come from formulas (`reference.py`); everything else is the paper's. The file holds losses, the
norm of each gradient, and for each tensor of both networks the norm of its update and the update's inner product with `noise`,
which is sensitive to signs and positions. The network is compared with torchvision's first.

The file also holds the difference between f32 and f64 in PyTorch itself: at this depth a few ReLUs in a million
change sides, and a gradient's direction changes by percents.
"""

import copy
import json
import math
import pathlib

import torch
import torchvision

from reference import System, around, compact, noise

SIDE, CELL = 224, 32
PAPER = dict(arch="resnet50", stem="imagenet", width=64, side=SIDE, queue=65536, temperature=0.2, optimizer="sgd")
PAPER |= dict(schedule="warmup-cosine", momentum_schedule="cosine", hidden=4096, out=256, bn_groups=2)
# A step whose updates are far above f32 rounding. The first rate of the paper's warm-up is 1e-6.
PAPER |= dict(batch=4, steps=100, warmup=0, momentum=0.5, classes=1000, base_lr=1.28)
CONSTANT = dict(momentum_schedule="constant", out=128)
LARS = dict(optimizer="lars", base_lr=64.0)

SYSTEMS = {
    "supervised": dict(method="supervised"),
    "moco-v1": dict(method="moco-v1", temperature=0.07, schedule="step") | CONSTANT,
    "moco-v2": dict(method="moco-v2", hidden=2048) | CONSTANT,
    "moco-v2-plus": dict(method="moco-v2-plus"),
    "s-moco-v2-plus": dict(method="s-moco-v2-plus"),
    "moco-v2-plus-lars": dict(method="moco-v2-plus", bn="plainsync") | LARS,
    "byol": dict(method="byol", bn_groups=1),
    "byol-lars": dict(method="byol", bn_groups=1) | LARS,
}


def image(case):
    """Large patches and fine noise, so that images differ after pooling as well."""
    size, cells = case["batch"], SIDE // CELL
    patches = noise(20_000, size * 3 * cells * cells, 4.0).reshape(size, 3, cells, cells)
    patches = patches.repeat_interleave(CELL, 2).repeat_interleave(CELL, 3).flatten()
    return patches + noise(20_001, patches.numel(), 2.0)


def digits(number):
    return float(f"{number:.9g}")


def moves(before, after):
    """Norm, and inner product with noise of unit variance, of every tensor's update."""
    result = []
    for number, (old, new) in enumerate(zip(before.values(), after.values())):
        move = (new.double() - old.double()).flatten()
        weights = noise(30_000 + number, move.numel(), math.sqrt(12))
        result += [digits(move.norm().item()), digits((move * weights).sum().item())]
    return result


def convert(system, kind):
    for network in (system.online, system.target, system.classifier):
        if network:
            network.to(kind)
    system.queue = system.queue.to(kind)


def states(system):
    return [copy.deepcopy(network.state_dict()) if network else {} for network in (system.online, system.target)]


def step(case, kind):
    """The file's figures for a step in f64 or f32."""
    system = System(case)
    convert(system, kind)
    x1, x2, labels, coins, order = around(image(case), 0, case, 1.0)
    before = states(system)
    loss, online_loss, gradients = system.step(0, x1.to(kind), x2.to(kind), labels, coins, order)
    online, target = (moves(*pair) for pair in zip(before, states(system)))
    keys, has_queue = system.queue.numel(), case["method"] not in ("supervised", "byol")
    return {
        "loss": loss,
        "online_loss": online_loss,
        "head": [name for name in before[0] if name.startswith("fc.")],
        "target_head": [name for name in before[1] if name.startswith("fc.")],
        "gradients": [digits(gradient.double().norm().item()) for gradient in gradients],
        "online": online,
        "target": target,
        "queue": (system.queue.flatten().double() * noise(4, keys, 2.0)).sum().item() if has_queue else None,
        "queue_pointer": system.pointer,
    }


def apart(found, expected, figures):
    """Largest difference, relative to the norm (the first figure of each tensor) or a thousandth of the largest norm."""
    scales = [norm for norm in expected[::figures] for _ in range(figures)]
    floor = 1e-3 * max(scales, default=0)
    return max((abs(a - b) / max(scale, floor) for a, b, scale in zip(found, expected, scales)), default=0.0)


def deviation(found, expected):
    return {
        "loss": abs(found["loss"] - expected["loss"]) / abs(expected["loss"]),
        "gradients": apart(found["gradients"], expected["gradients"], 1),
        "moves": max(apart(found[network], expected[network], 2) for network in ("online", "target")),
        "queue": abs(found["queue"] - expected["queue"]) if found["queue"] is not None else 0.0,
    }


@torch.no_grad()
def compare_with_torchvision(network, x):
    theirs = torchvision.models.resnet50()
    theirs.fc = torch.nn.Identity()
    state = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("fc.")}
    print("torchvision lacks", theirs.load_state_dict(state, strict=False).unexpected_keys)
    difference = (theirs(x) - copy.deepcopy(network)(x)[0]).abs().max().item()
    print(f"the backbone differs from torchvision's by {difference:.1e}")
    assert difference < 1e-10


def main():
    torch.set_num_threads(2)
    systems, backbone = {}, None
    for name, given in SYSTEMS.items():
        case = PAPER | given
        if backbone is None:
            network = System(case).online
            backbone = [name for name in network.state_dict() if not name.startswith("fc.")]
            compare_with_torchvision(network, around(image(case), 0, case, 1.0)[0])
        keys = {"run.batch_size": "batch", "run.total_steps": "steps", "schedule.warmup_steps": "warmup"}
        keys |= {f"method.{key}": key for key in ("momentum", "bn_groups")} | {"optimizer.base_lr": "base_lr"}
        double = step(case, torch.float64)
        single = deviation(step(case, torch.float32), double)
        overrides = [f"{key}={case[ours]}" for key, ours in keys.items()]
        systems[name] = {"overrides": overrides} | double | {"pytorch_in_f32": single}
        print(f"{name}: loss {double['loss']:.6f}; in f32", {key: f"{value:.1e}" for key, value in single.items()}, flush=True)
    result = {"classes": PAPER["classes"], "backbone": backbone, "systems": systems}
    path = pathlib.Path(__file__).parent / "cases" / "resnet50-224.json"
    path.write_text(compact(result))
    print(path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
