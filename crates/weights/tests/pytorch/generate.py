"""Writes the files of this folder with PyTorch, numpy and safetensors; takes no arguments.

The networks are torchvision's with all channel counts divided by 64: real names, tiny tensors. `expected.safetensors` holds the
values that each layout must give: the online network's under torchvision's names. The target network has their negatives;
everything else is noise that must not be taken for a weight. `norms-expected.safetensors` holds NormRescale's results,
`norms.csv` the norms of the two networks' tensors, in the order of the network's modules.

Made with torch 2.15.0, torchvision 0.29.2, numpy 2.4.6, safetensors 0.8.0.
"""

import argparse
import collections
import os
import pathlib
import pickle

import numpy as np
import torch
from safetensors.torch import save_file
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock, Bottleneck

HERE = pathlib.Path(__file__).parent
SHRINK = 64


def network(block, blocks, start):
    """A state dict with values that f16 and bf16 hold exactly."""
    weights = collections.OrderedDict()
    for number, (name, tensor) in enumerate(ResNet(block, blocks, num_classes=192).state_dict().items()):
        shape = [size if size < SHRINK else size // SHRINK for size in tensor.shape]
        if name == "conv1.weight":
            shape[1] = 3
        count = int(np.prod(shape))
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(1000 + number)
        else:
            values = (torch.arange(count) * 11 + number * 37 + start) % 97 - 48
            weights[name] = (values / 16).reshape(shape)
    return weights


def negative(weights):
    return collections.OrderedDict((name, -tensor) for name, tensor in weights.items())


def backbone(weights):
    return collections.OrderedDict((name, tensor) for name, tensor in weights.items() if not name.startswith("fc."))


def prefixed(prefix, weights):
    return {prefix + name: tensor for name, tensor in weights.items()}


def head(prefix):
    """BYOL's projector as the paper's repository names it."""
    return {
        prefix + "fc.0.weight": torch.full((4, 8), 0.5),
        prefix + "fc.0.bias": torch.full((4,), 0.25),
        prefix + "fc.1.weight": torch.ones(4),
        prefix + "fc.1.bias": torch.zeros(4),
        prefix + "fc.1.running_mean": torch.zeros(4),
        prefix + "fc.1.running_var": torch.ones(4),
        prefix + "fc.1.num_batches_tracked": torch.tensor(7),
        prefix + "fc.3.weight": torch.full((2, 4), -0.5),
        prefix + "fc.3.bias": torch.full((2,), -0.25),
    }


def save(value, name, legacy=False):
    torch.save(value, HERE / name, _use_new_zipfile_serialization=not legacy)


SEQUENTIAL = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


def numbered(weights):
    """Names in `nn.Sequential(*list(resnet.children())[:-1])`, as lightly's users build their backbones."""
    for name, tensor in backbone(weights).items():
        first, rest = name.split(".", 1)
        yield f"{SEQUENTIAL[first]}.{rest}", tensor


def layouts(online, target):
    save(online, "torchvision.pth")
    save(online, "torchvision-legacy.pth", legacy=True)
    save(collections.OrderedDict((n, t.half() if t.is_floating_point() else t) for n, t in online.items()), "timm-f16.pth")

    # The paper's repository: under DDP, with a queue, an optimiser and plain values beside.
    state = prefixed("module.online_encoder.", backbone(online)) | head("module.online_encoder.")
    state |= prefixed("module.target_encoder.", backbone(target)) | head("module.target_encoder.")
    state |= {"module.queue": torch.arange(12.0).reshape(6, 2), "module.queue_ptr": torch.tensor([4])}
    optimizer = {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.03, "params": [0]}]}
    save({"epoch": 200, "arch": "resnet50", "state_dict": state, "optimizer": optimizer,
          "args": argparse.Namespace(lr=0.03), "best": np.float64(71.5), "path": pathlib.PurePosixPath("a/b")}, "paper.pth.tar")

    # facebookresearch/moco, of the age of its released models.
    state = prefixed("module.encoder_q.", backbone(online)) | prefixed("module.encoder_k.", backbone(target))
    for side in "qk":
        state |= {f"module.encoder_{side}.fc.{layer}.{part}": torch.ones(2) for layer in (0, 2) for part in ("weight", "bias")}
    state |= {"module.queue": torch.arange(12.0).reshape(2, 6), "module.queue_ptr": torch.tensor([4])}
    save({"epoch": 800, "arch": "resnet50", "state_dict": state}, "moco-legacy.pth.tar", legacy=True)

    # solo-learn: a Lightning checkpoint.
    state = prefixed("backbone.", backbone(online)) | prefixed("momentum_backbone.", backbone(target))
    state |= {"projector.0.weight": torch.ones(4, 8), "classifier.weight": torch.ones(10, 8), "queue": torch.ones(2, 2, 5)}
    save({"epoch": 3, "global_step": 40, "pytorch-lightning_version": "2.1.2", "state_dict": state, "loops": {"a": [1, 2]},
          "hyper_parameters": {"lr": 0.3, "name": "byol"}, "rng": np.random.RandomState(0).get_state()[1][:4]}, "solo.ckpt")

    # lightly: a numbered backbone.
    state = {"backbone." + name: tensor for name, tensor in numbered(online)}
    state |= {"backbone_momentum." + name: tensor for name, tensor in numbered(target)}
    state |= {"projection_head.layers.0.weight": torch.ones(4, 8)}
    save({"state_dict": state}, "lightly.pt")

    # detectron2, by numpy, in every protocol that has bytes.
    model = {}
    for name, tensor in backbone(online).items():
        if "layer" not in name:
            name = "stem." + name
        for number in "1234":
            name = name.replace("layer" + number, "res" + str(int(number) + 1))
        for number in "123":
            name = name.replace("bn" + number, f"conv{number}.norm")
        model[name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")] = tensor.numpy()
    for protocol in (3, 4, 5):
        with open(HERE / f"detectron2-{protocol}.pkl", "wb") as file:
            pickle.dump({"model": model, "__author__": "somebody", "matching_heuristics": True}, file, protocol)


def kinds():
    """Every element type and every way to lie in a storage; the expected values stand beside."""
    base = torch.arange(24.0).reshape(2, 3, 4)
    shared = torch.arange(10.0)
    tensors = {
        "f64": torch.tensor([1.5, -2.25], dtype=torch.float64),
        "f32": torch.tensor([[1.5], [-2.25]]),
        "f16": torch.tensor([1.5, -2.25, 6.1e-5, 65504.0], dtype=torch.float16),
        "bf16": torch.tensor([1.5, -2.25, 3.0e38], dtype=torch.bfloat16),
        "i64": torch.tensor([2**24, -5]),
        "i32": torch.tensor([7, -7], dtype=torch.int32),
        "i16": torch.tensor([300, -300], dtype=torch.int16),
        "i8": torch.tensor([100, -100], dtype=torch.int8),
        "u8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "transposed": base.permute(2, 0, 1),
        "channels_last": torch.arange(32.0).reshape(2, 2, 2, 4).to(memory_format=torch.channels_last),
        "shared_front": shared[:4],
        "shared_back": shared[6:],
        "shared_strided": shared[1::3],
        "expanded": torch.tensor([3.0]).expand(2, 5),
        "scalar": torch.tensor(4.5),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.tensor([8.0])),
    }
    # An attribute of one's own makes PyTorch pickle a tensor in another way.
    tensors["tagged"] = torch.tensor([9.0, 10.0])
    tensors["tagged"].tag = "mine"
    for name, legacy in (("kinds.pt", False), ("kinds-legacy.pt", True)):
        save(tensors | {"complex": torch.ones(2, dtype=torch.complex64)}, name, legacy)
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, HERE / "kinds.safetensors")
    with open(HERE / "arrays.pkl", "wb") as file:
        pickle.dump({"fortran": np.asfortranarray(base.numpy()), "wide": np.arange(3.0), "big": np.arange(2, dtype=">f4")}, file)


class Evil:
    def __reduce__(self):
        return os.system, ("touch parallax-was-fooled",)


def evil():
    weights = {"conv1.weight": torch.ones(1, 3, 7, 7), "extra": Evil()}
    save(weights, "evil.pth")
    save(weights, "evil-legacy.pth", legacy=True)
    for protocol in (2, 4):
        with open(HERE / f"evil-{protocol}.pkl", "wb") as file:
            pickle.dump({"model": {}, "extra": Evil()}, file, protocol)
    # One stored value that unpack to 600 GiB.
    bomb = {"conv1.weight": torch.ones(1).expand(2**30, 3, 7, 7), "bn1.weight": torch.ones(1)}
    save(bomb | {"layer1.0.conv1.weight": torch.ones(1, 1, 3, 3)}, "bomb.pth")
    # A whole network instead of its state.
    save(torch.nn.Sequential(torch.nn.Linear(1, 1)), "module.pth")


def norms(online, anchor):
    """NormRescale by PyTorch's own norms (methods.md 6)."""
    zero = "layer1.0.bn1.bias"
    online[zero] = torch.zeros_like(online[zero])
    save_file(online, HERE / "norms-weights.safetensors")
    save_file(anchor, HERE / "norms-anchor.safetensors")
    out = {}
    for name, tensor in online.items():
        if not tensor.is_floating_point():
            continue
        norm = tensor.double().norm()
        if norm == 0:
            out["anchor." + name], out["constant." + name] = tensor.clone(), tensor.clone()
            continue
        out["anchor." + name] = (tensor.double() / norm * anchor[name].double().norm()).float()
        out["constant." + name] = (tensor.double() / norm * (norm * 0.1)).float()
    save_file(out, HERE / "norms-expected.safetensors")
    lines = [f"{name},{tensor.double().norm().item()!r},{anchor[name].double().norm().item()!r}\n"
             for name, tensor in online.items() if tensor.is_floating_point()]
    (HERE / "norms.csv").write_text("".join(lines))


def main():
    online = network(BasicBlock, [1, 1, 1, 1], 0)
    save_file(online, HERE / "expected.safetensors")
    layouts(online, negative(online))
    kinds()
    evil()
    norms(backbone(network(BasicBlock, [1, 1, 1, 1], 5)), backbone(network(BasicBlock, [1, 1, 1, 1], 21)))
    save(network(Bottleneck, [1, 1, 1, 1], 3), "bottleneck.pth")


if __name__ == "__main__":
    main()
