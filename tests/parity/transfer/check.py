"""Compares `parallax transfer-trace` with the reference in PyTorch on whole detectors: losses, counts, every tensor of the first
step, gradients, weights after the last step, precise batch norm, detections.

    pip install torch torchvision pycocotools safetensors
    python tests/parity/transfer/check.py target/release/parallax [CASE]...
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

import inputs
from reference import Config, Model, Training, shapes

COMMON = dict(base_lr=0.001, total_steps=100, warmup_steps=4, milestones=(2,), rpn_batch=32, roi_batch=24)
CASES = {
    "r18": ("voc-c4", dict(arch="resnet18", width=16, classes=5, pre_nms=(200, 100), post_nms=(50, 40))),
    "r50": ("voc-c4", dict(width=16, pre_nms=(200, 100), post_nms=(50, 40))),
    "r50-wide": ("voc-c4", dict(pre_nms=(200, 100), post_nms=(50, 40))),
    "c4-mask": ("coco-c4", dict(width=16, classes=7, pre_nms=(200, 100), post_nms=(50, 40))),
    "fpn-mask": ("coco-fpn", dict(width=16, classes=7, pre_nms=(100, 80), post_nms=(50, 40))),
}
STEPS = 4


def compare(found, expected, name, report, tolerance=2e-4):
    found, expected = found.detach(), expected.detach()
    if found.shape != expected.shape:
        report.append((name, f"shape {list(found.shape)}, expected {list(expected.shape)}"))
    elif not expected.dtype.is_floating_point or found.dtype == torch.uint8:
        wrong = int((found.long() != expected.long()).sum())
        if wrong:
            report.append((name, f"{wrong} of {expected.numel()} differ"))
    elif expected.numel():
        error = float((found.double() - expected.double()).abs().max() / expected.double().abs().max().clamp(min=1e-12))
        if not error <= tolerance:
            report.append((name, f"{error:.2e}"))
        return error
    return 0.0


def run(program, case, seed, device):
    task, values = CASES[case]
    values = {**COMMON, **values}
    c = Config(task, **values)
    given = inputs.weights(shapes(c), seed)
    g = torch.Generator().manual_seed(seed + 1)
    batches = [inputs.batch(g, c, [(96, 128), (112, 90)]) for _ in range(STEPS)]
    tests = [(inputs.image(g, 100, 120), (150, 190)), (inputs.image(g, 96, 80), (90, 77))]
    report = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        save_file(given, folder / "w.safetensors")
        save_file({k: v.contiguous() for k, v in inputs.tensors(batches, tests, c.masks).items()}, folder / "b.safetensors")
        overrides = [f"model.arch={c.arch}", f"model.width={c.width}", f"model.classes={c.classes}", "run.batch_size=2"]
        overrides += [f"optimizer.base_lr={c.base_lr}", f"run.total_steps={c.total_steps}", f"schedule.warmup_steps={c.warmup_steps}"]
        overrides += [f"schedule.milestones={list(c.milestones)}", f"detector.rpn_batch={c.rpn_batch}", f"detector.roi_batch={c.roi_batch}"]
        overrides += [f"detector.pre_nms={list(c.pre_nms)}", f"detector.post_nms={list(c.post_nms)}"]
        command = [program, "transfer-trace", "--task", task, "--weights", folder / "w.safetensors", "--batches", folder / "b.safetensors"]
        command += ["--steps", str(STEPS), "--out", folder / "t.jsonl", "--dump", folder / "d.safetensors", "--save-weights", folder / "f.safetensors"]
        command += ["--precise-bn", folder / "p.safetensors", "--device", device] + [part for o in overrides for part in ("--set", o)]
        subprocess.run([str(part) for part in command], check=True)
        lines = [json.loads(line) for line in (folder / "t.jsonl").read_text().splitlines()]
        dump, final, precise = (load_file(folder / f"{name}.safetensors") for name in "dfp")
    model = Model(c, given)
    training = Training(model)
    for number, (image, size) in enumerate(tests):
        boxes, scores, classes, masks = model.detect(image, size)
        compare(dump[f"test.{number}.boxes"], boxes, f"test.{number}.boxes", report)
        compare(dump[f"test.{number}.scores"], scores, f"test.{number}.scores", report)
        compare(dump[f"test.{number}.classes"], classes, f"test.{number}.classes", report)
        if masks is not None:
            compare(dump[f"test.{number}.masks"], masks, f"test.{number}.masks", report)
        print(f"  test {number}: {len(boxes)} detections")
    for step in range(STEPS):
        line, own = training.take(batches[step])
        if step == 0:
            missing = [name for name in own if name not in dump]
            if missing:
                report.append(("dump", f"lacks {missing}"))
            for name, value in own.items():
                if name in dump:
                    compare(dump[name], value, name, report, 1e-2 if name.startswith("grad.") else 2e-4)
        found = lines[step]
        for key, value in line.items():
            other = found[key]
            if isinstance(value, dict):
                for name, loss in value.items():
                    if abs(other[name] - loss) > 2e-4 * max(abs(loss), 1e-3):
                        report.append((f"step {step + 1} {name}", f"{other[name]:.7f}, expected {loss:.7f}"))
            elif isinstance(value, float):
                if abs(other - value) > (2e-3 if key == "grad_norm" else 2e-4) * max(abs(value), 1e-3):
                    report.append((f"step {step + 1} {key}", f"{other}, expected {value}"))
            elif other != value:
                report.append((f"step {step + 1} {key}", f"{other}, expected {value}"))
        print("  ", {k: round(v, 5) for k, v in found["losses"].items()}, {k: found[k] for k in ("rpn_pos", "rpn_neg", "roi_fg", "roi_bg", "proposals")})
    after = model.precise(batches)
    for name in given:
        moved = (model.t[name].detach() - given[name]).abs().max()
        error = (final[name] - model.t[name].detach()).abs().max()
        if error > 2e-2 * moved + 1e-7:
            report.append((f"final {name}", f"off by {float(error):.2e}, moved by {float(moved):.2e}"))
        if "running_" in name:
            compare(precise[name], after[name], f"precise {name}", report, 1e-3)
    return report


if __name__ == "__main__":
    torch.set_num_threads(2)
    program, *chosen = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    device = next((a.split("=")[1] for a in sys.argv if a.startswith("--device=")), "cpu")
    seeds = [int(a.split("=")[1]) for a in sys.argv if a.startswith("--seed=")] or [0]
    failed = False
    for case in chosen or CASES:
        for seed in seeds:
            print(f"{case}, seed {seed}")
            report = run(program, case, seed, device)
            for name, what in report[:30]:
                print(f"  DIFFERS {name}: {what}")
            print(f"  {'equal' if not report else f'{len(report)} differences'}")
            failed |= bool(report)
    sys.exit(failed)
