#!/usr/bin/env python3
"""Writes parquet files with the first 24 images of crates/data/tests/jpeg, as the Hugging Face Hub's library and as pyarrow
write them.

    python3 -m venv VENV && VENV/bin/pip install pyarrow datasets pillow
    VENV/bin/python make.py
"""
import pathlib

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent
source = here / "../../../crates/data/tests/jpeg"
data, images = (source / "files.bin").read_bytes(), []
for line in (source / "cases.txt").read_text().splitlines()[:24]:
    size = int(line.split()[1])
    images.append(data[:size])
    data = data[size:]
labels = [index * 7 % 3 for index in range(24)]
names = ["cat", "dog", "eel"]

features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
rows = {"image": [{"bytes": image, "path": None} for image in images], "label": labels}
datasets.Dataset.from_dict(rows, features=features).to_parquet(here / "hub.parquet", batch_size=10)

struct = [{"bytes": image, "path": f"{index}.jpg"} for index, image in enumerate(images)]
words = pa.table({"id": pa.array(range(24)), "img": struct, "label": [names[label] for label in labels]})
pq.write_table(words, here / "gzip.parquet", compression="gzip", use_dictionary=False, row_group_size=10, data_page_size=2000, write_batch_size=2)
pq.write_table(words, here / "zstd.parquet", compression="zstd", data_page_version="2.0", row_group_size=9, data_page_size=3000, write_batch_size=2)
# A dictionary that is given up for plain values when it has grown.
pq.write_table(words, here / "none.parquet", compression="none", dictionary_pagesize_limit=4000, write_batch_size=4, data_page_size=2000)

unlabelled = pa.table({"bytes": images[:4], "caption": ["a", "b", "c", "d"]})
pq.write_table(unlabelled, here / "unlabelled.parquet")
pq.write_table(pa.table({"text": ["a", "b"], "score": [0.5, 1.0]}), here / "text.parquet")
missing = pa.table({"image": [struct[0], None, struct[2]], "label": [0, 1, 0]})
pq.write_table(missing, here / "missing.parquet")
pq.write_table(unlabelled, here / "lz4.parquet", compression="lz4")
for file in sorted(here.glob("*.parquet")):
    meta = pq.ParquetFile(file).metadata
    column = meta.row_group(0).column(1 if meta.row_group(0).num_columns > 3 else 0)
    print(file.name, file.stat().st_size, meta.num_row_groups, column.path_in_schema, column.encodings, column.compression)
