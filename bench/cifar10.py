"""Trains every small recipe on CIFAR-10, one to two minutes each on two CPU cores, and prints their accuracy.

    parallax data fetch cifar10
    python bench/cifar10.py --parallax target/release/parallax --out runs/cifar10

Each method of the paper runs with several seeds for one epoch of all 50,000 images, with a small network and the values below;
everything else is its recipe's. Finished runs in the output folder are kept, interrupted ones are resumed. The table has the
accuracy of kNN and of a linear classifier on the 10,000 test images in percent: mean and standard deviation over the seeds,
for the trained encoder and for the same encoder at its random initialisation.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

SMALL = {
    "run.epochs": 1,
    "run.batch_size": 32,
    "model.arch": "tiny",
    "model.stem": "small",
    "model.width": 32,
    "schedule.warmup_steps": 100,
    "probe.online": False,
    "probe.knn_every": 0,
    "probe.pixels": False,
    "checkpoint.every": 0,
}
# A short run needs a lower EMA momentum, and a queue no older than the target network.
HEAD = {"method.hidden": 512, "method.out": 64}
ONE_WAY = {"method.queue": 4096, "method.momentum": 0.99, "method.bn_groups": 4, "optimizer.base_lr": 0.2} | HEAD
SYMMETRIC = {"method.momentum": 0.95, "method.bn_groups": 1, "optimizer.base_lr": 0.1} | HEAD
LARS = {"optimizer.base_lr": 16}
SYSTEMS = {
    "supervised": {"method.bn_groups": 4, "optimizer.base_lr": 0.4},
    "moco-v1": ONE_WAY,
    "moco-v2": ONE_WAY,
    "moco-v2-plus": SYMMETRIC | {"method.queue": 4096},
    "s-moco-v2-plus": SYMMETRIC | {"method.queue": 4096},
    "moco-v2-plus-lars": SYMMETRIC | {"method.queue": 4096} | LARS,
    "byol": SYMMETRIC,
    "byol-lars": SYMMETRIC | LARS,
}


def rows(folder):
    """The final table of a finished run, or None."""
    log = folder / "events.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    events = (json.loads(line) for line in reversed(lines) if '"done"' in line)
    return next(({row["encoder"]: row for row in event["table"]} for event in events if event["event"] == "done"), None)


def run(options, system, seed, sets):
    folder = options.out / f"{system}-{seed}"
    if rows(folder) is None:
        command = [options.parallax, "pretrain", f"{system}-cifar10", "--device", options.device, "--out", str(folder)]
        for key, value in (SMALL | SYSTEMS[system] | {"run.seed": seed} | sets).items():
            command += ["--set", f"{key}={json.dumps(value) if isinstance(value, bool) else value}"]
        if (folder / "recipe.toml").exists():
            command.append("--resume")
        print(" ".join(command), file=sys.stderr)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return rows(folder)


def spread(values):
    deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parallax", default="parallax", help="the binary")
    parser.add_argument("--device", default="cpu", help="as for `parallax pretrain`")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/cifar10"), help="folder of the runs' folders")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each method")
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override for every run")
    options = parser.parse_args()
    sets = dict(pair.split("=", 1) for pair in options.set)
    print("| system | kNN | random | linear | random |")
    print("|---|---:|---:|---:|---:|")
    for system in options.systems:
        found = [run(options, system, seed, sets) for seed in range(options.seeds)]
        cells = [spread([table[encoder][probe] for table in found])
                 for probe in ("knn", "linear") for encoder in ("trained", "random")]
        print(f"| `{system}-cifar10` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
