"""Plots loss and kNN accuracy of runs from their events.jsonl.

    python -m venv venv && venv/bin/pip install matplotlib
    parallax pretrain --out runs/demo
    venv/bin/python bench/figures.py runs/demo --out docs/images/curves.png

The right panel also has the final accuracies of the random encoder and of raw pixels, where a run's table has them.
"""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

SMOOTH = 50


def events(folder):
    lines = (folder / "events.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def smoothed(values):
    """Mean of the last SMOOTH values at each step."""
    means, total = [], 0.0
    for index, value in enumerate(values):
        total += value - (values[index - SMOOTH] if index >= SMOOTH else 0.0)
        means.append(total / min(index + 1, SMOOTH))
    return means


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=pathlib.Path, help="folders of runs")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("curves.png"))
    options = parser.parse_args()
    pyplot.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3})
    canvas, (left, right) = pyplot.subplots(1, 2, figsize=(8, 2.8), dpi=120, layout="constrained")
    for color, folder in zip(("#2563c9", "#d9632a", "#2a9d6a", "#8a4fc0"), options.runs):
        found = events(folder)
        steps = [event for event in found if event["event"] == "step"]
        losses = [event["loss"] for event in steps]
        numbers = [event["step"] for event in steps]
        left.plot(numbers, losses, color=color, alpha=0.15, linewidth=0.5)
        left.plot(numbers, smoothed(losses), color=color, linewidth=1.5, label=folder.name)
        probes = [(event["step"], event["knn"]) for event in found if event["event"] == "probe"]
        done = [event for event in found if event["event"] == "done"]
        table = {row["encoder"]: row["knn"] for row in done[-1]["table"]} if done else {}
        if "trained" in table:
            # The last probe is the final table's.
            probes = [probe for probe in probes if probe[0] < done[-1]["step"]] + [(done[-1]["step"], table["trained"])]
        right.plot(*zip(*probes), "o-", color=color, markersize=3, label=folder.name)
    for encoder, style, name in (("random", "--", "random encoder"), ("pixels", ":", "raw pixels")):
        if encoder in table:
            right.axhline(table[encoder], color="#555", linestyle=style, linewidth=1, label=name)
    left.set(xlabel="step", ylabel="loss")
    right.set(xlabel="step", ylabel="kNN accuracy, %")
    right.legend(frameon=False, loc="center right")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(options.out)


if __name__ == "__main__":
    main()
