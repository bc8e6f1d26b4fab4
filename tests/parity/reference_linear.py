"""Linear evaluation in PyTorch, written from docs/methods.md 5.2 alone: the reference for `parallax trace --recipe linear-eval`.

    venv/bin/python tests/parity/reference_linear.py      writes tests/parity/cases/linear-eval-*.json

A hundred steps of a linear classifier on the frozen features of a small network, in f64. Weights and batches are those of
reference.py; running statistics come from the same function, so that evaluation mode is not the identity. The classifier
begins at zero. Every loss, accuracy and norm is written.
"""

import json
import math
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

from reference import CLASSES, Norm, ResNet, batch, compact, fill, noise

STEPS = 100


def evaluation_mode(norm, x):
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, 1e-5)


Norm.forward = evaluation_mode


@torch.no_grad()
def fill_statistics(network):
    """Running statistics, from each buffer's index."""
    for number, (name, buffer) in enumerate(network.named_buffers()):
        offset = 1.0 if name.endswith("running_var") else 0.0
        buffer.copy_(noise(500 + number, buffer.numel(), 0.6, offset))


def rate(case, k):
    """F(k) of the 0-based step k."""
    lr = case["base_lr"] * (case["batch"] / 256 if case["per_256"] else 1.0)
    if case["milestones"]:
        steps = [int(STEPS * milestone / case["epochs"]) for milestone in case["milestones"]]
        return lr * 0.1 ** sum(k >= step for step in steps)
    return lr * 0.5 * (1 + math.cos(math.pi * k / STEPS))


SGD = dict(preset="sgd", epochs=100, base_lr=30.0, per_256=True, milestones=[60, 80], nesterov=False)
LARGE_NORM = dict(preset="large-norm", epochs=80, base_lr=0.2, per_256=False, milestones=None, nesterov=True)
CASES = {
    "linear-eval-sgd": SGD | dict(base_lr=3.0),
    "linear-eval-large-norm": LARGE_NORM,
    # Milestones that do not fall on whole steps: int(100 * 60 / 90) = 66, int(100 * 80 / 90) = 88.
    "linear-eval-resnet18": SGD | dict(base_lr=0.1, epochs=90, arch="resnet18", stem="imagenet", side=32, batch=8),
}


def main():
    folder = pathlib.Path(__file__).parent / "cases"
    for name, given in CASES.items():
        case = dict(arch="tiny", stem="cifar", width=4, side=8, batch=16, classes=CLASSES, bn_groups=1) | given
        network = ResNet(case["arch"], case["stem"], case["width"], "cls", 1, 1)
        fill(network)
        fill_statistics(network)
        classifier = nn.Linear(network.features, CLASSES)
        nn.init.zeros_(classifier.weight)
        nn.init.zeros_(classifier.bias)
        sgd = torch.optim.SGD(classifier.parameters(), lr=1.0, momentum=0.9, nesterov=case["nesterov"])
        found = {key: [] for key in ("losses", "accuracies", "rates", "gradients", "weights", "parameters")}
        for k in range(STEPS):
            images, _, labels, _, _ = batch(k, case)
            with torch.no_grad():
                features, _ = network(images)
            logits = classifier(features)
            loss = F.cross_entropy(logits, labels)
            sgd.zero_grad()
            loss.backward()
            parts = (classifier.weight, classifier.bias)
            gradient = math.sqrt(sum(p.grad.square().sum().item() for p in parts))
            sgd.param_groups[0]["lr"] = rate(case, k)
            sgd.step()
            figures = {
                "losses": loss.item(),
                "accuracies": 100 * (logits.argmax(1) == labels).double().mean().item(),
                "rates": rate(case, k),
                "gradients": gradient,
                "weights": classifier.weight.norm().item(),
                "parameters": math.sqrt(sum(p.square().sum().item() for p in parts)),
            }
            for key, value in figures.items():
                found[key].append(float(f"{value:.15g}"))
        keys = ("preset", "epochs", "base_lr", "batch", "arch", "stem", "width", "side", "classes")
        path = folder / f"{name}.json"
        path.write_text(compact({key: case[key] for key in keys} | found))
        losses = found["losses"]
        print(f"{name}: loss {losses[0]:.4f} to {losses[-1]:.4f}, most {max(losses):.4f}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
