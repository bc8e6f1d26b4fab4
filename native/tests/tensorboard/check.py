#!/usr/bin/env python3
"""Reads a folder of event files with the real TensorBoard and prints what is in it.

    python3 -m venv VENV
    VENV/bin/pip install tensorboard
    VENV/bin/python native/tests/tensorboard/check.py DIR

One line a point: run, tag, step, wall time, value, tab-separated. Exits 1 if there is no scalar, or if a file does not
end with a whole record. (TensorBoard drops a record with a wrong checksum silently; so the records are also counted by
their lengths and compared with what it yields.)
"""

import pathlib
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.util import tensor_util


def framed_records(path):
    """How many records the lengths in the file announce; None if they do not end where the file does."""
    data, at, count = path.read_bytes(), 0, 0
    while at + 12 <= len(data):
        at += 16 + struct.unpack_from("<Q", data, at)[0]
        count += 1
    return count if at == len(data) else None


def main():
    root = pathlib.Path(sys.argv[1])
    files = sorted(root.rglob("events.out.tfevents.*"))
    good, points = True, 0
    for path in files:
        framed, loaded = framed_records(path), sum(1 for _ in LegacyEventFileLoader(str(path)).Load())
        if framed != loaded:
            print(f"{path}: {framed} records framed, {loaded} read", file=sys.stderr)
            good = False
    for folder in sorted({path.parent for path in files}):
        accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()
        tags = accumulator.Tags()
        curves = {tag: [(e.step, e.wall_time, e.value) for e in accumulator.Scalars(tag)] for tag in tags["scalars"]}
        # Newer versions turn scalars into tensors while loading.
        for tag in tags["tensors"]:
            curves[tag] = [
                (e.step, e.wall_time, tensor_util.make_ndarray(e.tensor_proto).item()) for e in accumulator.Tensors(tag)
            ]
        for tag, curve in sorted(curves.items()):
            for step, wall_time, value in curve:
                print(folder.relative_to(root), tag, step, wall_time, value, sep="\t")
                points += 1
    print(f"{len(files)} files, {points} points", file=sys.stderr)
    sys.exit(not (good and points))


if __name__ == "__main__":
    main()
