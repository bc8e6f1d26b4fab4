#!/usr/bin/env python3
"""Writes the images here and, for each, the RGB bytes of Pillow's convert("RGB").

    python3 -m venv VENV && VENV/bin/pip install 'pillow<12'
    cd crates/data/tests/images && ../../../../VENV/bin/python make.py

The committed files were written by Pillow 11.3.0 with libjpeg-turbo 3.1.1 and libwebp 1.5.0. The photo is one of those in
crates/views/tests/pillow/photos.
"""
import io
import pathlib
import random
import struct
import zlib

from PIL import Image

W, H = 8, 6
random.seed(0)
noise = bytes(random.randrange(256) for _ in range(W * H * 8))
rgba = Image.frombytes("RGBA", (W, H), noise[: 4 * W * H])
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
keep("grey16.png", grey16)
keep("grey-alpha16.png", png16(4, 2))
save("rgb-transparent.png", rgba.convert("RGB"), transparency=rgba.getpixel((0, 0))[:3])
save("two-bit.png", palette.point(lambda v: v % 4), bits=2)
save("lossless-alpha.webp", rgba, lossless=True, exact=True)
save("lossy.webp", smooth, quality=90)
save("rgb.jpg", smooth, quality=95, subsampling=0)
save("progressive.jpg", smooth, quality=95, subsampling=2, progressive=True)
save("grey.jpg", smooth.convert("L"), quality=95)
save("cmyk.jpg", smooth.convert("CMYK"), quality=95)

views = pathlib.Path(__file__).parents[3] / "views/tests/pillow/photos"
photo = Image.frombytes("RGB", (83, 97), (views / "cat-83x97.rgb").read_bytes()).crop((10, 20, 77, 73))
save("photo-444.jpg", photo, quality=92, subsampling=0)
save("photo-422.jpg", photo, quality=92, subsampling=1)
save("photo-420.jpg", photo, quality=92, subsampling=2)
# At an even side the last colour of half resolution has no neighbour, and decoders continue it differently: two parts of a
# photo where that shows most, of 450 that were tried.
other = Image.frombytes("RGB", (101, 75), (views / "coffee-101x75.rgb").read_bytes())
save("photo-even-422.jpg", other.crop((13, 1, 87, 65)), quality=92, subsampling=1)
save("photo-even-420.jpg", other.crop((47, 3, 91, 59)), quality=60, subsampling=2)
save("photo-progressive.jpg", photo, quality=75, subsampling=2, progressive=True)
save("photo-grey.jpg", photo.convert("L"), quality=92)
save("photo-cmyk.jpg", photo.convert("CMYK"), quality=92)
save("photo.webp", photo, quality=90)
exif = Image.Exif()
exif[0x0112] = 6
save("photo-turned.jpg", photo, quality=92, subsampling=0, exif=exif)

# YCCK, which Pillow does not write: the components of a CMYK file, declared to be YCCK in Adobe's segment. Pillow inverts
# them as it writes.
black = Image.linear_gradient("L").resize(photo.size)
ycck = Image.merge("CMYK", [band.point(lambda v: 255 - v) for band in (*photo.convert("YCbCr").split(), black)])
file = io.BytesIO()
ycck.save(file, "jpeg", quality=92, subsampling=0)
data = bytearray(file.getvalue())
data[data.index(b"Adobe") + 11] = 2
keep("photo-ycck.jpg", bytes(data))
