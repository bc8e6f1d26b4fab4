"""Nearest neighbours by `parallax knn` and by scikit-learn on the same CPU: time, memory, and whether they agree.

    venv/bin/pip install numpy scikit-learn
    venv/bin/python bench/sklearn_knn.py --parallax target/release/parallax [--train 20000 --test 5000 --columns 512]

Random features in ten classes, f32. scikit-learn classifies with `KNeighborsClassifier(algorithm="brute", metric="cosine")`, once
with n_jobs=1 and once with n_jobs=-1, of which the faster counts; Parallax is timed as a whole command, reading the files included,
scikit-learn without it. Both take turns; the figure is the best round of each. Peak memory is the resident memory of the process.

Both use all cores.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

TEMPERATURE = 0.07
# Runs a command from a small process, because a child's peak memory counts that of the process that it was forked from.
MEASURED = """
import resource, subprocess, sys
run = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(run.returncode)
"""


def features(rows, columns, seed, centres):
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(centres), rows)
    values = random.standard_normal((rows, columns), np.float32) + centres[labels]
    return values.astype(np.float32), labels.astype(np.int64)


def save(folder, name, values, labels):
    np.save(folder / f"{name}.npy", values)
    np.save(folder / f"{name}.labels.npy", labels)
    return folder / f"{name}.npy"


def ours(parallax, train, test, k):
    command = [parallax, "knn", "--device", "cpu", "--json", "--k", str(k), "--temperature", str(TEMPERATURE)]
    command += ["--train-features", train, "--test-features", test]
    begin = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", MEASURED, *command], check=True, capture_output=True, text=True)
    *log, peak = run.stderr.strip().splitlines()
    return time.perf_counter() - begin, json.loads(run.stdout), int(peak) / 1024, " ".join(log)


def theirs(train, test, k, jobs):
    (x, labels), (y, expected) = train, test
    begin = time.perf_counter()
    classifier = KNeighborsClassifier(k, algorithm="brute", metric="cosine", n_jobs=jobs,
                                      weights=lambda distances: np.exp((1 - distances) / TEMPERATURE))
    shares = classifier.fit(x, labels).predict_proba(y)
    seconds = time.perf_counter() - begin
    ranking = np.argsort(-shares, axis=1, kind="stable")
    found = ranking[:, 0] == expected, (ranking[:, :5] == expected[:, None]).any(1)
    return seconds, [100 * float(hits.mean()) for hits in found]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parallax", default="target/release/parallax")
    parser.add_argument("--train", type=int, default=20_000)
    parser.add_argument("--test", type=int, default=5_000)
    parser.add_argument("--columns", type=int, default=512)
    parser.add_argument("--k", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="without scikit-learn, for sizes that it is too large for")
    arguments = parser.parse_args()
    centres = 0.15 * np.random.default_rng(0).standard_normal((10, arguments.columns)).astype(np.float32)
    train = features(arguments.train, arguments.columns, 1, centres)
    test = features(arguments.test, arguments.columns, 2, centres)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        files = save(folder, "train", *train), save(folder, "test", *test)
        rounds, other = [], []
        for _ in range(arguments.rounds):
            rounds.append(ours(arguments.parallax, *files, arguments.k))
            if not arguments.alone:
                other += [theirs(train, test, arguments.k, jobs) for jobs in (1, -1)]
    seconds, report, memory, log = min(rounds, key=lambda round: round[0])
    print(f"{arguments.train} x {arguments.columns} train, {arguments.test} test, k = {arguments.k}")
    print(f"Parallax      {seconds:8.2f} s, peak {memory:.0f} MiB ({log})")
    print(f"              top-1 {report['top1']:.2f}, top-5 {report['top5']:.2f}")
    if other:
        best, accuracies = min(other)
        print(f"scikit-learn  {best:8.2f} s, {best / seconds:.2f} times Parallax's")
        print(f"              top-1 {accuracies[0]:.2f}, top-5 {accuracies[1]:.2f}")


if __name__ == "__main__":
    main()
