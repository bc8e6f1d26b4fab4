"""Writes tests/parity/cases/transfer-*.json: training steps and detections of small detectors by the reference in PyTorch.

    pip install torch torchvision pycocotools
    python tests/parity/transfer/generate.py

Weights and images come from formulas that Parallax has as well (`tests/parity/src/transfer.rs`), so a case holds results only.
Of several seeds the first is taken with which weights that are 1e-6 off give the same steps: a detector is full of decisions, and
a case must not hang on one.
"""

import json
import math
import pathlib

import torch

from reference import Config, Model, Training, shapes

MASK = 0xFFFFFFFF
STEPS = 3
SMALL = dict(width=8, classes=5, channels=16, hidden=32, base_lr=0.001, warmup_steps=2, milestones=(2,), rpn_batch=32, roi_batch=16)
SMALL.update(pre_nms=(100, 60), post_nms=(30, 20), detections=20)
CASES = {
    "c4-resnet18": ("voc-c4", dict(arch="resnet18")),
    "c4-resnet50": ("voc-c4", dict()),
    "c4-mask": ("coco-c4", dict()),
    "fpn-mask": ("coco-fpn", dict(arch="resnet18")),
}
SIZES = [(64, 96), (80, 56)]


def mix(stream, index):
    x = (index * 0x9E3779B1 + stream * 0x85EBCA77 + 0x165667B1) & MASK
    x ^= x >> 15
    x = (x * 0x2C1B3C6D) & MASK
    x ^= x >> 12
    x = (x * 0x297A2D39) & MASK
    return x ^ (x >> 15)


def noise(stream, count, scale, offset=0.0):
    bits = mix(stream, torch.arange(count))
    return (offset + scale * (bits.double() / 4294967296 - 0.5)).float()


def stream_of(name):
    """FNV-1a of the name."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ byte) * 0x01000193) & MASK
    return value


def weights(shapes, seed):
    found = {}
    for name, shape in shapes.items():
        stream, count = (stream_of(name) + seed) & MASK, math.prod(shape)
        fan_in = math.prod(shape[1:])
        last = ".res" in name and (".conv3.norm" in name or (".conv2.norm" in name and name.replace("conv2", "conv3") not in shapes))
        if name.endswith("running_mean"):
            value = noise(stream, count, 0.2)
        elif name.endswith("running_var"):
            value = noise(stream, count, 0.2, 1.1)
        elif ".norm.weight" in name:
            value = noise(stream, count, 0.02, 0.15) if last else noise(stream, count, 0.2, 1.0)
        elif name.endswith("bias"):
            value = noise(stream, count, 0.1)
        elif "anchor_deltas" in name or "bbox_pred" in name:
            value = noise(stream, count, 0.7 / math.sqrt(fan_in))
        elif "objectness" in name or "cls_score" in name:
            value = noise(stream, count, 3.5 / math.sqrt(fan_in))
        else:
            value = noise(stream, count, 4.9 / math.sqrt(fan_in))
        found[name] = value.view(shape)
    return found


def image(stream, height, width):
    """Blocks of 8 pixels with a little noise."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    planes = []
    for channel in range(3):
        block = mix(stream, ((y // 8) * 64 + x // 8) * 4 + channel) >> 24
        pixel = mix(stream + 1, (y * 1024 + x) * 4 + channel) >> 26
        planes.append(block * 3 // 4 + pixel)
    return torch.stack(planes).to(torch.uint8)


def batch(config, step):
    found = dict(images=[], boxes=[], classes=[], polygons=[])
    for number, (height, width) in enumerate(SIZES):
        stream = 1000 + 16 * step + 4 * number
        found["images"].append(image(stream, height, width))
        units = noise(stream + 2, 12, 1.0, 0.5).view(3, 4)
        side = (0.25 + 0.4 * units[:, 2:]).float()
        corner = (units[:, :2] * (1 - side)).float()
        size = torch.tensor([width, height], dtype=torch.float32)
        boxes = torch.cat([corner * size, (corner + side) * size], 1)
        found["boxes"].append(boxes)
        found["classes"].append(mix(stream + 3, torch.arange(3)) % config.classes)
        # A triangle and, for the first object, a rectangle.
        polygons = []
        for at, box in enumerate(boxes.double().tolist()):
            x1, y1, x2, y2 = box
            own = [[x1, y1, x2, (y1 + y2) / 2, (x1 + x2) / 2, y2]]
            if at == 0:
                own.append([x1, (y1 + y2) / 2, (x1 + x2) / 2, (y1 + y2) / 2, (x1 + x2) / 2, y2, x1, y2])
            polygons.append(own)
        found["polygons"].append(polygons)
    return found


def steps(config, given, batches):
    model = Model(config, given)
    training = Training(model)
    lines, first = [], None
    for number, one in enumerate(batches):
        line, dump = training.take(one)
        first = first or dump
        lines.append(line)
    return model, lines, first


def close(lines, others):
    for line, other in zip(lines, others):
        for key in ("rpn_pos", "rpn_neg", "roi_fg", "roi_bg", "proposals"):
            if line[key] != other[key]:
                return False
        for name, value in line["losses"].items():
            if abs(value - other["losses"][name]) > 1e-4 * abs(value):
                return False
        if abs(line["grad_norm"] - other["grad_norm"]) > 1e-3 * line["grad_norm"]:
            return False
    return True


def case(name):
    task, values = CASES[name]
    config = Config(task, **{**SMALL, **values})
    batches = [batch(config, step) for step in range(STEPS)]
    for seed in range(100):
        given = weights(shapes(config), seed)
        model, lines, first = steps(config, given, batches)
        moved = {n: t * (1 + 1e-6 * torch.randn(t.shape, generator=torch.Generator().manual_seed(5))) for n, t in given.items()}
        other, others, _ = steps(config, moved, batches)
        seen, again = (Model(config, t).detect(image(77, 72, 88), (100, 130)) for t in (given, moved))
        same = len(seen[0]) == len(again[0]) and torch.equal(seen[2], again[2]) and torch.allclose(seen[0], again[0], atol=1e-2)
        if close(lines, others) and same and len(seen[0]) > 2 and lines[0]["roi_fg"] > 0:
            break
    else:
        raise SystemExit(f"{name}: no seed")
    gradients = {n[5:]: float(v) for n, v in first.items() if n.startswith("grad.")}
    precise = model.precise(batches)
    boxes, scores, classes, masks = seen
    norm = lambda t: float(t.detach().double().norm())
    result = dict(
        task=task, arch=config.arch, seed=seed, steps=lines, gradients=gradients,
        after={n: norm(model.t[n]) for n in given},
        moved={n: norm(model.t[n].detach() - given[n]) for n in given},
        precise={n: norm(precise[n]) for n in given if "running_" in n},
        boxes=[[round(v, 4) for v in box] for box in boxes.tolist()], scores=scores.tolist(), classes=classes.tolist(),
    )
    if masks is not None:
        result["mask_areas"] = masks.flatten(1).sum(1).tolist()
    result["recipe"] = [
        f"model.arch={config.arch}", f"model.width={config.width}", f"model.classes={config.classes}", "run.batch_size=2", "run.total_steps=100",
        f"optimizer.base_lr={config.base_lr}", f"schedule.warmup_steps={config.warmup_steps}", f"schedule.milestones={list(config.milestones)}",
        f"detector.rpn_batch={config.rpn_batch}", f"detector.roi_batch={config.roi_batch}", f"detector.pre_nms={list(config.pre_nms)}",
        f"detector.post_nms={list(config.post_nms)}", f"detector.channels={config.channels}", f"detector.hidden={config.hidden}",
        f"detector.detections={config.detections}",
    ]
    path = pathlib.Path(__file__).parents[1] / "cases" / f"transfer-{name}.json"
    path.write_text(json.dumps(result, indent=0) + "\n")
    print(name, "seed", seed, "detections", len(boxes), lines[-1]["losses"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in CASES:
        case(name)
