#!/usr/bin/env python3
"""Makes the pictures here, and beside each the RGB bytes that Pillow's convert("RGB") gives for it.

The one exception: Pillow clips 16-bit grey, where we keep the high byte as it does itself for 16-bit colour.
"""
import io
import random
import struct
import zlib

from PIL import Image

W, H = 8, 6
random.seed(0)
noise = bytes(random.randrange(256) for _ in range(W * H * 4))
rgba = Image.frombytes("RGBA", (W, H), noise)
smooth = Image.frombytes("RGB", (W, H), bytes(v for y in range(H) for x in range(W) for v in (20 * x, 30 * y, 128)))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png16(colour_type, channels):
    row = 2 * channels * W
    lines = b"".join(b"\0" + (noise * 2)[y * row : (y + 1) * row] for y in range(H))
    header = struct.pack(">IIBBBBB", W, H, 16, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def keep(name, data, rgb=None):
    open(name, "wb").write(data)
    rgb = rgb or Image.open(io.BytesIO(data)).convert("RGB").tobytes()
    open(name + ".rgb", "wb").write(rgb)


def save(name, picture, **options):
    file = io.BytesIO()
    picture.save(file, name.rsplit(".")[-1].replace("jpg", "jpeg"), **options)
    keep(name, file.getvalue())


save("rgb.png", rgba.convert("RGB"))
save("rgba.png", rgba)
save("grey.png", rgba.convert("L"))
save("grey-alpha.png", rgba.convert("LA"))
save("one-bit.png", rgba.convert("1"))
palette = rgba.convert("RGB").quantize(9)
save("palette.png", palette)
save("palette-alpha.png", palette, transparency=bytes([0, 128, 255, 3]))
keep("rgb16.png", png16(2, 3))
grey16 = png16(0, 1)
keep("grey16.png", grey16, bytes(v for i in range(W * H) for v in [(noise * 2)[2 * i]] * 3))
save("lossless-alpha.webp", rgba, lossless=True, exact=True)
save("lossy.webp", smooth, quality=90)
save("rgb.jpg", smooth, quality=95, subsampling=0)
save("progressive.jpg", smooth, quality=95, subsampling=2, progressive=True)
save("grey.jpg", smooth.convert("L"), quality=95)
save("cmyk.jpg", smooth.convert("CMYK"), quality=95)
