"""Resampling and the loss of the hardest pixels by torch and torchvision, with their gradients.

    python3 -m venv venv && venv/bin/pip install torch torchvision
    venv/bin/python crates/kernels/tests/torch/generate.py

writes `spatial.json` beside itself. Inputs come from a formula (`values`), so that only results are stored, channels last.
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F
from torchvision.ops import roi_align


def values(shape, phase, dtype=torch.float32):
    count = math.prod(shape)
    return torch.tensor([math.sin((i % 7919) * (0.61 + phase)) for i in range(count)], dtype=torch.float64).to(dtype).reshape(shape)


def channels_first(shape, phase, dtype=torch.float32):
    return values(shape, phase, dtype).permute(0, 3, 1, 2).contiguous()


def flat(x):
    return [float(f"{v:.8g}") for v in x.detach().reshape(-1).tolist()]


def last(x):
    return flat(x.permute(0, 2, 3, 1))


def with_gradient(x, f):
    """The output, and the gradient of a weighted sum of it."""
    x.requires_grad_()
    y = f(x)
    weights = channels_first([y.shape[0], y.shape[2], y.shape[3], y.shape[1]], 0.29, y.dtype)
    (y * weights).sum().backward()
    return {"output": last(y), "shape": [y.shape[0], y.shape[2], y.shape[3], y.shape[1]], "grad": last(x.grad)}


ROIS = [
    [0, 10.3, 20.7, 90.2, 100.9],
    [1, 0, 0, 208, 176],  # the whole image
    [0, -40, -30, 60, 50],  # partly outside
    [1, 300, 300, 400, 400],  # outside
    [0, 50, 50, 50, 50],  # empty
    [1, 60, 40, 50, 30],  # inverted
    [0, 5.1, 5.2, 5.9, 6.3],  # within a pixel
    [1, -500, -400, 800, 900],  # larger than the image
    [0, 16, 16, 48, 48],  # samples on whole coordinates
    [1, 190, 160, 208, 176],  # the last pixel
]


def roi_case(scale, output, ratio, aligned):
    rois = torch.tensor(ROIS)
    case = with_gradient(
        channels_first([2, 11, 13, 3], 0.0),
        lambda x: roi_align(x, rois, output, scale, ratio, aligned),
    )
    return {"scale": scale, "output_size": output, "sampling_ratio": ratio, "aligned": aligned, **case}


def double(shape, f):
    return with_gradient(channels_first(shape, 0.0, torch.float64), f)


def hard_pixels(share):
    """detectron2's hard-pixel mining, in f64."""
    n, h, w, classes, stride, ignore = 2, 5, 6, 7, 8, 255
    logits = (3 * channels_first([n, h, w, classes], 0.0, torch.float64)).requires_grad_()
    count = n * h * w * stride * stride
    labels = torch.tensor([ignore if i * 7 % 11 == 0 else i * i // 50 % classes for i in range(count)])
    up = F.interpolate(logits, scale_factor=stride, mode="bilinear", align_corners=False)
    labels = labels.reshape(n, h * stride, w * stride)
    losses = F.cross_entropy(up, labels, reduction="none", ignore_index=ignore).reshape(-1)
    loss = losses.topk(int(share * count)).values.mean()
    loss.backward()
    return {"share": share, "loss": loss.item(), "grad": last(logits.grad)}


deconv_weight = values([5, 4, 2, 2], 0.17, torch.float64)
deconv_bias = values([4], 0.41, torch.float64)
cases = {
    "rois": ROIS,
    "roi_align": [
        roi_case(1 / 16, 7, 0, True),
        roi_case(1 / 16, 4, 2, True),
        roi_case(0.07, 3, 0, False),
        roi_case(1 / 16, 2, 3, False),
    ],
    "resize_bilinear": [
        {"size": size, **double([2, 6, 5, 3], lambda x: F.interpolate(x, size=size, mode="bilinear", align_corners=False))}
        for size in ([12, 15], [6, 5], [4, 3], [1, 1], [13, 2])
    ],
    "scale_bilinear": [
        {"scale": scale, **double([1, 6, 5, 4], lambda x: F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False))}
        for scale in (2, 3, 8, 1.7, 0.6)
    ],
    "nearest": double([2, 4, 5, 3], lambda x: F.interpolate(x, scale_factor=2, mode="nearest")),
    "average_pool": [
        {"kernel": kernel, **double([2, 6, 5, 3], lambda x: F.avg_pool2d(x, kernel, 1))}
        for kernel in ([2, 3], [6, 5], [1, 1], [5, 1])
    ],
    "deconv": double([2, 3, 4, 5], lambda x: F.conv_transpose2d(x, deconv_weight, deconv_bias, 2)),
    "hard_pixels": [hard_pixels(share) for share in (0.2, 1.0, 0.001)],
}
path = pathlib.Path(__file__).with_name("spatial.json")
path.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
