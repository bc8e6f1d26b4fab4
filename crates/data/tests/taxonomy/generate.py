"""Writes the reference of the taxonomy tests: python generate.py SPECIFICATION WORDNET WNIDS

SPECIFICATION is the fact sheet of the paper whose appendix B lists the label sets, WORDNET a folder with data.noun and
index.noun of WordNet 3.0, WNIDS the 1,000 synset ids of ImageNet, sorted, one a line (timm has them as
data/_info/imagenet_synsets.txt).

- appendix_b.txt: every group of the appendix as it stands there: id, name, number of classes, class indices.
- data.noun, index.noun: the lines of WordNet that the hypernyms of these classes lead to, behind the file's own header.
  Glosses and all pointers but @ and @i are cut, and so are senses of lemmas that no choice between parents needs.
- wnids.txt: the ids.
"""

import re
import sys
from pathlib import Path

specification, wordnet, wnids = map(Path, sys.argv[1:])
here = Path(__file__).parent

text = specification.read_text(encoding="utf-8")
appendix = text[text.index("## Appendix B") :]
lines = []
for line in appendix.splitlines():
    if line.startswith("### "):
        lines.append("# " + line[4:])
    elif group := re.fullmatch(r"- (n\d{8}) (.+) · (\d+) \[([\d,-]+)\]", line):
        lines.append("\t".join(group.groups()))
    elif group := re.fullmatch(r"- (n\d{8}) (.+) · (\d+) (\[.*)", line):
        sys.exit(f"not understood: {line}")
(here / "appendix_b.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

ids = [line.split()[0] for line in wnids.read_text().splitlines() if line.strip()]
assert len(ids) == 1000 and ids == sorted(ids)
(here / "wnids.txt").write_text("\n".join(ids) + "\n")

header, synsets = [], {}
for line in (wordnet / "data.noun").read_text().splitlines():
    if line.startswith("  "):
        header.append(line.rstrip())
    else:
        synsets[line[:8]] = line.split(" | ")[0].split()


def words(fields):
    return int(fields[3], 16)


def pointers(fields):
    at = 4 + 2 * words(fields)
    found = [fields[at + 1 + 4 * n : at + 5 + 4 * n] for n in range(int(fields[at]))]
    return [pointer for pointer in found if pointer[0] in ("@", "@i")]


def hypernyms(offset):
    return [target for symbol, target, *_ in pointers(synsets[offset]) if symbol == "@"]


needed, waiting = set(), [id[1:] for id in ids]
while waiting:
    offset = waiting.pop()
    if offset not in needed:
        needed.add(offset)
        waiting.extend(hypernyms(offset))
lines = list(header)
for offset in sorted(needed):
    fields = synsets[offset]
    kept = pointers(fields)
    short = fields[: 4 + 2 * words(fields)] + [f"{len(kept):03}"]
    lines.append(" ".join(short + [field for pointer in kept for field in pointer]))
(here / "data.noun").write_text("\n".join(lines) + "\n")

compared = {parent for offset in needed if len(hypernyms(offset)) > 1 for parent in hypernyms(offset)}
lemmas = {synsets[offset][4].lower() for offset in compared}
lines = list(header)
for line in (wordnet / "index.noun").read_text().splitlines():
    if not line.startswith("  ") and line.split()[0] in lemmas:
        lines.append(line.rstrip())
(here / "index.noun").write_text("\n".join(lines) + "\n")
