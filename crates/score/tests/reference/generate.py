"""Random cases with the scores of pycocotools, cityscapesScripts and a plain VOC scorer.

    python3 -m venv venv && venv/bin/pip install numpy pillow pycocotools cityscapesscripts
    venv/bin/python crates/score/tests/reference/generate.py

writes `coco.json`, `voc.json`, `cityscapes.json` and `polygons.json` beside itself.
"""

import contextlib
import io
import json
import pathlib
import random

import numpy as np
from pycocotools import mask as masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HERE = pathlib.Path(__file__).parent
NAMES = "AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl".split()


def write(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


def polygon(draw, width, height):
    """A star around a point, partly outside of the image."""
    cx, cy = draw.uniform(-5, width + 5), draw.uniform(-5, height + 5)
    radius = draw.choice([3, 10, 30, 60, 140])
    angles = sorted(draw.uniform(0, 2 * np.pi) for _ in range(draw.randint(3, 9)))
    points = [(cx + radius * draw.uniform(0.3, 1) * np.cos(a), cy + radius * draw.uniform(0.3, 1) * np.sin(a)) for a in angles]
    digits = draw.choice([0, 1, 2])
    return [round(float(v), digits) for point in points for v in point]


def polygons():
    draw, cases = random.Random(1), []
    for _ in range(150):
        width, height = draw.randint(1, 90), draw.randint(1, 90)
        some = [polygon(draw, width, height) for _ in range(draw.choice([1, 1, 2, 3]))]
        if draw.random() < 0.3:
            some[0] += some[0][:4]  # a vertex twice
        rle = masks.merge(masks.frPyObjects(some, height, width))
        cases.append({"size": [height, width], "polygons": some, "counts": rle["counts"].decode()})
    write("polygons.json", cases)


def quiet(work):
    with contextlib.redirect_stdout(io.StringIO()):
        return work()


def coco_scores(truth, found, task):
    def work():
        gt = COCO()
        gt.dataset = json.loads(json.dumps(truth))  # it is changed
        gt.createIndex()
        if task == "segm":  # so that the area is the mask's
            found_ = [{k: v for k, v in d.items() if k != "bbox"} for d in found]
        else:
            found_ = [{k: v for k, v in d.items() if k != "segmentation"} for d in found]
        run = COCOeval(gt, gt.loadRes(json.loads(json.dumps(found_))), task)
        run.evaluate()
        run.accumulate()
        run.summarize()
        return run

    run = quiet(work)
    percent = lambda value: None if value <= -1 or np.isnan(value) else 100 * float(value)
    scores = {name: percent(value) for name, value in zip(NAMES, run.stats)}
    precision = run.eval["precision"]
    scores["per_category"] = {}
    for at, category in enumerate(run.params.catIds):
        of = precision[:, :, at, 0, -1]
        of = of[of > -1]
        name = next(c["name"] for c in truth["categories"] if c["id"] == category)
        scores["per_category"][name] = 100 * float(of.mean()) if of.size else None
    return scores


def coco():
    draw, cases = random.Random(2), []
    for number in range(3):
        images = [{"id": 10 + 7 * i, "width": 150 + 10 * i, "height": 120, "file_name": f"{i}.jpg"} for i in range(8)]
        draw.shuffle(images)
        categories = [{"id": i, "name": name} for i, name in ((3, "cat"), (7, "dog"), (8, "cow"), (90, "owl"))]
        annotations, found = [], []
        for image in images:
            width, height = image["width"], image["height"]
            for _ in range(draw.randint(0, 7)):
                shape = [polygon(draw, width, height)]
                rle = masks.merge(masks.frPyObjects(shape, height, width))
                if masks.area(rle) == 0:
                    continue
                crowd = draw.random() < 0.15
                box = [round(float(v), 2) for v in masks.toBbox(rle)]
                if crowd:
                    flat = np.asfortranarray(masks.decode(rle)).flatten(order="F")
                    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat])))
                    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
                    segmentation = {"size": [height, width], "counts": runs}
                else:
                    segmentation = shape
                category = draw.choice([3, 7, 8])
                annotations.append({"id": len(annotations) + 1, "image_id": image["id"], "category_id": category, "bbox": box,
                                    "area": float(masks.area(rle)), "iscrowd": int(crowd), "segmentation": segmentation})
                for _ in range(draw.choice([0, 1, 1, 2, 3])):
                    moved = [v + draw.uniform(-4, 4) * draw.choice([0.1, 1]) for v in shape[0]]
                    other = masks.merge(masks.frPyObjects([moved], height, width))
                    found.append({"image_id": image["id"], "category_id": category if draw.random() < 0.8 else 90,
                                  "bbox": [round(float(v), 1) for v in masks.toBbox(other)],
                                  "segmentation": {"size": [height, width], "counts": other["counts"].decode()},
                                  "score": round(draw.random(), draw.choice([1, 5]))})
        if number == 1:  # more than a hundred of one category in one image
            image = images[0]
            for _ in range(130):
                box = [draw.uniform(0, 100), draw.uniform(0, 80), draw.uniform(1, 40), draw.uniform(1, 40)]
                shape = [[box[0], box[1], box[0] + box[2], box[1], box[0] + box[2], box[1] + box[3], box[0], box[1] + box[3]]]
                rle = masks.merge(masks.frPyObjects(shape, image["height"], image["width"]))
                found.append({"image_id": image["id"], "category_id": 3, "bbox": [round(v, 1) for v in box],
                              "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()}, "score": round(draw.random(), 2)})
        truth = {"images": images, "categories": categories, "annotations": annotations}
        cases.append({"truth": truth, "detections": found, "bbox": coco_scores(truth, found, "bbox"), "segm": coco_scores(truth, found, "segm")})
    write("coco.json", cases)


def voc_ap(recall, precision):
    total = 0.0
    for t in np.arange(0.0, 1.1, 0.1):
        reached = recall >= t
        total += (np.max(precision[reached]) if np.any(reached) else 0.0) / 11.0
    return total


def voc_class(truth, lines, name, threshold):
    """methods.md 7.8: the lines are image, score, xmin, ymin, xmax, ymax."""
    boxes = {i: np.array([o["box"] for o in objects if o["name"] == name], dtype=float).reshape(-1, 4) for i, objects in truth.items()}
    hard = {i: [o["difficult"] for o in objects if o["name"] == name] for i, objects in truth.items()}
    positives = sum(not flag for flags in hard.values() for flag in flags)
    taken = {i: [False] * len(flags) for i, flags in hard.items()}
    lines = sorted(lines, key=lambda line: -line[1])
    tp, fp = np.zeros(len(lines)), np.zeros(len(lines))
    for at, (image, _, *box) in enumerate(lines):
        gt, best = boxes[image], -np.inf
        if gt.size:
            w = np.maximum(np.minimum(gt[:, 2], box[2]) - np.maximum(gt[:, 0], box[0]) + 1, 0)
            h = np.maximum(np.minimum(gt[:, 3], box[3]) - np.maximum(gt[:, 1], box[1]) + 1, 0)
            union = (box[2] - box[0] + 1) * (box[3] - box[1] + 1) + (gt[:, 2] - gt[:, 0] + 1) * (gt[:, 3] - gt[:, 1] + 1) - w * h
            overlaps = w * h / union
            best, place = np.max(overlaps), np.argmax(overlaps)
        if best > threshold:
            if not hard[image][place]:
                if taken[image][place]:
                    fp[at] = 1
                taken[image][place] = True
                tp[at] = 1 - fp[at]
        else:
            fp[at] = 1
    tp, fp = np.cumsum(tp), np.cumsum(fp)
    with np.errstate(invalid="ignore"):
        recall = tp / float(positives) if positives else np.full(len(lines), np.nan)
    return 100 * voc_ap(recall, tp / np.maximum(tp + fp, np.finfo(np.float64).eps))


def voc():
    draw, cases = random.Random(3), []
    for _ in range(3):
        names = ["bird", "cat", "dog", "owl", "pig"]  # no owl in the ground truth, no detection of a pig
        truth, found = {}, []
        for image in (f"{i:06}" for i in range(12)):
            truth[image] = []
            for _ in range(draw.randint(0, 4)):
                x, y, w, h = draw.randint(1, 200), draw.randint(1, 150), draw.randint(1, 90), draw.randint(1, 90)
                name = draw.choice(["bird", "cat", "dog", "pig"])
                truth[image].append({"name": name, "box": [x, y, x + w, y + h], "difficult": draw.random() < 0.2})
                for _ in range(draw.choice([0, 1, 1, 2])):
                    move = lambda v: v - 1 + draw.uniform(-6, 6)
                    found.append({"image_id": image, "category": name if name != "pig" else "owl",
                                  "box": [float(np.float32(v)) for v in (move(x), move(y), move(x + w), move(y + h))],
                                  "score": float(np.float32(round(draw.random(), 2)))})
        scores = {}
        for name in names:
            lines = []
            for d in found:
                if d["category"] == name:
                    x1, y1, x2, y2 = (np.float32(v) for v in d["box"])
                    x1, y1 = np.float32(x1 + np.float32(1)), np.float32(y1 + np.float32(1))
                    lines.append((d["image_id"], float(f"{d['score']:.3f}"), *(float(f"{float(v):.1f}") for v in (x1, y1, x2, y2))))
            at = {t: voc_class(truth, lines, name, t / 100.0) for t in range(50, 100, 5)}
            scores[name] = {"AP": float(np.mean(list(at.values()))), "AP50": at[50], "AP75": at[75]}
        mean = {key: float(np.mean([of[key] for of in scores.values()])) for key in ("AP", "AP50", "AP75")}
        cases.append({"truth": truth, "detections": found, "scores": {**mean, "per_class": scores}})
    write("voc.json", cases)


def cityscapes():
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as tool

    draw, cases = np.random.default_rng(4), []
    for labels in (list(range(34)), [7, 8, 11, 0, 23, 26], [7, 4]):
        quiet(lambda: tool.generateMatrix(tool.args))
        matrix = quiet(lambda: tool.generateMatrix(tool.args))
        pairs = []
        for _ in range(2):
            truth = draw.choice(labels, (12, 17))
            other = draw.choice(labels, (12, 17))
            prediction = np.where(draw.random((12, 17)) < 0.6, truth, other)
            for t, p in zip(truth.ravel(), prediction.ravel()):
                matrix[t][p] += 1
            pairs.append({"truth": truth.ravel().tolist(), "prediction": prediction.ravel().tolist()})
        label = {l.name: tool.getIouScoreForLabel(l.id, matrix, tool.args) for l in tool.labels if l.id >= 0 and not l.ignoreInEval}
        category = {c: tool.getIouScoreForCategory(c, matrix, tool.args) for c in tool.category2labels if c != "void"}
        percent = lambda value: None if np.isnan(value) else 100 * float(value)
        mean = lambda values: percent(np.mean([v for v in values if not np.isnan(v)] or [np.nan]))
        cases.append({"pairs": pairs, "scores": {
            "IoU": mean(label.values()), "IoU_sup": mean(category.values()),
            "per_class": {k: percent(v) for k, v in label.items()}, "per_category": {k: percent(v) for k, v in category.items()}}})
    write("cityscapes.json", cases)


polygons()
coco()
voc()
cityscapes()
