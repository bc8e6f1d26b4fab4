"""DeepLabV3 and its training in PyTorch, as docs/methods.md (7.9) and detectron2 0.6 describe them: what `parallax
transfer-trace --task cityscapes` is compared with. Made of torch.nn.functional; nothing is taken from Parallax.

    pip install torch safetensors
    python tests/parity/transfer/deeplab.py target/release/parallax [CASE].. [--device=vulkan] [--seed=1]
    python tests/parity/transfer/deeplab.py --write

compares every tensor of the first step, losses, gradients, weights after the last step, precise batch norm and the results on
test images, or writes `tests/parity/cases/transfer-deeplab.json`, which a test compares with without Python. Weights and images
come from the formulas of `generate.py`.
"""

import json
import math
import pathlib
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from generate import image, mix, weights as weights_of

torch.set_num_threads(2)

BLOCKS = (3, 4, 6, 3)
MEAN = torch.tensor([123.675, 116.28, 103.53], dtype=torch.float64).view(3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375], dtype=torch.float64).view(3, 1, 1)
IGNORE = 255


class Config:
    """What a recipe says; the defaults are those of the paper."""

    def __init__(self, **values):
        self.width, self.channels, self.classes, self.crop, self.pool = 64, 256, 19, (512, 1024), "window"
        self.base_lr, self.weight_decay, self.total_steps, self.warmup_steps, self.share, self.devices = 0.01, 1e-4, 90000, 1000, 0.2, 1
        for key, value in values.items():
            assert hasattr(self, key), key
            setattr(self, key, value)

    def overrides(self, batch):
        found = [f"model.width={self.width}", f"model.classes={self.classes}", f"segmenter.channels={self.channels}"]
        found += [f"segmenter.crop={list(self.crop)}", f"segmenter.pool={self.pool}", f"segmenter.hard_share={self.share}"]
        found += [f"optimizer.base_lr={self.base_lr}", f"optimizer.weight_decay={self.weight_decay}", f"run.total_steps={self.total_steps}"]
        return found + [f"schedule.warmup_steps={self.warmup_steps}", f"run.batch_size={batch}", f"run.devices={self.devices}"]


def shapes(c):
    """Names and shapes of all tensors."""
    found = {}

    def conv(name, inputs, outputs, kernel, norm=True):
        found[f"{name}.weight"] = (outputs, inputs, kernel, kernel)
        if not norm:
            found[f"{name}.bias"] = (outputs,)
            return
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.norm.{part}"] = (outputs,)

    conv("backbone.stem.conv1", 3, c.width, 7)
    inputs = c.width
    for stage, blocks in enumerate(BLOCKS):
        width, outputs = c.width << stage, 4 * (c.width << stage)
        for block in range(blocks):
            name = f"backbone.res{stage + 2}.{block}"
            conv(f"{name}.conv1", inputs, width, 1)
            conv(f"{name}.conv2", width, width, 3)
            conv(f"{name}.conv3", width, outputs, 1)
            if block == 0:
                conv(f"{name}.shortcut", inputs, outputs, 1)
            inputs = outputs
    head = "sem_seg_head.aspp"
    for number, kernel in enumerate((1, 3, 3, 3)):
        conv(f"{head}.convs.{number}", inputs, c.channels, kernel)
    conv(f"{head}.convs.4.1", inputs, c.channels, 1, norm=False)
    conv(f"{head}.project", 5 * c.channels, c.channels, 1)
    conv("sem_seg_head.predictor", c.channels, c.classes, 1, norm=False)
    return found


def labels(stream, height, width, classes):
    """Blocks of 8 pixels of a class, every eighth pixel ignored, `[height, width]`."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    found = mix(stream, (y // 8) * 64 + x // 8) % classes
    ignored = mix(stream + 1, y * 1024 + x) >> 29 == 0
    return torch.where(ignored, IGNORE, found).to(torch.uint8)


class Model:
    """Tensors in f64 and what computes with them."""

    def __init__(self, c, tensors):
        self.c, self.train, self.seen = c, True, None
        self.t = {name: tensor.double() for name, tensor in tensors.items()}
        for name in self.parameters():
            self.t[name].requires_grad_(True)

    def parameters(self):
        return [name for name in self.t if "running_" not in name]

    def conv(self, x, name, stride=1, dilation=1, relu=True, residual=None):
        weight = self.t[f"{name}.weight"]
        x = F.conv2d(x, weight, self.t.get(f"{name}.bias"), stride, dilation * (weight.shape[2] // 2), dilation)
        if f"{name}.norm.weight" in self.t:
            w, b, mean, var = (self.t[f"{name}.norm.{part}"] for part in ("weight", "bias", "running_mean", "running_var"))
            if self.seen is not None:
                values = x.detach().transpose(0, 1).flatten(1)
                count, sums, squares = self.seen.get(name, (0, 0, 0))
                self.seen[name] = (count + values.shape[1], sums + values.sum(1), squares + (values**2).sum(1))
                mean, var = mean.clone(), var.clone()
            x = F.batch_norm(x, mean, var, w, b, self.train, 0.1, 1e-5)
        x = x if residual is None else x + residual
        return F.relu(x) if relu else x

    def features(self, x):
        x = F.max_pool2d(self.conv(x, "backbone.stem.conv1", 2), 3, 2, 1)
        for stage, blocks in enumerate(BLOCKS):
            for block in range(blocks):
                name = f"backbone.res{stage + 2}.{block}"
                stride = 2 if block == 0 and stage in (1, 2) else 1
                dilation = (2, 4, 8)[block] if stage == 3 else 1
                y = self.conv(self.conv(x, f"{name}.conv1"), f"{name}.conv2", stride, dilation)
                shortcut = self.conv(x, f"{name}.shortcut", stride, relu=False) if block == 0 else x
                x = self.conv(y, f"{name}.conv3", residual=shortcut)
        return x

    def aspp(self, x):
        name, size = "sem_seg_head.aspp", x.shape[2:]
        window = [side // 16 for side in self.c.crop] if self.c.pool == "window" else size
        parts = [self.conv(x, f"{name}.convs.{number}", dilation=dilation) for number, dilation in enumerate((1, 6, 12, 18))]
        pooled = self.conv(F.avg_pool2d(x, window, 1), f"{name}.convs.4.1")
        parts.append(F.interpolate(pooled, size=size, mode="bilinear", align_corners=False))
        return self.conv(torch.cat(parts, 1), f"{name}.project")

    def forward(self, images):
        x = torch.stack([(image.double() - MEAN) / STD for image in images])
        features = self.features(x)
        aspp = self.aspp(features)
        logits = self.conv(aspp, "sem_seg_head.predictor", relu=False)
        return {"image": x, "features.res5": features, "aspp": aspp, "sem_seg.logits": logits}

    def loss(self, logits, targets):
        up = F.interpolate(logits, scale_factor=16, mode="bilinear", align_corners=False)
        pixels = F.cross_entropy(up, torch.stack(targets).long(), ignore_index=IGNORE, reduction="none")
        groups = pixels.view(self.c.devices, -1)
        return groups.topk(int(self.c.share * groups.shape[1]), dim=1).values.mean()

    def segment(self, image, size):
        with torch.no_grad():
            self.train = False
            height, width = image.shape[1:]
            pad = F.pad((image.double() - MEAN) / STD, (0, 0, 0, 0))[None]
            logits = self.conv(self.aspp(self.features(pad)), "sem_seg_head.predictor", relu=False)
            self.train = True
            up = F.interpolate(logits, scale_factor=16, mode="bilinear", align_corners=False)[:, :, :height, :width]
            return F.interpolate(up, size=size, mode="bilinear", align_corners=False)[0]

    def precise(self, batches):
        """All tensors, with the statistics of all batches as running ones."""
        self.seen = {}
        with torch.no_grad():
            for images, _ in batches:
                self.forward(images)
        found = dict(self.t)
        for name, (count, sums, squares) in self.seen.items():
            mean = sums / count
            found[f"{name}.norm.running_mean"], found[f"{name}.norm.running_var"] = mean, squares / count - mean**2
        self.seen = None
        return found


def norm(tensors):
    return math.sqrt(sum(float((tensor.detach() ** 2).sum()) for tensor in tensors))


def train(model, batches):
    """A line for each step, and the tensors of the first one."""
    c, velocity, lines, dump = model.c, {}, [], {}
    for step, (images, targets) in enumerate(batches):
        found = model.forward(images)
        loss = model.loss(found["sem_seg.logits"], targets)
        names = model.parameters()
        gradients = dict(zip(names, torch.autograd.grad(loss, [model.t[name] for name in names])))
        if step == 0:
            dump = {name: value.detach() for name, value in found.items()}
            dump |= {f"grad.{name}": gradient.norm().view(1) for name, gradient in gradients.items()}
        along = min(step / c.warmup_steps, 1.0) if c.warmup_steps else 1.0
        lr = c.base_lr * (0.001 * (1 - along) + along) * (1 - step / c.total_steps) ** 0.9
        for name, gradient in gradients.items():
            own = model.t[name].detach()
            gradient = gradient + (0.0 if ".norm." in name else c.weight_decay) * own
            velocity[name] = 0.9 * velocity[name] + gradient if name in velocity else gradient
            model.t[name] = (own - lr * velocity[name]).requires_grad_(True)
        line = {"loss": loss.item(), "lr": lr, "grad_norm": norm(gradients.values())}
        lines.append(line | {"param_norm": norm(model.t[name] for name in names), "losses": {"loss_sem_seg": loss.item()}})
    return lines, dump


COMMON = dict(width=16, channels=32, classes=7, crop=(64, 128), base_lr=0.002, total_steps=20, warmup_steps=2)
CASES = {
    "window": COMMON,
    "global": COMMON | dict(pool="global", share=1.0),
    "devices": COMMON | dict(devices=2),
    "wide": COMMON | dict(width=64, channels=256, classes=19),
}
STEPS = 3
TESTS = [((128, 128), (128, 128)), ((120, 115), (90, 170))]


def batches(c):
    def example(stream):
        height, width = c.crop
        return image(stream, height, width), labels(stream + 2, height, width, c.classes)

    return [tuple(zip(*[example(1000 + 16 * step + 4 * number) for number in range(2)])) for step in range(STEPS)]


def files(c, seed):
    """What the program reads: weights, and batches with test images."""
    found = {}
    for step, (images, targets) in enumerate(batches(c)):
        for number, (own, target) in enumerate(zip(images, targets)):
            found[f"image.{step}.{number}"], found[f"sem_seg.{step}.{number}"] = own, target
    for number, (size, out) in enumerate(TESTS):
        found[f"test.image.{number}"], found[f"test.size.{number}"] = image(77 + number, *size), torch.tensor(out)
    return weights_of(shapes(c), seed), found


def reference(c, seed):
    """Lines and all tensors: of the first step, after the last one, and with precise batch norm."""
    model = Model(c, weights_of(shapes(c), seed))
    tests = {}
    for number, (size, out) in enumerate(TESTS):
        logits = model.segment(image(77 + number, *size), out)
        tests[f"test.{number}.logits"], tests[f"test.{number}.sem_seg"] = logits, logits.argmax(0)
    lines, dump = train(model, batches(c))
    final, precise = model.t, model.precise(batches(c))
    detached = [{name: tensor.detach() for name, tensor in tensors.items()} for tensors in (final, precise)]
    return lines, dump | tests, *detached


def conditioned(c, seed):
    """Whether rounding flips no ReLU and no hard pixel that matters: weights that differ by 3e-7 move alike."""
    given = weights_of(shapes(c), seed)
    g = torch.Generator().manual_seed(seed)
    moves = []
    for size in (0.0, 3e-7):
        start = {name: tensor * (1 + size * torch.randn(tensor.shape, generator=g).double()) for name, tensor in given.items()}
        model = Model(c, start)
        train(model, batches(c))
        moves.append({name: (model.t[name] - start[name]).detach() for name in start})
    far = [(moves[0][name] - other[name]).abs().max() / (moves[0][name].abs().max() + 1e-12) for other in moves[1:] for name in given]
    return max(far) < 2e-3


def check(program, case, seed, device):
    c = Config(**CASES[case])
    while not conditioned(c, seed):
        print(f"{case}, seed {seed} is ill-conditioned")
        seed += 1
    given, inputs = files(c, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = {name: str(pathlib.Path(folder) / name) for name in "wbtdfp"}
        save_file(given, path["w"])
        save_file({name: tensor.contiguous() for name, tensor in inputs.items()}, path["b"])
        command = [program, "transfer-trace", "--task", "cityscapes", "--weights", path["w"], "--batches", path["b"], "--steps", str(STEPS)]
        command += ["--out", path["t"], "--dump", path["d"], "--save-weights", path["f"], "--precise-bn", path["p"], "--device", device]
        subprocess.run(command + [part for value in c.overrides(2) for part in ("--set", value)], check=True)
        found_lines = [json.loads(line) for line in pathlib.Path(path["t"]).read_text().splitlines()]
        dump, final, precise = (load_file(path[name]) for name in "dfp")
    lines, own_dump, own_final, own_precise = reference(c, seed)
    worst, wrong = {}, []

    def near(what, kind, error, tolerance):
        worst[kind] = max(worst.get(kind, 0.0), error)
        if not error <= tolerance:
            wrong.append(f"{what}: {error:.2e}")

    for step, (line, other) in enumerate(zip(lines, found_lines)):
        for key, tolerance in (("loss", 2e-4), ("lr", 1e-9), ("grad_norm", 2e-3), ("param_norm", 2e-4)):
            near(f"step {step} {key}", key, abs(other[key] / line[key] - 1), tolerance)
    for name, tensor in own_dump.items():
        if name not in dump or dump[name].shape != tensor.shape:
            wrong.append(f"{name} is missing or has another shape")
        elif name.endswith("sem_seg"):
            near(name, "sem_seg", float((dump[name] != tensor).double().mean()), 1e-3)
        else:
            kind = "grad" if name.startswith("grad.") else "tensor"
            error = float((dump[name] - tensor).abs().max() / tensor.abs().max())
            near(name, kind, error, 1e-2 if kind == "grad" else 2e-4)
    for name in given:
        moved = float((own_final[name] - given[name]).abs().max())
        near(f"final {name}", "moved", float((final[name] - own_final[name]).abs().max()) / (moved + 1e-7), 2e-2)
        near(f"precise {name}", "precise", float((precise[name] - own_precise[name]).abs().max() / own_precise[name].abs().max()), 1e-3)
    print(f"{case}, seed {seed}:", {kind: f"{error:.1e}" for kind, error in worst.items()}, "equal" if not wrong else wrong[:8])
    return not wrong


def write():
    """The case of tests/parity/tests/segmentation.rs."""
    c = Config(**(CASES["window"] | dict(width=8, channels=16, classes=5)))
    seed = next(seed for seed in range(100) if conditioned(c, seed))
    lines, dump, final, precise = reference(c, seed)
    given = weights_of(shapes(c), seed)
    found = {"task": "cityscapes", "recipe": c.overrides(2), "seed": seed, "steps": lines}
    found["gradients"] = {name[5:]: float(value) for name, value in dump.items() if name.startswith("grad.")}
    found["after"] = {name: norm([final[name]]) for name in given}
    found["moved"] = {name: norm([final[name] - given[name]]) for name in given}
    found["precise"] = {name: norm([precise[name]]) for name in given if "running_" in name}
    found["logits"] = [round(value, 6) for value in dump["test.1.logits"][:, ::13, ::17].reshape(-1).tolist()]
    found["segments"] = torch.bincount(dump["test.1.sem_seg"].reshape(-1), minlength=c.classes).tolist()
    path = pathlib.Path(__file__).parents[1] / "cases/transfer-deeplab.json"
    path.write_text(json.dumps(found, indent=0) + "\n")
    print("seed", seed, lines[-1], found["segments"])


if __name__ == "__main__":
    if "--write" in sys.argv:
        write()
        sys.exit()
    program, *chosen = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    device = next((a.split("=")[1] for a in sys.argv if a.startswith("--device=")), "cpu")
    seeds = [int(a.split("=")[1]) for a in sys.argv if a.startswith("--seed=")] or [0]
    sys.exit(not all([check(program, case, seed, device) for case in chosen or CASES for seed in seeds]))
