"""Opens the files that `parallax convert` and `norm-rescale` write with PyTorch, numpy, safetensors and torchvision.

    python crates/weights/tests/pytorch/check.py target/release/parallax

Needs torch, torchvision, numpy, safetensors; the paths are those of this repository's root. Prints one line a check;
exit code 1 if one fails.
"""

import json
import pathlib
import pickle
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
import torchvision
from safetensors.torch import load_file

HERE = pathlib.Path(__file__).parent
PARALLAX = sys.argv[1]
FAILED = []


def run(*arguments):
    done = subprocess.run([PARALLAX, *map(str, arguments), "--json"], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def check(what, holds):
    print(("ok      " if holds else "FAILED  ") + what)
    if not holds:
        FAILED.append(what)


def equal(found, expected, sign=1):
    return found.keys() == expected.keys() and all(
        found[name].shape == tensor.shape and torch.equal(found[name], (sign * tensor).to(found[name].dtype))
        and found[name].is_floating_point() == tensor.is_floating_point()
        for name, tensor in expected.items()
    )


def tiny(scratch):
    expected = {name: tensor for name, tensor in load_file(HERE / "expected.safetensors").items() if "fc" not in name}
    for source in ("torchvision.pth", "torchvision-legacy.pth", "timm-f16.pth", "paper.pth.tar", "moco-legacy.pth.tar",
                   "solo.ckpt", "lightly.pt", "detectron2-3.pkl", "detectron2-4.pkl", "detectron2-5.pkl"):
        both = source.split(".")[0] in ("paper", "moco-legacy", "solo", "lightly")
        for branch, sign in (("online", 1), ("target", -1))[: 1 + both]:
            options = ("--branch", branch)
            run("convert", HERE / source, scratch / "t.safetensors", "--to", "torchvision", *options)
            check(f"{source}, {branch}: safetensors", equal(load_file(scratch / "t.safetensors"), expected, sign))
            run("convert", HERE / source, scratch / "t.pth", "--to", "torchvision", *options)
            state = torch.load(scratch / "t.pth", weights_only=True)
            check(f"{source}, {branch}: torch.load(weights_only=True)", equal(state, expected, sign))
            run("convert", HERE / source, scratch / "o.pth", *options)
            state = torch.load(scratch / "o.pth", weights_only=True, mmap=True)
            prefix = f"{branch}_encoder."
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items() if ".fc." not in name}
            check(f"{source}, {branch}: our names, mapped into memory", equal(state, expected, sign))
            run("convert", HERE / source, scratch / "d.pkl", *options)
            with open(scratch / "d.pkl", "rb") as file:
                found = pickle.load(file)
            with open(HERE / "detectron2-4.pkl", "rb") as file:
                theirs = pickle.load(file)["model"]
            same = found["model"].keys() == theirs.keys() and all(
                np.array_equal(array, sign * theirs[name]) and array.dtype == theirs[name].dtype
                for name, array in found["model"].items())
            check(f"{source}, {branch}: detectron2's pickle",
                  same and found["matching_heuristics"] is True and isinstance(found["__author__"], str))
    run("convert", HERE / "paper.pth.tar", scratch / "all.pth")
    state = torch.load(scratch / "all.pth", weights_only=True)
    check("queue and pointer", torch.equal(state["queue"], torch.arange(12.0).reshape(6, 2))
          and state["queue_ptr"].dtype == torch.int64 and state["queue_ptr"].tolist() == [4])


def whole(scratch):
    """Networks of full size: there, back, and the same output to the last bit."""
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for name in ("resnet18", "resnet34", "resnet50"):
        torch.manual_seed(1)
        network = torchvision.models.get_model(name).eval()
        expected = network(image)
        for legacy in (False, True):
            torch.save({"state_dict": network.state_dict()}, scratch / "w.pth", _use_new_zipfile_serialization=not legacy)
            begin = time.time()
            run("convert", scratch / "w.pth", scratch / "w.safetensors")
            seconds = time.time() - begin
            run("convert", scratch / "w.safetensors", scratch / "b.pth", "--to", "torchvision")
            state = torch.load(scratch / "b.pth", weights_only=True)
            fresh = torchvision.models.get_model(name)
            fresh.fc = network.fc
            missing = fresh.load_state_dict(state, strict=False)
            same = torch.equal(fresh.eval()(image), expected)
            check(f"{name}{', legacy' * legacy}: equal output; read and written in {seconds:.2f} s",
                  same and not missing.unexpected_keys and set(missing.missing_keys) == {"fc.weight", "fc.bias"})


def norms(scratch):
    torch.manual_seed(2)
    weights, anchor = (torchvision.models.resnet18().state_dict() for _ in range(2))
    torch.save(weights, scratch / "w.pth")
    torch.save(anchor, scratch / "a.pth")
    paths = ("--weights", scratch / "w.pth", "--out", scratch / "n.pth")
    for how, scope, wanted in (
        (("--anchor", scratch / "a.pth"), "all", lambda name, norm: anchor[name].double().norm()),
        (("--anchor", scratch / "a.pth"), "weights", lambda name, norm: anchor[name].double().norm()),
        (("--constant", "0.1"), "weights", lambda name, norm: norm * 0.1),
        (("--constant", "0.1"), "all", lambda name, norm: norm * 0.1),
    ):
        run("norm-rescale", *how, "--scope", scope, *paths)
        found = torch.load(scratch / "n.pth", weights_only=True)
        worst = 0.0
        for name, tensor in weights.items():
            norm = tensor.double().norm()
            takes = tensor.is_floating_point() and norm > 0 and (scope == "all" or tensor.dim() >= 2)
            expected = tensor.double() / norm * wanted(name, norm) if takes else tensor.double()
            error = (found["online_encoder." + name.replace("fc.", "fc.0.")].double() - expected).norm() / expected.norm().clamp_min(1e-30)
            worst = max(worst, float(error))
        check(f"norm-rescale {how[0]} {scope}: relative error {worst:.1e}", worst < 1e-7)


def main():
    with tempfile.TemporaryDirectory() as folder:
        for part in (tiny, whole, norms):
            part(pathlib.Path(folder))
    sys.exit(bool(FAILED))


if __name__ == "__main__":
    main()
