"""Throughput of ranks on CPUs beside one process, and bytes sent; the tables of docs/scaling.md.

python bench/ranks.py --parallax target/release/parallax [--rounds 5]    measures, alone on a machine of two cores or more;
                                                                         the program is one with `--features mpi`
python bench/ranks.py --model                                           prints what the model says of 8 and 64 GPUs
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

STEPS = 12
RECIPE = [
    "model.arch=resnet18", "model.stem=cifar", "model.width=64", "run.batch_size=32", "views.size=32",
    f"run.total_steps={STEPS}", "schedule.warmup_steps=2", "probe.table=false", "probe.knn_every=0", "probe.online=false",
    "checkpoint.every=0", "method.queue=4096",
]  # fmt: skip
METHODS = {"supervised": ["method.out=10"], "moco-v2-plus": []}


def steps(parallax, method, ranks, threads):
    """Seconds of the fastest step, and bytes that rank 0 sent in it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        command = [parallax, "pretrain", "demo", "--device", "cpu", "--loader-threads", "1", "--out", out]
        for value in [f"method.name={method}", *RECIPE, *METHODS[method]]:
            command += ["--set", value]
        if ranks > 1:
            command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", str(ranks), *command]
        run = subprocess.run(command, env={**os.environ, "RAYON_NUM_THREADS": str(threads)}, capture_output=True, text=True)
        if run.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, command))}\n{run.stderr}")
        events = [json.loads(line) for line in Path(out, "events.jsonl").read_text().splitlines()]
    found = [event for event in events if event["event"] == "step"][2:]
    fastest = max(event["images_per_second"] for event in found)
    return 32 / fastest, found[-1].get("sent_bytes", 0)


def measure(parallax, rounds):
    for method in METHODS:
        best = {}
        for _ in range(rounds):
            for ranks, threads in [(1, 2), (2, 1)]:
                seconds, sent = steps(parallax, method, ranks, threads)
                before = best.get(ranks, (seconds, sent))
                best[ranks] = (min(seconds, before[0]), sent)
        one, two = best[1], best[2]
        print(f"{method}: one process, 2 threads {32 / one[0]:.1f} img/s; 2 ranks, 1 thread each {32 / two[0]:.1f} img/s; "
              f"ratio {one[0] / two[0]:.2f}; {two[1]:.0f} bytes sent a step")  # fmt: skip


# Inputs of the model; docs/scaling.md says which are measured.
IMAGES = 784  # images a second of a forward and backward pass of ResNet-50 on an H100, f32
PCIE, ADD = 20e9, 10e9  # bytes a second between GPU and host; read by the loop that adds
SHARED, NETWORK = 5e9, 25e9 / 8  # bytes a second that a rank sends within a machine; to others, of eight that share a link
READ = 200e-6  # seconds to read a few values from a GPU and to write others
LATENCY = {8: 10e-6, 64: 30e-6}  # seconds of a small exchange
PARAMETERS = {"supervised": 25.56e6, "moco-v2": 27.97e6, "moco-v2-plus": 35.07e6}
# Passes in units of forward and backward; batch norms of a pass times passes that exchange, forward and backward.
PASSES = {"supervised": 1, "moco-v2": 1.33, "moco-v2-plus": 2.67}
EXCHANGES = {"supervised": 0, "moco-v2": 0, "moco-v2-plus": 4 * 54 + 2 * 55}


def model():
    for method, batch in [("supervised", 256), ("moco-v2", 256), ("moco-v2-plus", 256), ("moco-v2-plus", 4096)]:
        for ranks in [8, 64]:
            size = 4 * PARAMETERS[method]
            sent = 2 * (ranks - 1) / ranks * size
            compute = PASSES[method] * batch / ranks / IMAGES
            gradients = 2 * size / PCIE + size / ADD + sent / (SHARED if ranks == 8 else NETWORK)
            statistics = EXCHANGES[method] * (READ + LATENCY[ranks])
            step = compute + gradients + statistics
            one = PASSES[method] * batch / IMAGES
            print(f"| {method} | {batch} | {ranks} | {1e3 * compute:.0f} | {1e3 * gradients:.0f} | {1e3 * statistics:.0f} "
                  f"| {sent / 1e6:.0f} | {batch / step:,.0f} | {one / step / ranks:.0%} |")  # fmt: skip


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--parallax", default="target/release/parallax")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--model", action="store_true")
arguments = parser.parse_args()
if arguments.model:
    model()
else:
    measure(arguments.parallax, arguments.rounds)
