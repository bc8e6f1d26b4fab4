"""Feature maps and gradients of torchvision's ResNet-50 with stride replaced by dilation, in f64.

    python3 -m venv venv && venv/bin/pip install torch torchvision
    venv/bin/python crates/nets/tests/stages/generate.py > crates/nets/tests/stages/reference.txt

A line is `case name dims | values`: about 48 values of a map (channels-last) or of a gradient, which is that of the sum of
the last map times a pattern. Weights and images are the pattern of `crates/nets/tests/stages.rs`. The case `deeplab` has
the dilations 2, 4, 8 of detectron2's DeepLabV3 in the last stage.
"""

import torch
import torchvision

# Of 40 seeds the one whose values stay farthest from zero in front of the ReLUs of the last stages: in f32 a value next
# to zero may fall on the other side than in f64, and changes gradients by 1e-3 there.
IMAGES = 1027


def pattern(count, salt):
    """From -0.5 to 0.5, by integers alone, so that every language computes the same."""
    mixed = (torch.arange(count, dtype=torch.int64) + salt * 0x9E3779B1) % 2**32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        mixed = ((mixed ^ (mixed >> shift)) * factor) % 2**32
    return (mixed ^ (mixed >> 16)).double() / 2**32 - 0.5


def fill(network):
    tensors = [(n, t) for n, t in network.state_dict().items() if "num_batches" not in n and not n.startswith("fc.")]
    for salt, (name, tensor) in enumerate(tensors):
        values = pattern(tensor.numel(), salt).reshape(tensor.shape)
        if tensor.dim() == 4:
            values = values * (12 / tensor[0].numel()) ** 0.5
        elif name.endswith("running_var") or name.endswith("weight"):
            values = 1 + values
        tensor.copy_(values)


def line(case, name, tensor):
    values = tensor.reshape(-1)[:: (tensor.numel() // 48) | 1].tolist()
    print(case, name, *tensor.shape, "|", *(f"{value:.9e}" for value in values))


def run(case, dilate):
    network = torchvision.models.resnet50(replace_stride_with_dilation=dilate).double().eval()
    if case == "deeplab":
        for block, dilation in zip(network.layer4, (2, 4, 8)):
            block.conv2.dilation = block.conv2.padding = (dilation, dilation)
    with torch.no_grad():
        fill(network)
    x = pattern(2 * 3 * 50 * 66, IMAGES).reshape(2, 3, 50, 66)
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    for number in range(1, 5):
        x = getattr(network, f"layer{number}")(x)
        line(case, f"stage{number}", x.permute(0, 2, 3, 1))
    last = x.permute(0, 2, 3, 1)
    (last * pattern(last.numel(), 2000).reshape(last.shape)).sum().backward()
    for name in ("conv1.weight", "layer3.0.conv2.weight", "layer3.1.conv2.weight", "layer4.0.conv2.weight", "layer4.2.conv2.weight"):
        line(case, name, dict(network.named_parameters())[name].grad)


run("x32", (False, False, False))
run("x16", (False, False, True))
run("x8", (False, True, True))
run("deeplab", (False, False, True))
