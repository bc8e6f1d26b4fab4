"""Box logic computed by torch, torchvision and pycocotools, in f32.

    python3 -m venv venv && venv/bin/pip install torch torchvision pycocotools
    venv/bin/python crates/boxes/tests/reference/generate.py

writes `boxes.json` beside itself. torchvision has NMS; the rest follows detectron2 0.6's rules (methods.md 7.3).
"""

import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from pycocotools import mask as masks
from torchvision.ops import nms

torch.manual_seed(0)
torch.set_default_dtype(torch.float32)


def flat(tensor):
    return tensor.reshape(-1).tolist()


def boxes(count, side=100.0, least=1.0):
    low = torch.rand(count, 2) * side
    return torch.cat([low, low + least + torch.rand(count, 2) * side * 0.6], 1)


def iou(a, b):
    low, high = torch.max(a[:, None, :2], b[None, :, :2]), torch.min(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(2)
    area = lambda x: (x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1])
    return torch.where(shared > 0, shared / (area(a)[:, None] + area(b)[None] - shared), torch.zeros(1))


def centre(x):
    w, h = x[:, 2] - x[:, 0], x[:, 3] - x[:, 1]
    return x[:, 0] + 0.5 * w, x[:, 1] + 0.5 * h, w, h


def encode(a, b, weights):
    (x, y, w, h), (tx, ty, tw, th) = centre(a), centre(b)
    wx, wy, ww, wh = weights
    return torch.stack([wx * (tx - x) / w, wy * (ty - y) / h, ww * torch.log(tw / w), wh * torch.log(th / h)], 1)


def decode(a, deltas, weights):
    x, y, w, h = (v[:, None] for v in centre(a))
    d = deltas.reshape(len(a), -1, 4) / torch.tensor(weights)
    most = math.log(1000.0 / 16)
    x, y = d[..., 0] * w + x, d[..., 1] * h + y
    w, h = torch.exp(d[..., 2].clamp(max=most)) * w, torch.exp(d[..., 3].clamp(max=most)) * h
    return torch.stack([x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h], 2).reshape(len(a), -1)


def anchors(grid, stride, sizes, ratios):
    cell = []
    for size in sizes:
        for ratio in ratios:
            w = math.sqrt(size**2.0 / ratio)
            h = ratio * w
            cell.append([-w / 2.0, -h / 2.0, w / 2.0, h / 2.0])
    cell = torch.tensor(cell)
    ys, xs = (torch.arange(0, n * stride, step=stride, dtype=torch.float32) for n in grid)
    ys, xs = torch.meshgrid(ys, xs, indexing="ij")
    shifts = torch.stack([xs, ys, xs, ys], 2).reshape(-1, 1, 4)
    return (shifts + cell[None]).reshape(-1, 4)


def match(objects, found, thresholds, labels, low_quality):
    matrix = iou(objects, found)
    values, places = matrix.max(0)
    out = torch.full_like(places, labels[0])
    for label, low, high in zip(labels, [-math.inf, *thresholds], [*thresholds, math.inf]):
        out[(values >= low) & (values < high)] = label
    if low_quality:
        out[(matrix == matrix.max(1).values[:, None]).any(0)] = 1
    return places, out


def nms_groups(found, scores, groups, threshold):
    kept = torch.zeros(len(found), dtype=torch.bool)
    for group in groups.unique():
        mine = (groups == group).nonzero().reshape(-1)
        kept[mine[nms(found[mine], scores[mine], threshold)]] = True
    order = torch.sort(scores, descending=True, stable=True).indices
    return order[kept[order]]


def clip(found, size):
    h, w = size
    x, y = found[:, 0::2].clamp(0, w), found[:, 1::2].clamp(0, h)
    return torch.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], 1)


def area_left(found):
    return (found[:, 2] - found[:, 0] > 0) & (found[:, 3] - found[:, 1] > 0)


def proposals(levels, size, pre, post, threshold):
    out, logits, groups = [], [], []
    for level, (found, scores) in enumerate(levels):
        order = torch.sort(scores, descending=True, stable=True).indices[:pre]
        found, scores = clip(found[order], size), scores[order]
        left = area_left(found)
        out.append(found[left]), logits.append(scores[left]), groups.append(torch.full((int(left.sum()),), level))
    out, logits, groups = torch.cat(out), torch.cat(logits), torch.cat(groups)
    kept = nms_groups(out, logits, groups, threshold)[:post]
    return out[kept], logits[kept]


def detections(found, logits, deltas, o):
    classes = logits.shape[1] - 1
    scores = F.softmax(logits, 1)[:, :-1]
    decoded = clip(decode(found, deltas, o["weights"]).reshape(-1, 4), o["image"]).reshape(-1, classes, 4)
    wanted = (scores > o["score"]).nonzero()
    decoded, scores, group = decoded[wanted[:, 0], wanted[:, 1]], scores[wanted[:, 0], wanted[:, 1]], wanted[:, 1]
    kept = nms_groups(decoded, scores, group, o["nms"])[: o["top"]]
    y, x = (o["output"][i] / o["image"][i] for i in (0, 1))
    scaled = decoded[kept] * torch.tensor([x, y, x, y])
    scaled = clip(scaled, o["output"])
    left = area_left(scaled)
    return scaled[left], scores[kept][left], group[kept][left]


def paste(mask, box, size, threshold):
    h, w = size
    ys = (torch.arange(h, dtype=torch.float32) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
    xs = (torch.arange(w, dtype=torch.float32) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
    grid = torch.stack([xs[None].expand(h, w), ys[:, None].expand(h, w)], 2)[None]
    return (F.grid_sample(mask[None, None], grid, align_corners=False)[0, 0] >= threshold).int()


def target(polygons, box, size):
    scale = lambda side: size / max(float(side), 0.1)
    moved = [[(v - float(box[i % 2])) * (scale(box[2] - box[0]), scale(box[3] - box[1]))[i % 2] for i, v in enumerate(p)] for p in polygons]
    return masks.decode(masks.merge(masks.frPyObjects(moved, size, size)))


def main():
    case = {}
    grids, strides, sizes, ratios = [[3, 5], [2, 2]], [16, 32], [[32.0, 64.0], [100.0]], [0.5, 1.0, 2.0]
    made = torch.cat([anchors(g, s, z, ratios) for g, s, z in zip(grids, strides, sizes)])
    case["anchors"] = {"grids": grids, "strides": strides, "sizes": sizes, "ratios": ratios, "anchors": flat(made)}

    a, b, weights = boxes(20), boxes(20), [10.0, 10.0, 5.0, 5.0]
    deltas = torch.randn(20, 8) * torch.tensor([3.0, 3.0, 20.0, 5.0] * 2)
    case["code"] = {"from": flat(a), "to": flat(b), "weights": weights, "encoded": flat(encode(a, b, weights)),
                    "deltas": flat(deltas), "decoded": flat(decode(a, deltas, weights))}
    case["iou"] = {"a": flat(a), "b": flat(b), "iou": flat(iou(a, b))}

    grid = anchors([7, 9], 16, [32.0, 64.0], ratios)
    # Sides that several anchors contain: which of them tie is decided by rounding.
    objects = torch.cat([boxes(3, 90.0), torch.tensor([[40.3, 40.7, 47.9, 46.1], [60.0, 30.0, 70.0, 50.0], [400.0, 400.0, 410.0, 410.0]])])
    case["match"] = []
    for thresholds, labels, low_quality, some in (([0.3, 0.7], [0, -1, 1], True, objects), ([0.3, 0.7], [0, -1, 1], True, objects[:5]),
                                                  ([0.5], [0, 1], False, objects)):
        places, found = match(some, grid, thresholds, labels, low_quality)
        case["match"].append({"objects": flat(some), "boxes": flat(grid), "thresholds": thresholds, "labels": labels,
                              "low_quality": low_quality, "places": flat(places), "found": flat(found)})

    found, scores = boxes(300, 60.0), torch.rand(300).mul(50).round().div(50)
    found[7, 2:] = found[7, :2]
    groups = torch.randint(0, 3, (300,))
    case["nms"] = {"boxes": flat(found), "scores": flat(scores), "groups": flat(groups), "threshold": 0.5,
                   "kept": flat(nms_groups(found, scores, groups, 0.5))}

    levels = [(boxes(n, 120.0) - 15.0, torch.randn(n)) for n in (120, 60)]
    size, pre, post = [90, 110], 50, 40
    out, logits = proposals(levels, size, pre, post, 0.7)
    case["proposals"] = {"levels": [[flat(x), flat(y)] for x, y in levels], "image": size, "pre_nms": pre, "post_nms": post,
                         "threshold": 0.7, "boxes": flat(out), "logits": flat(logits)}

    large = boxes(60, 400.0)
    area = (large[:, 2] - large[:, 0]) * (large[:, 3] - large[:, 1])
    level = torch.floor(4 + torch.log2(torch.sqrt(area) / 224 + 1e-8)).clamp(2, 5).long()
    case["levels"] = {"boxes": flat(large), "levels": flat(level)}

    options = {"image": [90, 110], "output": [200, 233], "score": 0.05, "nms": 0.5, "top": 20, "weights": weights}
    a = clip(boxes(40, 80.0), options["image"])
    logits, deltas = torch.randn(40, 6) * 2, torch.randn(40, 20)
    out, scores, classes = detections(a, logits, deltas, options)
    case["detections"] = {**options, "proposals": flat(a), "logits": flat(logits), "deltas": flat(deltas),
                          "boxes": flat(out), "scores": flat(scores), "classes": flat(classes)}

    case["paste"], case["targets"] = [], []
    for box in ([3.3, 2.1, 17.8, 12.4], [-6.0, -3.5, 8.2, 30.0], [10.2, 10.1, 10.9, 10.6], [0.0, 0.0, 24.0, 20.0]):
        box, mask, side = torch.tensor(box), torch.rand(7, 7), 7
        case["paste"].append({"mask": flat(mask), "side": side, "box": flat(box), "image": [20, 24], "threshold": 0.5,
                              "pasted": flat(paste(mask, box, (20, 24), 0.5))})
        rng = np.random.default_rng(len(case["paste"]))
        polygons = [rng.uniform(-2, 22, 2 * n).round(2).tolist() for n in (5, 4)]
        case["targets"].append({"polygons": polygons, "box": flat(box), "size": 14, "target": target(polygons, box.numpy(), 14).reshape(-1).tolist()})
    path = pathlib.Path(__file__).parent / "boxes.json"
    path.write_text(json.dumps(case, separators=(",", ":")) + "\n")


main()
