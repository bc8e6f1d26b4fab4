"""The training step of a recipe in PyTorch, for comparison on the same CPU.

    python -m venv venv && venv/bin/pip install torch safetensors
    venv/bin/python bench/pytorch_step.py --parallax target/release/parallax [--method byol] [--steps 40]

Runs, one after the other: `parallax pretrain` on the demo recipe with the table switched off, and the same
number of steps of the same network, batch and method in PyTorch on random pictures (no augmentation at
all), both with all cores. Prints images a second of both and the ratio; medians over the steps.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch

sys.path.append(str(pathlib.Path(__file__).parent.parent / "tests" / "parity"))
from reference import LOSSES, build, normalize, update_target  # noqa: E402


def pytorch(method, arch, stem, width, hidden, out, batch, size, steps):
    torch.manual_seed(0)
    online, target = build(arch, stem, width, hidden, out)
    online.train(), target.train()
    sgd = torch.optim.SGD(online.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    queue = normalize(torch.randn(1024, out))
    x1, x2 = torch.randn(2, batch, 3, size, size)
    seconds = []
    for _ in range(steps):
        begin = time.perf_counter()
        loss, _, _ = LOSSES[method](online, target, x1, x2, queue=queue, temperature=0.2)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        update_target(online, target, 0.99)
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
    parser.add_argument("--method", default="byol", choices=sorted(LOSSES))
    parser.add_argument("--arch", default="tiny")
    parser.add_argument("--stem", default="small")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--out", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=40)
    arguments = vars(parser.parse_args())
    binary, device = arguments.pop("parallax"), arguments.pop("device")
    ours, wait = parallax(binary, device, **arguments)
    theirs = pytorch(**arguments)
    print(f"parallax {device}: {ours:.0f} images/s, views included, {100 * wait:.1f} % of a step waits for data")
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads: {theirs:.0f} images/s, without views")
    print(f"Parallax takes {theirs / ours:.2f} of PyTorch's time a step")


if __name__ == "__main__":
    main()
