"""Weights and batches for comparisons: random, but well-conditioned, so that f32 rounding flips no decision."""

import math

import torch


def weights(shapes, seed):
    """He-normal weights, batch norm near the identity with small residual branches, and heads with some spread."""
    g = torch.Generator().manual_seed(seed)
    found = {}
    for name, shape in shapes.items():
        n = lambda std: torch.randn(shape, generator=g) * std
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 1
        if name.endswith("running_mean"):
            value = n(0.1)
        elif name.endswith("running_var"):
            value = 1 + 0.2 * torch.rand(shape, generator=g)
        elif ".norm." in name and name.endswith("weight"):
            last = any(part in name for part in ("conv3.norm", "conv2.norm")) and ".res" in name
            last = last and not ("conv2.norm" in name and name.replace("conv2.norm", "conv3.norm") in shapes)
            value = (0.15 if last else 1.0) * (1 + 0.1 * n(1.0))
        elif name.endswith("bias"):
            value = n(0.05)
        elif "objectness" in name:
            value = n(1.0 / math.sqrt(fan_in))
        elif "anchor_deltas" in name or "bbox_pred" in name:
            value = n(0.2 / math.sqrt(fan_in))
        elif "cls_score" in name:
            value = n(1.0 / math.sqrt(fan_in))
        else:
            value = n(math.sqrt(2.0 / fan_in))
        found[name] = value.float()
    return found


def image(g, height, width):
    """Smooth colours with some noise."""
    coarse = torch.rand(1, 3, height // 16 + 2, width // 16 + 2, generator=g)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0]
    noise = torch.rand(3, height, width, generator=g)
    return (255 * (0.8 * smooth + 0.2 * noise)).to(torch.uint8)


def polygon(g, box):
    """A hexagon in a box, with f64 vertices."""
    x1, y1, x2, y2 = (float(value) for value in box)
    points = []
    for corner in range(6):
        radius = 0.35 + 0.15 * float(torch.rand(1, generator=g))
        angle = corner * math.pi / 3
        points += [(x1 + x2) / 2 + radius * (x2 - x1) * math.cos(angle), (y1 + y2) / 2 + radius * (y2 - y1) * math.sin(angle)]
    return points


def batch(g, config, sizes):
    """Images of the given sizes with two to four objects each, and in a batch of several one without any."""
    found = dict(images=[], boxes=[], classes=[], polygons=[])
    for height, width in sizes:
        found["images"].append(image(g, height, width))
        count = 2 + int(torch.randint(3, (1,), generator=g))
        side = torch.rand(count, 2, generator=g) * 0.45 + 0.2
        size = torch.tensor([width, height], dtype=torch.float32)
        corner = torch.rand(count, 2, generator=g) * (1 - side)
        boxes = torch.cat([corner * size, (corner + side) * size], 1).float()
        found["boxes"].append(boxes)
        found["classes"].append(torch.randint(config.classes, (count,), generator=g))
        found["polygons"].append([[polygon(g, box)] + ([polygon(g, box)] if at == 0 else []) for at, box in enumerate(boxes)])
    return found


def tensors(batches, tests, masks):
    """Batches and test images as `parallax transfer-trace --batches` reads them. `tests`: images with sizes of results."""
    found = {}
    for step, batch in enumerate(batches):
        for number, image in enumerate(batch["images"]):
            key = f"{step}.{number}"
            found[f"image.{key}"] = image
            found[f"boxes.{key}"] = batch["boxes"][number]
            found[f"classes.{key}"] = batch["classes"][number]
            if masks:
                objects = batch["polygons"][number]
                all_points = [point for polygons in objects for points in polygons for point in points]
                found[f"polygons.{key}"] = torch.tensor(all_points, dtype=torch.float64).view(-1, 2)
                splits = [[at, len(points) // 2] for at, polygons in enumerate(objects) for points in polygons]
                found[f"polygon_splits.{key}"] = torch.tensor(splits)
    for number, (image, size) in enumerate(tests):
        found[f"test.image.{number}"] = image
        found[f"test.size.{number}"] = torch.tensor(size)
    return found
