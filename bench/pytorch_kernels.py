"""Times the operations of a training step in Parallax and in PyTorch on the same device.

    python bench/pytorch_kernels.py --parallax target/release/parallax --device vulkan --torch-device cuda --width 64 --batch 256
    python bench/pytorch_kernels.py --parallax target/release/parallax --device cpu --torch-device cpu --width 16 --batch 32

Runs `parallax bench kernels --json`, then the same operations in PyTorch, one at a time: convolutions (gradients by
`aten::convolution_backward` with one output requested), batch norm with ReLU, max-pool, linear layers and the similarity.
PyTorch gets the channels-last layout, which is the faster one for these on GPUs, and computes in f32; on CUDA a second column has
TF32 (10 bits of mantissa), its default for convolutions. Prints a Markdown table, whose last line is the sum.
"""

import argparse
import json
import re
import statistics
import subprocess
import time

import torch
from torch.nn.functional import batch_norm, max_pool2d, relu

backward = torch.ops.aten.convolution_backward


class Timer:
    """The median time of an operation, several of which are queued between two synchronisations."""

    def __init__(self, device, seconds):
        self.cuda = device == "cuda"
        self.seconds = seconds

    def wait(self):
        if self.cuda:
            torch.cuda.synchronize()

    def __call__(self, work):
        for _ in range(3):
            work()
        self.wait()
        runs, times, begin = 1, [], time.perf_counter()
        while len(times) < 3 or time.perf_counter() - begin < self.seconds:
            self.wait()
            start = time.perf_counter()
            for _ in range(runs):
                work()
            self.wait()
            took = time.perf_counter() - start
            if took < 5e-3 and runs < 1024:
                runs, times = 2 * runs, []
                continue
            times.append(took / runs)
        return statistics.median(times)


def numbers(pattern, name):
    found = re.fullmatch(pattern, name)
    return [int(number) for number in found.groups()] if found else None


def operations(name, batch, device):
    """The operations of one shape of our table, by name."""

    def values(*shape):
        return torch.rand(*shape, device=device) * 2 - 1

    def images(*shape):
        return values(*shape).to(memory_format=torch.channels_last)

    if found := numbers(r"(\d+)x\d+ (\d+) to (\d+) at (\d+) px /(\d+)", name):
        kernel, inputs, outputs, side, stride = found
        padding, out = kernel // 2, -(-side // stride)
        x, grad = images(batch, inputs, side, side), images(batch, outputs, out, out)
        weight = images(outputs, inputs, kernel, kernel)

        def gradient(mask):
            sizes = ([stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1)
            return lambda: backward(grad, x, weight, None, *sizes, mask)

        return {
            "forward": lambda: torch.conv2d(x, weight, None, stride, padding),
            "input gradient": gradient([True, False, False]),
            "weight gradient": gradient([False, True, False]),
        }
    if found := numbers(r"norm of (\d+) x (\d+)", name):
        rows, channels = found
        x, grad = values(rows, channels).requires_grad_(), values(rows, channels)
        weight, bias = values(channels).requires_grad_(), values(channels).requires_grad_()
        out = relu(batch_norm(x, None, None, weight, bias, True))

        def forward():
            with torch.no_grad():
                relu(batch_norm(x, None, None, weight, bias, True))

        return {
            "forward": forward,
            "backward": lambda: torch.autograd.grad(out, (x, weight, bias), grad, retain_graph=True),
        }
    if found := numbers(r"pool (\d+)x\d+ of (\d+) at (\d+) px /(\d+)", name):
        kernel, channels, side, stride = found
        x = images(batch, channels, side, side).requires_grad_()
        out = max_pool2d(x, kernel, stride, kernel // 2)
        grad = torch.ones_like(out)

        def forward():
            with torch.no_grad():
                max_pool2d(x, kernel, stride, kernel // 2)

        return {"forward": forward, "backward": lambda: torch.autograd.grad(out, x, grad, retain_graph=True)}
    if found := numbers(r"linear (\d+) to (\d+)", name):
        inputs, outputs = found
        x, grad, weight = values(batch, inputs), values(batch, outputs), values(outputs, inputs)
        return {
            "forward": lambda: x @ weight.T,
            "input gradient": lambda: grad @ weight,
            "weight gradient": lambda: grad.T @ x,
        }
    if found := numbers(r"similarity of (\d+) with (\d+)", name):
        width, keys = found
        x, grad, queue = values(batch, width), values(batch, keys), values(keys, width)
        return {"forward": lambda: x @ queue.T, "input gradient": lambda: grad @ queue}
    raise SystemExit(f"unknown shape in the table: {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parallax", default="target/release/parallax")
    parser.add_argument("--device", default="vulkan")
    parser.add_argument("--torch-device", default="cuda")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--milliseconds", type=int, default=100)
    given = parser.parse_args()

    command = [given.parallax, "bench", "kernels", "--device", given.device, "--json"]
    for name in ("width", "size", "batch", "milliseconds"):
        command += [f"--{name}", str(getattr(given, name))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    table = json.loads(done.stdout)

    timer = Timer(given.torch_device, given.milliseconds / 1e3)
    columns = {"f32": False, "TF32": True} if given.torch_device == "cuda" else {"f32": False}
    name = torch.cuda.get_device_name() if given.torch_device == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"Parallax on {table['device']}, PyTorch {torch.__version__} on {given.torch_device} ({name});")
    print(f"width {given.width} at {given.size} px, batch {given.batch}; our fastest matrix product: {table['product_flops'] / 1e9:.0f} GFLOP/s\n")
    heads = ["shape", "operation", "ours, ms", "Burn, ms", "Burn / ours", "GFLOP/s", "of best", "GB/s"]
    heads += [f"PyTorch {column}, ms" for column in columns] + [f"{column} / ours" for column in columns]
    print("| " + " | ".join(heads) + " |\n|---|---|" + "---:|" * (len(heads) - 2))
    made, totals = {}, [0.0] * (2 + len(columns))
    for line in table["lines"]:
        shape = line["shape"]
        if shape not in made:
            made = {shape: operations(shape, given.batch, given.torch_device)}
        work = made[shape][line["operation"]]
        theirs = []
        for tf32 in columns.values():
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
            theirs.append(timer(work))
        ours, stock = line["seconds"], line["stock_seconds"]
        for place, seconds in enumerate([ours, stock, *theirs]):
            totals[place] += seconds
        rate = f"{line['rate'] / 1e9:.0f}" if line["rate"] else "-"
        best = f"{100 * line['of_best']:.0f} %" if line["of_best"] else "-"
        cells = [shape, line["operation"], f"{1e3 * ours:.3f}", f"{1e3 * stock:.3f}", f"{stock / ours:.2f}", rate, best]
        cells += [f"{line['minimum'] / ours / 1e9:.0f}"]
        cells += [f"{1e3 * seconds:.3f}" for seconds in theirs] + [f"{seconds / ours:.2f}" for seconds in theirs]
        print("| " + " | ".join(cells) + " |")
    ours, stock, *theirs = totals
    cells = ["all", "", f"{1e3 * ours:.3f}", f"{1e3 * stock:.3f}", f"{stock / ours:.2f}", "", "", ""]
    cells += [f"{1e3 * seconds:.3f}" for seconds in theirs] + [f"{seconds / ours:.2f}" for seconds in theirs]
    print("| " + " | ".join(cells) + " |")


main()
