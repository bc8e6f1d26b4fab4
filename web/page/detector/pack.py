"""Stores the weights of a checkpoint as f16: python3 pack.py CHECKPOINT/weights.safetensors weights.safetensors

Needs nothing but Python. Counters keep their type; the recipe in the metadata stays.
"""

import json
import struct
import sys


def main(source, target):
    with open(source, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    body = memoryview(data)[8 + size :]
    packed, out = {}, bytearray()
    if "__metadata__" in header:
        packed["__metadata__"] = header.pop("__metadata__")
    for name in sorted(header):
        tensor = header[name]
        begin, end = tensor["data_offsets"]
        values, dtype = bytes(body[begin:end]), tensor["dtype"]
        if dtype == "F32":
            count = len(values) // 4
            values = struct.pack(f"<{count}e", *struct.unpack(f"<{count}f", values))
            dtype = "F16"
        packed[name] = {"dtype": dtype, "shape": tensor["shape"], "data_offsets": [len(out), len(out) + len(values)]}
        out += values
    head = json.dumps(packed, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with open(target, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + out)


main(*sys.argv[1:])
