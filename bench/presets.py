"""Shows that what each preset of the page says happens, with three seeds.

    python bench/presets.py --parallax target/release/parallax [--out runs/presets] [collapse] [colour] [classes]

The runs are those of `web/page/src/page/presets.ts`, by the command line; those that are done are not repeated. Needs numpy, and for
`colour` also Pillow. Prints a table for each preset; exits with 1 where a sentence does not hold for a seed.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import numpy

SAMPLE = pathlib.Path(__file__).parent.parent / "crates/data/sample"
SEEDS = (0, 1, 2)


class Runs:
    """Runs by the command line in one folder."""

    def __init__(self, parallax, folder):
        self.parallax, self.folder = parallax, folder

    def call(self, *words):
        subprocess.run([self.parallax, *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def pretrain(self, name, seed, recipe, *overrides):
        """Events of a run and its folder."""
        out = self.folder / f"{name}-{seed}"
        if not (out / "done").exists():
            values = [f"run.seed={seed}", *overrides]
            options = [word for value in values for word in ("--set", value)]
            resume = ["--resume"] if out.exists() else []
            self.call("pretrain", f"page/{recipe}", "--device", "cpu", "--out", out, *options, *resume)
        return [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()], out

    def features(self, out, split):
        """Features of the sample's images, normalised to length 1."""
        place = out / f"{split}.npy"
        if not place.exists():
            self.call("features", "--weights", out, "--data", "sample", "--split", split, "--out", place, "--device", "cpu")
        rows = numpy.load(place)
        return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def part(ratio):
    """Overrides that leave out classes, with as many steps as all of them would take."""
    return [f"data.class_ratio={ratio}", "run.constant_iterations=true"]


def steps(events):
    return [event for event in events if event["event"] == "step"]


def final(events, encoder, key):
    table = next(event["table"] for event in events if event["event"] == "done")
    return next(row[key] for row in table if row["encoder"] == encoder)


def mean_colours(split):
    """Mean colour of each image, with the mean over all images subtracted."""
    from PIL import Image

    sheet = numpy.asarray(Image.open(SAMPLE / f"{split}.webp").convert("RGB"), dtype=float)
    down, across = sheet.shape[0] // 32, sheet.shape[1] // 32
    tiles = sheet.reshape(down, 32, across, 32, 3).mean(axis=(1, 3)).reshape(-1, 3)
    return tiles - tiles.mean(axis=0)


def colour_distance(runs, out):
    """Distance in mean colour of held-out images to their nearest training images, as a part of that to any training image."""
    train, test = mean_colours("train"), mean_colours("test")
    near = numpy.argsort(-runs.features(out, "test") @ runs.features(out, "train").T, axis=1)[:, :8]
    apart = numpy.linalg.norm(test[:, None] - train[None], axis=2)
    return numpy.take_along_axis(apart, near, 1).mean() / apart.mean()


def collapse(runs):
    print("collapse: the spread falls towards zero, the loss is almost perfect\nseed  spread with, without  loss with, without")
    for seed in SEEDS:
        (usual, _), (without, _) = (runs.pretrain(name, seed, "byol-tiny", "run.total_steps=200", *more) for name, more in (("pred", []), ("nopred", ["method.predictor=false"])))
        a, b = steps(usual)[-1], steps(without)[-1]
        print(f"{seed}     {a['embedding_std']:.2f}, {b['embedding_std']:.2f}               {a['loss']:.2f}, {b['loss']:.2f}")
        yield b["embedding_std"] < 0.2 < 0.6 < a["embedding_std"] and b["loss"] < 0.1 * a["loss"]


def colour(runs):
    print("colour: the loss is lower, and neighbours have the same colours\nseed  loss with, without  distance in colour with, without")
    for seed in SEEDS:
        pair = [runs.pretrain(name, seed, "moco-v2-plus-tiny", "run.total_steps=400", *more) for name, more in (("colour", []), ("nocolour", ["views.pipeline=supervised"]))]
        (a, b), (far, near) = ([numpy.mean([event["loss"] for event in steps(events)[-30:]]) for events, _ in pair], [colour_distance(runs, out) for _, out in pair])
        print(f"{seed}     {a:.2f}, {b:.2f}          {far:.2f}, {near:.2f}")
        yield b < a and near < far


def classes(runs):
    print("classes: without labels kNN accuracy ends higher\nseed  untrained  supervised  MoCo v2+")
    for seed in SEEDS:
        (labels, _), (views, _) = (runs.pretrain(name, seed, recipe, *part(0.1), "run.total_steps=400") for name, recipe in (("sup10", "supervised-tiny"), ("moco10", "moco-v2-plus-tiny")))
        untrained, a, b = final(labels, "random", "knn"), final(labels, "trained", "knn"), final(views, "trained", "knn")
        print(f"{seed}     {untrained:.1f}       {a:.1f}        {b:.1f}")
        yield a < b


PRESETS = {one.__name__: one for one in (collapse, colour, classes)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parallax", default="parallax", help="the program")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/presets"), help="folder of the runs")
    parser.add_argument("presets", nargs="*", choices=[*PRESETS, []], help="those to check; all by default")
    arguments = parser.parse_args()
    runs = Runs(arguments.parallax, arguments.out)
    held = [all(list(PRESETS[name](runs))) for name in arguments.presets or PRESETS]
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
