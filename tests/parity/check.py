"""Compares the committed parity cases, which the native CPU build made, with PyTorch.

    venv/bin/python tests/parity/check.py          (venv: see reference.py)

Takes the weights "before" from each case, does the same step in PyTorch in f64, and compares loss, every
gradient, the weights after the optimiser's step, running statistics, target and queue. Exit code 1 when a
tensor differs by more than 1e-4 of its largest value.
"""

import pathlib
import sys

import torch
from safetensors.torch import load_file

from reference import LOSSES, build, pictures, update_target

# A bias in front of batch norm has a gradient of zero in exact arithmetic and of 1e-6 in f32.
FLOOR = 0.2
BATCH, SIDE, RATE, MOMENTUM, WEIGHT_DECAY = 64, 8, 0.1, 0.9, 1e-4


def check(path):
    case = {name: tensor.double() for name, tensor in load_file(path).items()}
    kind = path.stem
    online, target = build("tiny", "cifar", 4, 64, 32)
    for network, prefix in [(online, "before.online_encoder."), (target, "before.target_encoder.")]:
        state = {name[len(prefix):]: t for name, t in case.items() if name.startswith(prefix)}
        missing, unexpected = network.load_state_dict(state, strict=False)
        assert not unexpected, unexpected
        assert all(name.endswith("num_batches_tracked") for name in missing), missing
        network.double().train()
    shape = (BATCH, 3, SIDE, SIDE)
    x1, x2 = pictures(0.0, shape).double(), pictures(1.0, shape).double()
    queue = case.get("before.queue")
    loss, b1, b2 = LOSSES[kind](online, target, x1, x2, queue=queue, temperature=0.2)
    sgd = torch.optim.SGD(online.parameters(), lr=RATE, momentum=0.9, weight_decay=WEIGHT_DECAY)
    loss.backward()
    mine = {"loss": loss.detach().reshape(1), "embedding": b1}
    mine |= {f"gradient.{name}": p.grad.clone() for name, p in online.named_parameters()}
    sgd.step()
    update_target(online, target, MOMENTUM)
    for network, prefix in [(online, "after.online_encoder."), (target, "after.target_encoder.")]:
        mine |= {prefix + name: t for name, t in network.state_dict().items() if "num_batches" not in name}
    if queue is not None:
        queue = queue.clone()
        queue[:BATCH] = b2
        mine["after.queue"] = queue
    worst, where = 0.0, ""
    theirs = {name: tensor for name, tensor in case.items() if not name.startswith("before.")}
    assert mine.keys() == theirs.keys(), mine.keys() ^ theirs.keys()
    for name, tensor in theirs.items():
        scale = max(FLOOR, mine[name].abs().max().item())
        error = (mine[name] - tensor).abs().max().item() / scale
        worst, where = max((worst, where), (error, name))
    print(f"{kind}: {len(theirs)} tensors, largest relative difference {worst:.2e} in {where}")
    return worst < 1e-4


if __name__ == "__main__":
    cases = sorted((pathlib.Path(__file__).parent / "cases").glob("*.safetensors"))
    sys.exit(0 if cases and all([check(case) for case in cases]) else 1)
