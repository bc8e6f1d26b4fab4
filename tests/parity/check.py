"""Compares the one-step cases, written by the native CPU build, with PyTorch, value by value.

    venv/bin/pip install torch safetensors numpy
    venv/bin/python tests/parity/check.py

Loads the weights "before" from each case, computes the same step in PyTorch in f64, and compares the loss, every gradient, the
weights after the optimiser step, running statistics, target network and queue. Exit code 1 when a tensor differs by more than
1e-4 of its largest value.
"""

import math
import pathlib
import sys

import torch
from safetensors.torch import load_file

from reference import System, unit

# A bias in front of batch norm has a gradient of zero in exact arithmetic and of 1e-6 in f32.
FLOOR = 0.2
BATCH, SIDE, RATE, MOMENTUM, WEIGHT_DECAY = 64, 8, 0.1, 0.9, 1e-4


def images(phase, shape):
    """The formula of the one-step cases, in f64 and rounded to f32."""
    values = [math.sin(0.37 * i + phase) + math.sin(0.011 * (i % 977) * (i % 977)) for i in range(math.prod(shape))]
    return torch.tensor(values).float().double().reshape(shape)


def check(path):
    case = {name: tensor.double() for name, tensor in load_file(path).items()}
    settings = dict(method=path.stem, arch="tiny", stem="cifar", width=4, hidden=64, out=32, queue=80)
    system = System(settings | dict(temperature=0.2, bn_groups=1, optimizer="sgd", classes=2))
    for network, prefix in [(system.online, "before.online_encoder."), (system.target, "before.target_encoder.")]:
        network.load_state_dict({name[len(prefix):]: t for name, t in case.items() if name.startswith(prefix)})
    shape = (BATCH, 3, SIDE, SIDE)
    x1, x2 = images(0.0, shape), images(1.0, shape)
    if "before.queue" in case:
        system.queue = case["before.queue"]
    # The embedding of the first view; the target's running statistics are restored afterwards.
    statistics = {name: t.clone() for name, t in system.target.state_dict().items()}
    with torch.no_grad():
        b1 = unit(system.target(x1)[1])
    system.target.load_state_dict(statistics)
    loss, _, keys = system.forward(x1, x2, None, [True], None)
    sgd = torch.optim.SGD(system.online.parameters(), lr=RATE, momentum=0.9, weight_decay=WEIGHT_DECAY)
    loss.backward()
    mine = {"loss": loss.detach().reshape(1), "embedding": b1}
    mine |= {f"gradient.{name}": p.grad.clone() for name, p in system.online.named_parameters()}
    sgd.step()
    with torch.no_grad():
        for theirs, ours in zip(system.target.parameters(), system.online.parameters()):
            theirs.mul_(MOMENTUM).add_(ours, alpha=1 - MOMENTUM)
    for network, prefix in [(system.online, "after.online_encoder."), (system.target, "after.target_encoder.")]:
        mine |= {prefix + name: t for name, t in network.state_dict().items()}
    if keys is not None:
        queue = system.queue.clone()
        queue[:BATCH] = keys
        mine["after.queue"] = queue
    worst, where = 0.0, ""
    theirs = {name: tensor for name, tensor in case.items() if not name.startswith("before.")}
    assert mine.keys() == theirs.keys(), mine.keys() ^ theirs.keys()
    for name, tensor in theirs.items():
        scale = max(FLOOR, mine[name].abs().max().item())
        error = (mine[name] - tensor).abs().max().item() / scale
        worst, where = max((worst, where), (error, name))
    print(f"{path.stem}: {len(theirs)} tensors, largest relative difference {worst:.2e} in {where}")
    return worst < 1e-4


if __name__ == "__main__":
    cases = sorted((pathlib.Path(__file__).parent / "cases").glob("*.safetensors"))
    sys.exit(0 if cases and all([check(case) for case in cases]) else 1)
