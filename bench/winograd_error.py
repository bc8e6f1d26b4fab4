"""Errors of Winograd convolutions in f32, relative to the tolerance of the kernels' tests.

    python -m venv venv && venv/bin/pip install numpy
    venv/bin/python bench/winograd_error.py

The tolerance is that of crates/kernels/tests/common: 3 ulps times the root of the number of terms, at the scale of the terms.
Every product and sum is rounded to f32; channels are summed sequentially.
"""

import numpy as np

F = np.float32
# Lavin and Gray, 2016: B^T, G, A^T.
VARIANTS = {
    "F(2x2, 3x3)": (
        [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
        [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
        [[1, 1, 1, 0], [0, 1, -1, -1]],
    ),
    "F(4x4, 3x3)": (
        [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
         [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]],
        [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
         [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]],
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    ),
}


def both_sides(matrix, values):
    matrix = np.array(matrix, F)
    down = np.einsum("ij,...jk->...ik", matrix, values).astype(F)
    return np.einsum("...ij,kj->...ik", down, matrix).astype(F)


def relative_errors(variant, channels, tiles=400):
    """Errors over tolerances, for all outputs of some tiles."""
    rng = np.random.default_rng(0)
    patch, kernel, output = variant
    side, out = len(patch), len(output)
    d = (2 * rng.random((tiles, channels, side, side)) - 1).astype(F)
    g = (2 * rng.random((channels, 3, 3)) - 1).astype(F)
    v, u = both_sides(patch, d), both_sides(kernel, g)
    sums = np.zeros((tiles, side, side), F)
    for channel in range(channels):
        sums += v[:, channel] * u[channel]
    found = both_sides(output, sums)
    exact, squares = np.zeros((2, tiles, out, out))
    for i in range(3):
        for j in range(3):
            terms = d[:, :, i:i + out, j:j + out].astype(float) * g[None, :, i, j, None, None].astype(float)
            exact += terms.sum(1)
            squares += (terms**2).sum(1)
    return abs(found - exact) / (3 * np.finfo(F).eps * np.sqrt(9 * channels) * np.sqrt(squares))


for name, variant in VARIANTS.items():
    for channels in (16, 64, 256, 512):
        found = relative_errors(variant, channels)
        print(f"{name}, {channels:>3} channels: largest error {found.max():.2f} of the tolerance, mean {found.mean():.3f}")
