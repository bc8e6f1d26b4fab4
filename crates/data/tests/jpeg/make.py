#!/usr/bin/env python3
"""Writes JPEG files of every kind that Pillow reads, and what Pillow decodes them to.

    apt-get install libjpeg-turbo-progs       # cjpeg: sampling factors, arithmetic coding
    python3 -m venv VENV && VENV/bin/pip install pillow
    VENV/bin/python make.py

`files.bin` holds the files one after the other, `cases.txt` a line for each: name, bytes, width, height, and the CRC-32 of
Pillow's convert("RGB"). `encoded.txt` has the CRC-32 of the last file as Pillow saves it again, by quality. The committed ones were written by Pillow 13.0.0 with libjpeg-turbo 3.2.0 and cjpeg 2.1.5.
"""
import io
import pathlib
import random
import subprocess
import zlib

from PIL import Image

here = pathlib.Path(__file__).parent
photos = []
for path in sorted((here / "../../../views/tests/pillow/photos").glob("*.rgb")):
    width, height = map(int, path.stem.rsplit("-")[-1].split("x"))
    photos.append(Image.frombytes("RGB", (width, height), path.read_bytes()))

draw = random.Random(17)
SIDES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 40, 47]


def picture(width=None, height=None):
    """A part of a photo, or noise, of the given or a drawn size."""
    width, height = width or draw.choice(SIDES), height or draw.choice(SIDES)
    if draw.random() < 0.15:
        return Image.frombytes("RGB", (width, height), draw.randbytes(3 * width * height))
    photo = draw.choice(photos)
    left, top = draw.randrange(photo.width - width + 1), draw.randrange(photo.height - height + 1)
    return photo.crop((left, top, left + width, top + height))


def pillow(image, **options):
    file = io.BytesIO()
    image.save(file, "jpeg", **options)
    return file.getvalue()


def cjpeg(image, *options):
    file = io.BytesIO()
    image.save(file, "ppm")
    return subprocess.run(["cjpeg", *options], input=file.getvalue(), capture_output=True, check=True).stdout


def transform(data, value):
    """The same file with another colour transform in Adobe's segment: 0 none, 1 YCbCr, 2 YCCK."""
    data = bytearray(data)
    data[data.index(b"Adobe") + 11] = value
    return bytes(data)


def without(data, marker):
    """The same file without its first segment of a kind."""
    at = data.index(marker)
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]


cases = []


def case(name, data):
    image = Image.open(io.BytesIO(data)).convert("RGB")
    cases.append((f"{len(cases):03}-{name}", data, image.size, zlib.crc32(image.tobytes())))


quality = lambda: draw.choice([30, 60, 75, 90, 95, 100])
for sampling, name in enumerate(["444", "422", "420"]):
    for progressive in [False, True]:
        for _ in range(12):
            kind = f"{name}-{'progressive' if progressive else 'baseline'}"
            case(kind, pillow(picture(), quality=quality(), subsampling=sampling, progressive=progressive))
# Every remainder of a width and a height by the 16 pixels of a 4:2:0 unit.
for rest in range(16):
    case("420-rest", pillow(picture(16 + rest, 17 + (5 * rest) % 16), quality=85, subsampling=2))
for factors in ["1x2", "4x1", "1x4", "2x2,1x2,2x1", "2x1,1x1,2x1", "2x2,2x1,1x1", "2x2,2x2,1x1", "1x2,1x1,1x2", "2x2,1x2", "2x1,2x1"]:
    for options in [[], ["-progressive"]]:
        for _ in range(3):
            case(f"{factors.replace(',', '+')}{''.join(options)}", cjpeg(picture(), "-quality", str(quality()), "-sample", factors, *options))
for options in [["-rgb"], ["-rgb", "-progressive"], ["-optimize"], ["-arithmetic"], ["-arithmetic", "-progressive"], ["-grayscale", "-arithmetic"], ["-dct", "float"], ["-restart", "1B"], ["-restart", "2B", "-progressive"], ["-restart", "1", "-arithmetic"], ["-quality", "3"]]:
    for _ in range(3):
        case("cjpeg" + "".join(options), cjpeg(picture(), *options))
for _ in range(8):
    case("grey", pillow(picture().convert("L"), quality=quality()))
    case("grey-progressive", pillow(picture().convert("L"), quality=quality(), progressive=True))
for factors in ["2x2", "1x2", "4x3"]:
    case("grey-" + factors, cjpeg(picture(), "-grayscale", "-sample", factors))
for blocks in [1, 2, 3, 5]:
    for sampling in [0, 2]:
        case(f"restart-{blocks}", pillow(picture(40, 33), quality=80, subsampling=sampling, restart_marker_blocks=blocks))
for rows in [1, 2]:
    case("restart-rows", pillow(picture(47, 40), quality=80, restart_marker_rows=rows, progressive=rows == 2))
for sampling in [0, 1, 2]:
    for progressive in [False, True]:
        for _ in range(2):
            ink = pillow(picture().convert("CMYK"), quality=quality(), subsampling=sampling, progressive=progressive)
            case("cmyk", ink)
            case("ycck", transform(ink, 2))
            case("cmyk-without-adobe", without(ink, b"\xff\xee"))
colours = pillow(picture(33, 17), quality=90, subsampling=0)
case("without-jfif", without(colours, b"\xff\xe0"))
adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
for value, name in enumerate(["adobe-rgb", "adobe-ycbcr"]):
    case(name, b"\xff\xd8" + adobe + bytes([value]) + without(colours, b"\xff\xe0")[2:])
    case(name + "-and-jfif", b"\xff\xd8" + colours[2:20] + adobe + bytes([value]) + colours[20:])
exif = Image.Exif()
exif[0x0112] = 6
case("exif", pillow(picture(), exif=exif))
case("comment", pillow(picture(), comment=b"\xff\xd9 a comment with markers \xff\xda"))
case("profile", pillow(picture(), icc_profile=bytes(range(256)) * 4))
case("trailing", pillow(picture()) + b"camera maker's notes")
case("large", pillow(photos[0], quality=92, subsampling=2))
case("large", pillow(photos[1], quality=75, progressive=True))

(here / "files.bin").write_bytes(b"".join(data for _, data, _, _ in cases))
lines = [f"{name} {len(data)} {size[0]} {size[1]} {crc:08x}\n" for name, data, size, crc in cases]
(here / "cases.txt").write_text("".join(lines))
last = Image.open(io.BytesIO(cases[-1][1])).convert("RGB")
saved = [f"{quality} {zlib.crc32(pillow(last, quality=quality)):08x}\n" for quality in [1, 30, 50, 75, 90, 100]]
(here / "encoded.txt").write_text("".join(saved))
print(len(cases), "files,", sum(len(data) for _, data, _, _ in cases), "bytes")
