"""Detectors and their training in PyTorch, as docs/methods.md and detectron2 0.6 describe them: what `parallax transfer-trace`
is compared with. Made of torch.nn.functional, torchvision.ops and pycocotools; nothing is taken from Parallax.

Tensors have detectron2's names. A model is the dictionary of its tensors.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from pycocotools import mask as coco
from torchvision.ops import nms, roi_align

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}
MEAN = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
SIZES = (32.0, 64.0, 128.0, 256.0, 512.0)
RATIOS = (0.5, 1.0, 2.0)


class Config:
    """What a recipe says; the defaults are those of the paper."""

    def __init__(self, task, **values):
        fpn = task == "coco-fpn"
        self.task, self.fpn, self.masks = task, fpn, task.startswith("coco")
        self.arch, self.width, self.classes = "resnet50", 64, 80 if self.masks else 20
        self.base_lr, self.weight_decay, self.total_steps = 0.02, 1e-4, 9000
        self.warmup_steps, self.milestones = 100, ()
        self.rpn_batch, self.roi_batch = 256, 512
        self.pre_nms = (2000, 1000) if fpn else (12000, 6000)
        self.post_nms = (1000, 1000) if fpn else (2000, 1000)
        self.score_threshold, self.detections = 0.05, 100
        self.channels, self.hidden = 256, 1024
        for key, value in values.items():
            assert hasattr(self, key), key
            setattr(self, key, value)

    @property
    def bottleneck(self):
        return self.arch == "resnet50"

    def stage_channels(self, stage):
        return (4 if self.bottleneck else 1) * (self.width << stage)


def shapes(c):
    """Names and shapes of all tensors; those of batch norm are running_* and weight, bias."""
    found = {}

    def conv(name, inputs, outputs, kernel, norm=True, bias=False):
        found[f"{name}.weight"] = (outputs, inputs, kernel, kernel)
        if bias:
            found[f"{name}.bias"] = (outputs,)
        if norm:
            batch_norm(f"{name}.norm", outputs)

    def batch_norm(name, channels):
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.{part}"] = (channels,)

    def stage(prefix, number, inputs):
        width, outputs = c.width << number, c.stage_channels(number)
        for block in range(BLOCKS[c.arch][number]):
            name = f"{prefix}.{block}"
            if c.bottleneck:
                conv(f"{name}.conv1", inputs, width, 1)
                conv(f"{name}.conv2", width, width, 3)
                conv(f"{name}.conv3", width, outputs, 1)
            else:
                conv(f"{name}.conv1", inputs, width, 3)
                conv(f"{name}.conv2", width, outputs, 3)
            if block == 0 and (number > 0 or inputs != outputs):
                conv(f"{name}.shortcut", inputs, outputs, 1)
            inputs = outputs
        return inputs

    backbone = "backbone.bottom_up" if c.fpn else "backbone"
    conv(f"{backbone}.stem.conv1", 3, c.width, 7)
    inputs = c.width
    for number in range(4 if c.fpn else 3):
        inputs = stage(f"{backbone}.res{number + 2}", number, inputs)
    if c.fpn:
        for number in range(4):
            conv(f"backbone.fpn_lateral{number + 2}", c.stage_channels(number), c.channels, 1)
            conv(f"backbone.fpn_output{number + 2}", c.channels, c.channels, 3)
    rpn, cell = (c.channels, 3) if c.fpn else (inputs, 15)
    head = "proposal_generator.rpn_head"
    conv(f"{head}.conv", rpn, rpn, 3, norm=False, bias=True)
    conv(f"{head}.objectness_logits", rpn, cell, 1, norm=False, bias=True)
    conv(f"{head}.anchor_deltas", rpn, 4 * cell, 1, norm=False, bias=True)
    if c.fpn:
        for number in range(4):
            conv(f"roi_heads.box_head.conv{number + 1}", c.channels, c.channels, 3)
        found["roi_heads.box_head.fc1.weight"] = (c.hidden, 49 * c.channels)
        found["roi_heads.box_head.fc1.bias"] = (c.hidden,)
        features = c.hidden
    else:
        features = stage("roi_heads.res5", 3, inputs)
        batch_norm("roi_heads.res5.norm", features)
    for name, outputs in (("cls_score", c.classes + 1), ("bbox_pred", 4 * c.classes)):
        found[f"roi_heads.box_predictor.{name}.weight"] = (outputs, features)
        found[f"roi_heads.box_predictor.{name}.bias"] = (outputs,)
    if c.masks:
        name = "roi_heads.mask_head"
        inputs = features
        if c.fpn:
            for number in range(4):
                conv(f"{name}.mask_fcn{number + 1}", c.channels, c.channels, 3)
            inputs = c.channels
        found[f"{name}.deconv.weight"] = (inputs, c.channels, 2, 2)
        found[f"{name}.deconv.bias"] = (c.channels,)
        conv(f"{name}.predictor", c.channels, c.classes, 1, norm=False, bias=True)
    return found


def is_norm(name):
    return ".norm." in name


class Model:
    """The dictionary of tensors and what computes with it."""

    def __init__(self, config, tensors):
        self.c = config
        self.t = {name: tensor.clone() for name, tensor in tensors.items()}
        for name in self.parameters():
            self.t[name].requires_grad_(True)
        self.train, self.seen = True, None

    def parameters(self):
        return [name for name in self.t if "running_" not in name]

    # Layers

    def conv(self, x, name, stride=1, padding=0):
        return F.conv2d(x, self.t[f"{name}.weight"], self.t.get(f"{name}.bias"), stride, padding)

    def norm(self, x, name):
        mean, var = self.t[f"{name}.running_mean"], self.t[f"{name}.running_var"]
        if self.seen is not None:
            # Precise batch norm: statistics of the batch by name, with the biased variance.
            dims = [0] + list(range(2, x.dim()))
            batch = (x.mean(dims), x.var(dims, unbiased=False), x.numel() // x.shape[1])
            self.seen.setdefault(name, []).append(batch)
            mean, var = mean.clone(), var.clone()
        weight, bias = self.t[f"{name}.weight"], self.t[f"{name}.bias"]
        return F.batch_norm(x, mean, var, weight, bias, self.train, 0.1, 1e-5)

    def conv_norm(self, x, name, stride=1, padding=0):
        return self.norm(self.conv(x, name, stride, padding), f"{name}.norm")

    def stage(self, x, prefix, number):
        for block in range(BLOCKS[self.c.arch][number]):
            name, stride = f"{prefix}.{block}", 2 if block == 0 and number > 0 else 1
            if self.c.bottleneck:
                y = F.relu(self.conv_norm(x, f"{name}.conv1"))
                y = F.relu(self.conv_norm(y, f"{name}.conv2", stride, 1))
                y = self.conv_norm(y, f"{name}.conv3")
            else:
                y = F.relu(self.conv_norm(x, f"{name}.conv1", stride, 1))
                y = self.conv_norm(y, f"{name}.conv2", 1, 1)
            if f"{name}.shortcut.weight" in self.t:
                x = self.conv_norm(x, f"{name}.shortcut", stride)
            x = F.relu(y + x)
        return x

    # Backbone

    def images(self, images):
        multiple = 32 if self.c.fpn else 1
        up = lambda side: -(-side // multiple) * multiple
        height, width = (up(max(image.shape[axis] for image in images)) for axis in (1, 2))
        batch = torch.zeros(len(images), 3, height, width)
        for image, padded in zip(images, batch):
            padded[:, : image.shape[1], : image.shape[2]] = (image.float() - MEAN) / STD
        return batch.to(next(iter(self.t.values())).dtype)

    def maps(self, x):
        prefix = "backbone.bottom_up" if self.c.fpn else "backbone"
        x = F.relu(self.conv_norm(x, f"{prefix}.stem.conv1", 2, 3))
        x = F.max_pool2d(x, 3, 2, 1)
        stages = []
        for number in range(4 if self.c.fpn else 3):
            x = self.stage(x, f"{prefix}.res{number + 2}", number)
            stages.append(x)
        if not self.c.fpn:
            return {"res4": x}
        above, outputs = None, {}
        for number in (5, 4, 3, 2):
            own = self.conv_norm(stages[number - 2], f"backbone.fpn_lateral{number}")
            above = own if above is None else own + F.interpolate(above, scale_factor=2.0, mode="nearest")
            outputs[f"p{number}"] = self.conv_norm(above, f"backbone.fpn_output{number}", 1, 1)
        outputs = dict(sorted(outputs.items()))
        outputs["p6"] = F.max_pool2d(outputs["p5"], 1, 2)
        return outputs

    # Proposal network

    def rpn(self, maps):
        name, logits, deltas = "proposal_generator.rpn_head", [], []
        for x in maps.values():
            x = F.relu(self.conv(x, f"{name}.conv", 1, 1))
            logits.append(self.conv(x, f"{name}.objectness_logits").permute(0, 2, 3, 1).flatten(1))
            boxes = self.conv(x, f"{name}.anchor_deltas").permute(0, 2, 3, 1)
            deltas.append(boxes.reshape(boxes.shape[0], -1, 4))
        return logits, deltas

    def anchors(self, maps):
        found = []
        for level, x in enumerate(maps.values()):
            stride = 4 << level if self.c.fpn else 16
            sizes = SIZES[level : level + 1] if self.c.fpn else SIZES
            cell = []
            for size in sizes:
                for ratio in RATIOS:
                    width = math.sqrt(size**2 / ratio)
                    height = ratio * width
                    cell.append([-width / 2, -height / 2, width / 2, height / 2])
            cell = torch.tensor(cell, dtype=torch.float32)
            y, x = torch.meshgrid(*(torch.arange(side) * float(stride) for side in x.shape[2:]), indexing="ij")
            shift = torch.stack([x, y, x, y], -1).view(-1, 1, 4)
            found.append((shift + cell).view(-1, 4))
        return found

    def proposals(self, levels, logits, deltas, size, train):
        pre, post = (limits[0 if train else 1] for limits in (self.c.pre_nms, self.c.post_nms))
        boxes, scores, groups = [], [], []
        for level, (anchors, own, code) in enumerate(zip(levels, logits, deltas)):
            own = own.detach().float()
            order = torch.sort(own, descending=True, stable=True).indices[:pre]
            decoded = decode(anchors[order], code.detach().float()[order], (1, 1, 1, 1))
            decoded = clip(decoded, size)
            kept = ((decoded[:, 2:] - decoded[:, :2]) > 0).all(1)
            boxes.append(decoded[kept])
            scores.append(own[order][kept])
            groups.append(torch.full((int(kept.sum()),), level))
        boxes, scores, groups = torch.cat(boxes), torch.cat(scores), torch.cat(groups)
        kept = [torch.where(groups == level)[0] for level in range(len(levels))]
        kept = torch.cat([own[nms(boxes[own], scores[own], 0.7)] for own in kept])
        kept = kept[torch.sort(scores[kept], descending=True, stable=True).indices][:post]
        return boxes[kept], scores[kept]

    # Second stage

    def pool(self, maps, rois, side):
        images = torch.tensor([[float(image)] for image, boxes in enumerate(rois) for _ in boxes])
        boxes = torch.cat(rois)
        if not self.c.fpn:
            rows = torch.cat([images.to(boxes), boxes], 1)
            features = maps["res4"]
            return roi_align(features, rows.to(features), (side, side), 1 / 16, 0, True)
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        level = torch.floor(4 + torch.log2(area.sqrt() / 224 + 1e-8)).clamp(2, 5).long()
        features = maps["p2"]
        out = torch.zeros(len(boxes), self.c.channels, side, side, dtype=features.dtype)
        for number in range(2, 6):
            own = torch.where(level == number)[0]
            rows = torch.cat([images[own].to(boxes), boxes[own]], 1)
            pooled = roi_align(maps[f"p{number}"], rows.to(features), (side, side), 1 / (1 << number), 0, True)
            out = out.index_put((own,), pooled)
        return out

    def box_branch(self, maps, rois):
        x = pooled = self.pool(maps, rois, 7 if self.c.fpn else 14)
        if self.c.fpn:
            for number in range(4):
                x = F.relu(self.conv_norm(x, f"roi_heads.box_head.conv{number + 1}", 1, 1))
            last = None
            fc = "roi_heads.box_head.fc1"
            x = F.relu(F.linear(x.flatten(1), self.t[f"{fc}.weight"], self.t[f"{fc}.bias"]))
        else:
            last = self.norm(self.stage(x, "roi_heads.res5", 3), "roi_heads.res5.norm")
            x = last.mean((2, 3))
        linear = lambda name: F.linear(x, self.t[f"{name}.weight"], self.t[f"{name}.bias"])
        name = "roi_heads.box_predictor"
        return pooled, last, linear(f"{name}.cls_score"), linear(f"{name}.bbox_pred")

    def mask_branch(self, maps, rois, last=None):
        name = "roi_heads.mask_head"
        if self.c.fpn:
            x = self.pool(maps, rois, 14)
            for number in range(4):
                x = F.relu(self.conv_norm(x, f"{name}.mask_fcn{number + 1}", 1, 1))
        elif last is None:
            x = self.pool(maps, rois, 14)
            x = self.norm(self.stage(x, "roi_heads.res5", 3), "roi_heads.res5.norm")
        else:
            x = last
        deconv = F.conv_transpose2d(x, self.t[f"{name}.deconv.weight"], self.t[f"{name}.deconv.bias"], 2)
        return self.conv(F.relu(deconv), f"{name}.predictor")

    # Training

    def losses(self, batch):
        """Losses, counts and everything that a dump holds. `batch`: images, boxes, classes, polygons of each image."""
        c, dump = self.c, {}
        x = self.images(batch["images"])
        maps = self.maps(x)
        dump["image"] = x
        dump.update({f"features.{name}": value for name, value in maps.items()})
        logits, deltas = self.rpn(maps)
        levels = self.anchors(maps)
        anchors, all_logits, all_deltas = torch.cat(levels), torch.cat(logits, 1), torch.cat(deltas, 1)
        dump.update({"anchors": anchors, "rpn.logits": all_logits, "rpn.deltas": all_deltas})
        number = len(batch["images"])
        matches, labels, sampled = [], [], []
        rpn_cls = rpn_loc = 0.0
        counts = dict(rpn_pos=0, rpn_neg=0, roi_fg=0, roi_bg=0)
        for image in range(number):
            boxes = batch["boxes"][image]
            match, label = match_anchors(boxes, anchors)
            positive, negative = subsample(label, c.rpn_batch, 0.5, 0)
            taken = torch.full_like(label, -1)
            taken[positive], taken[negative] = 1, 0
            matches.append(match), labels.append(label), sampled.append(taken)
            counts["rpn_pos"] += len(positive)
            counts["rpn_neg"] += len(negative)
            chosen = torch.cat([positive, negative])
            own = all_logits[image][chosen]
            rpn_cls = rpn_cls + F.binary_cross_entropy_with_logits(own, (taken[chosen] == 1).to(own), reduction="sum")
            if len(positive):
                target = encode(anchors[positive], boxes[match[positive]], (1, 1, 1, 1))
                rpn_loc = rpn_loc + (all_deltas[image][positive] - target).abs().sum()
        dump.update({"rpn.matches": torch.stack(matches), "rpn.labels": torch.stack(labels), "rpn.sampled": torch.stack(sampled)})
        normalizer = c.rpn_batch * number
        losses = {"loss_rpn_cls": rpn_cls / normalizer, "loss_rpn_loc": rpn_loc / normalizer}
        proposed, rois, classes, targets, foreground = [], [], [], [], []
        masks = []
        for image in range(number):
            size = batch["images"][image].shape[1:]
            own = self.proposals(levels, [l[image] for l in logits], [d[image] for d in deltas], size, True)
            dump[f"proposals.{image}.boxes"], dump[f"proposals.{image}.logits"] = own
            proposed.append(len(own[0]))
            boxes = batch["boxes"][image]
            candidates = torch.cat([own[0], boxes])
            match, label = match_proposals(boxes, batch["classes"][image], candidates, c.classes)
            positive, negative = subsample(label, c.roi_batch, 0.25, c.classes)
            taken = torch.cat([positive, negative])
            rois.append(candidates[taken])
            classes.append(label[taken])
            dump[f"rois.{image}.boxes"], dump[f"rois.{image}.classes"] = rois[-1], classes[-1]
            targets.append(boxes[match[taken]] if len(boxes) else torch.zeros(len(taken), 4))
            foreground.append(candidates[positive])
            counts["roi_fg"] += len(positive)
            counts["roi_bg"] += len(negative)
            if c.masks:
                side = 28 if c.fpn else 14
                for corner, at in zip(candidates[positive], match[positive]):
                    masks.append(mask_target(batch["polygons"][image][int(at)], corner, side))
        pooled, last, roi_logits, roi_deltas = self.box_branch(maps, rois)
        dump.update({"roi.pooled": pooled, "roi.logits": roi_logits, "roi.deltas": roi_deltas})
        label, corners, target = torch.cat(classes), torch.cat(rois), torch.cat(targets)
        losses["loss_cls"] = F.cross_entropy(roi_logits, label)
        fg = torch.where(label < c.classes)[0]
        code = encode(corners[fg], target[fg], (10, 10, 5, 5))
        own = roi_deltas.view(len(label), c.classes, 4)[fg, label[fg]]
        losses["loss_box_reg"] = (own - code).abs().sum() / len(label)
        if c.masks:
            if len(fg):
                mask_logits = self.mask_branch(maps, foreground, None if last is None else last[fg])
                mask_targets = torch.tensor(np.stack(masks))
                dump.update({"mask.logits": mask_logits, "mask.targets": mask_targets})
                own = mask_logits[torch.arange(len(fg)), label[fg]]
                losses["loss_mask"] = F.binary_cross_entropy_with_logits(own, mask_targets.to(own))
            else:
                losses["loss_mask"] = roi_logits.sum() * 0
        return losses, counts, proposed, dump

    # Inference

    @torch.no_grad()
    def detect(self, image, size):
        """Boxes, scores, classes and masks for an image of another size."""
        c, before = self.c, self.train
        self.train = False
        maps = self.maps(self.images([image]))
        logits, deltas = self.rpn(maps)
        levels = self.anchors(maps)
        shape = image.shape[1:]
        corners, _ = self.proposals(levels, [l[0] for l in logits], [d[0] for d in deltas], shape, False)
        _, _, roi_logits, roi_deltas = self.box_branch(maps, [corners])
        scores = F.softmax(roi_logits, 1)[:, :-1]
        boxes = decode(corners.repeat_interleave(c.classes, 0), roi_deltas.reshape(-1, 4), (10, 10, 5, 5))
        boxes = clip(boxes, shape).view(-1, c.classes, 4)
        rows, classes = torch.where(scores > c.score_threshold)
        boxes, scores = boxes[rows, classes], scores[rows, classes]
        kept = [torch.where(classes == number)[0] for number in range(c.classes)]
        kept = torch.cat([own[nms(boxes[own], scores[own], 0.5)] for own in kept])
        kept = kept[torch.sort(scores[kept], descending=True, stable=True).indices][: c.detections]
        boxes, scores, classes = boxes[kept], scores[kept], classes[kept]
        scale = [size[1] / shape[1], size[0] / shape[0]]
        output = clip(boxes * torch.tensor(scale + scale, dtype=torch.float32), size)
        whole = ((output[:, 2:] - output[:, :2]) > 0).all(1)
        masks = None
        if c.masks:
            masks = torch.zeros(len(boxes), *size, dtype=torch.uint8)
            if len(boxes):
                found = self.mask_branch(maps, [boxes]).sigmoid()[torch.arange(len(boxes)), classes]
                masks = torch.stack([paste(mask, box, size) for mask, box in zip(found, output)])
            masks = masks[whole]
        self.train = before
        return output[whole], scores[whole], classes[whole], masks

    def precise(self, batches):
        """The tensors with precise batch norm over the batches."""
        self.seen = {}
        with torch.no_grad():
            for batch in batches:
                self.losses(batch)
        found = {name: tensor.detach().clone() for name, tensor in self.t.items()}
        for name, seen in self.seen.items():
            total = sum(n for _, _, n in seen)
            mean = sum(m.double() * n for m, _, n in seen) / total
            square = sum((v.double() + m.double() ** 2) * n for m, v, n in seen) / total
            found[f"{name}.running_mean"] = mean.float()
            found[f"{name}.running_var"] = (square - mean**2).float()
        self.seen = None
        return found


class Training:
    """SGD on a model: no decay of batch norm, linear warm-up, milestones."""

    def __init__(self, model):
        self.m, self.step = model, 0
        named = model.parameters()
        plain = [model.t[name] for name in named if not is_norm(name)]
        norms = [model.t[name] for name in named if is_norm(name)]
        groups = [dict(params=plain, weight_decay=model.c.weight_decay), dict(params=norms, weight_decay=0.0)]
        self.optimizer = torch.optim.SGD(groups, lr=model.c.base_lr, momentum=0.9)

    def rate(self):
        c, t = self.m.c, self.step
        along = t / c.warmup_steps if c.warmup_steps else 1.0
        warm = 0.001 * (1 - along) + along if t < c.warmup_steps else 1.0
        return c.base_lr * warm * 0.1 ** sum(milestone <= t for milestone in c.milestones)

    def take(self, batch):
        losses, counts, proposed, dump = self.m.losses(batch)
        total = sum(losses.values())
        self.optimizer.zero_grad()
        total.backward()
        rate = self.rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        gradients = {name: self.m.t[name].grad for name in self.m.parameters()}
        norms = {name: float(g.norm()) for name, g in gradients.items() if g is not None}
        self.optimizer.step()
        self.step += 1
        norm = lambda values: math.sqrt(sum(value**2 for value in values))
        line = dict(step=self.step, loss=float(total.detach()), lr=rate, grad_norm=norm(norms.values()))
        line["param_norm"] = norm(float(self.m.t[name].detach().norm()) for name in self.m.parameters())
        line["losses"] = {name: float(value.detach()) if torch.is_tensor(value) else value for name, value in losses.items()}
        line.update(counts, proposals=proposed)
        dump.update({f"grad.{name}": torch.tensor([value]) for name, value in norms.items()})
        return line, dump


# Boxes


def decode(boxes, deltas, weights):
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    x, y = boxes[:, 0] + 0.5 * width, boxes[:, 1] + 0.5 * height
    dx, dy, dw, dh = (deltas[:, at] / weights[at] for at in range(4))
    dw, dh = (value.clamp(max=math.log(1000.0 / 16)) for value in (dw, dh))
    x, y, w, h = dx * width + x, dy * height + y, dw.exp() * width, dh.exp() * height
    return torch.stack([x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h], 1)


def encode(boxes, targets, weights):
    def parts(b):
        w, h = b[:, 2] - b[:, 0], b[:, 3] - b[:, 1]
        return b[:, 0] + 0.5 * w, b[:, 1] + 0.5 * h, w, h

    (x, y, w, h), (tx, ty, tw, th) = parts(boxes), parts(targets)
    wx, wy, ww, wh = weights
    return torch.stack([wx * (tx - x) / w, wy * (ty - y) / h, ww * torch.log(tw / w), wh * torch.log(th / h)], 1)


def clip(boxes, size):
    height, width = size
    return torch.stack([boxes[:, 0].clamp(0, width), boxes[:, 1].clamp(0, height), boxes[:, 2].clamp(0, width), boxes[:, 3].clamp(0, height)], 1)


def iou(a, b):
    area = lambda x: (x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1])
    side = (torch.min(a[:, None, 2:], b[:, 2:]) - torch.max(a[:, None, :2], b[:, :2])).clamp(min=0)
    inter = side.prod(2)
    return torch.where(inter > 0, inter / (area(a)[:, None] + area(b) - inter), torch.zeros(1))


def match_anchors(boxes, anchors):
    if len(boxes) == 0:
        return torch.zeros(len(anchors), dtype=torch.long), torch.zeros(len(anchors), dtype=torch.long)
    quality = iou(boxes, anchors)
    best, match = quality.max(0)
    label = torch.full_like(match, -1)
    label[best < 0.3], label[best >= 0.7] = 0, 1
    label[(quality == quality.max(1, keepdim=True).values).any(0)] = 1
    return match, label


def match_proposals(boxes, classes, candidates, background):
    if len(boxes) == 0:
        return torch.zeros(len(candidates), dtype=torch.long), torch.full((len(candidates),), background)
    best, match = iou(boxes, candidates).max(0)
    label = classes[match].clone()
    label[best < 0.5] = background
    return match, label


def subsample(label, count, fraction, background):
    """Places in the order of the key that replaces chance in a trace."""
    key = lambda places: places[torch.argsort(places * 2654435761 % 2**32)]
    positive = key(torch.where((label != -1) & (label != background))[0])[: int(count * fraction)]
    negative = key(torch.where(label == background)[0])[: count - len(positive)]
    return positive, negative


# Masks


def mask_target(polygons, box, side):
    """Of one object: a list of polygons, x, y, x, y ... in f64."""
    x1, y1, x2, y2 = (float(value) for value in box)
    width, height = (float(box[2] - box[0]), float(box[3] - box[1]))
    moved = []
    for polygon in polygons:
        points = np.array(polygon, dtype=np.float64)
        points[0::2] = (points[0::2] - x1) * (side / max(width, 0.1))
        points[1::2] = (points[1::2] - y1) * (side / max(height, 0.1))
        moved.append(points.tolist())
    return coco.decode(coco.merge(coco.frPyObjects(moved, side, side))).astype(np.uint8)


def paste(mask, box, size):
    height, width = size
    x = (torch.arange(width, dtype=torch.float32) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
    y = (torch.arange(height, dtype=torch.float32) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
    grid = torch.stack([x[None].expand(height, width), y[:, None].expand(height, width)], 2)[None]
    return (F.grid_sample(mask[None, None].float(), grid, align_corners=False)[0, 0] >= 0.5).to(torch.uint8)
