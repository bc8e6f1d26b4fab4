"""Writes this folder with PyTorch, torchvision and Pillow; takes no arguments.

    venv/bin/python native/tests/torchvision/generate.py

A ResNet-18 of width 2 in the layouts of torchvision, facebookresearch/moco, solo-learn and lightly, a ResNet-50 in
torchvision's, six images in two classes, and what torchvision computes of them: `expected.safetensors` holds `resnet18`,
`target` (the momentum network of the files that have one) and `resnet50`, each [images, features], and `labels`.

Made with torch 2.15.0, torchvision 0.29.2, Pillow and numpy. Images are resized along rows first, as Pillow does since 3.2.
"""

import collections
import pathlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.transforms.functional import center_crop, normalize, to_tensor

HERE = pathlib.Path(__file__).parent
SIZES = {"cat": [(40, 30), (31, 64), (24, 24)], "dog": [(57, 33), (272, 256), (9, 12)]}
SEQUENTIAL = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


def network(block, blocks, width, seed):
    torch.manual_seed(seed)
    net = ResNet(block, blocks)
    net.conv1, net.bn1, net.inplanes = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), width
    for stage in range(4):
        layer = net._make_layer(block, width << stage, blocks[stage], stride=1 if stage == 0 else 2)
        setattr(net, f"layer{stage + 1}", layer)
    net.fc = nn.Identity()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    with torch.no_grad():
        for _ in range(10):
            net(2 * torch.randn(8, 3, 64, 64))
    return net.eval()


def images():
    """Gradients, waves and, where they are small, a little noise, of shapes that are resized up and down."""
    random = np.random.default_rng(5)
    for name, sizes in SIZES.items():
        for number, (width, height) in enumerate(sizes):
            y, x = np.mgrid[0:height, 0:width]
            waves = [np.sin(x / a + y / b) for a, b in random.uniform(2, 12, (3, 2))]
            noise = random.integers(-1, 2, (height, width, 3)) * (6 if width < 100 else 0)
            value = 128 + 90 * np.stack(waves, -1) + noise
            yield name, number, np.clip(value, 0, 255).astype(np.uint8)


def view(image):
    width, height = image.size
    short = min(width, height)
    if short != 256:
        new_width, new_height = (int(256 * side / short) for side in (width, height))
        # A pass at a time, so that the order is this one in every version.
        image = image.resize((new_width, height), Image.BILINEAR)
        image = image.resize((new_width, new_height), Image.BILINEAR)
    tensor = to_tensor(center_crop(image, 224))
    return normalize(tensor, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def prefixed(prefix, weights):
    return {prefix + name: tensor for name, tensor in weights.items()}


def numbered(weights):
    for name, tensor in weights.items():
        first, rest = name.split(".", 1)
        yield f"{SEQUENTIAL[first]}.{rest}", tensor


@torch.no_grad()
def main():
    online, target = network(BasicBlock, [2, 2, 2, 2], 2, 0), network(BasicBlock, [2, 2, 2, 2], 2, 1)
    large = network(Bottleneck, [3, 4, 6, 3], 2, 2)
    own, other = online.state_dict(), target.state_dict()
    torch.save(collections.OrderedDict(own), HERE / "torchvision.pth")
    torch.save(collections.OrderedDict(large.state_dict()), HERE / "resnet50.pth")
    state = prefixed("module.encoder_q.", own) | prefixed("module.encoder_k.", other)
    torch.save({"epoch": 200, "arch": "resnet18", "state_dict": state}, HERE / "moco.pth.tar")
    state = prefixed("backbone.", own) | prefixed("momentum_backbone.", other)
    torch.save({"epoch": 3, "pytorch-lightning_version": "2.1.2", "state_dict": state}, HERE / "solo-learn.ckpt")
    state = {"backbone." + name: tensor for name, tensor in numbered(own)}
    state |= {"backbone_momentum." + name: tensor for name, tensor in numbered(other)}
    torch.save({"state_dict": state}, HERE / "lightly.pt")

    views, labels = [], []
    for name, number, pixels in images():
        folder = HERE / "images" / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png", optimize=True)
        views.append(view(Image.fromarray(pixels)))
        labels.append(sorted(SIZES).index(name))
    views = torch.stack(views)
    expected = {"resnet18": online(views), "target": target(views), "resnet50": large(views)}
    for name, rows in expected.items():
        print(name, tuple(rows.shape), f"largest {rows.abs().max():.3f}")
    save_file(expected | {"labels": torch.tensor(labels)}, HERE / "expected.safetensors")


if __name__ == "__main__":
    main()
