"""Files broken at random, of every kind that is read: each one loads, or is refused in one sentence, in time and in little memory.

    python -m tests.test_tasks_fuzz SEED FOLDER        writes the file of a seed into a folder, to look at it
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import pyarrow as pa
import pytest

from ikd.config import TaskSettings
from ikd.errors import IKDError
from ikd.tasks import load_task

EVERYDAY, ALL = 100, 1000
LONGEST_SECONDS, MOST_GROWTH_BYTES = 5.0, 500 * 2**20
WORDS = ["good", "bad", "the café", "a, b", 'said "fine"', "line\nbreak", "naïve – truly", "日本語", "🙂", "= 1", "x" * 60, " spaced "]
SPECIAL = [b'"', b"'", b",", b";", b"\t", b"|", b"\n", b"\r", b"\r\n", b"\x00", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"{", b"}",
           b"[", b"]", b":", b"\\", b"\\u0000", b"\\ud800", b"null", b"NaN", b"1e999", b"-", b"0.5", b"\x1f\x8b", b"PAR1",
           b"sep=;\n"]  # fmt: skip


def rows(chance: random.Random, n: int) -> pd.DataFrame:
    texts = [f"{chance.choice(WORDS)} {i} {chance.choice(WORDS)}" for i in range(n)]
    return pd.DataFrame({"text": texts, "label": [chance.choice(["no", "yes"]) for _ in range(n)]})


def delimited(frame: pd.DataFrame, delimiter: str, encoding: str, *, header: bool = True) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows([list(frame.columns)] * header + frame.to_numpy().tolist())
    return out.getvalue().encode(encoding, "ignore")


def parquet(frame: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.to_parquet(out)
    return out.getvalue()


def nested(frame: pd.DataFrame) -> bytes:
    lines = [{"example": {"text": text, "more": [{"a": 1}]}, "label": label, "votes": {str(label): 3}}
             for text, label in frame[["text", "label"]].to_numpy().tolist()]  # fmt: skip
    return "\n".join(map(json.dumps, lines)).encode()


SEEDS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "a.csv": lambda frame: delimited(frame, ",", "utf-8"),
    "b.csv": lambda frame: delimited(frame, ";", "utf-16"),
    "c.csv": lambda frame: delimited(frame, ",", "cp1252"),
    "d.tsv": lambda frame: delimited(frame, "\t", "utf-8-sig"),
    "e.tsv": lambda frame: delimited(frame, "\t", "shift_jis", header=False),
    "f.txt": lambda frame: delimited(frame, "|", "utf-32"),
    "g.txt": lambda frame: "\n".join(frame["text"]).encode(),
    "h.jsonl": lambda frame: frame.to_json(orient="records", lines=True).encode(),
    "i.ndjson": nested,
    "j.json": lambda frame: frame.to_json(orient="records").encode(),
    "k.json": lambda frame: frame.to_json(orient="columns").encode(),
    "l.json": lambda frame: json.dumps({"data": frame.to_dict("records")}, ensure_ascii=False).encode(),
    "m.parquet": parquet,
    "n.csv.gz": lambda frame: gzip.compress(delimited(frame, ",", "utf-8")),
    "o.jsonl.gz": lambda frame: gzip.compress(nested(frame)),
    "p.gz": lambda frame: gzip.compress(parquet(frame)),
}


def flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice([1, 3, 30])):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def cut(data: bytes, chance: random.Random) -> bytes:
    first, second = sorted((chance.randrange(len(data)), chance.randrange(len(data))))
    return chance.choice([data[:first], data[second:], data[:first] + data[second:]])


def insert(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    what = chance.choice(SPECIAL) if chance.random() < 0.8 else chance.randbytes(chance.randrange(1, 50))
    return data[:place] + what * chance.choice([1, 1, 2, 7, 5000]) + data[place:]


def double(data: bytes, chance: random.Random) -> bytes:
    first, second = sorted((chance.randrange(len(data)), chance.randrange(len(data))))
    return data[:second] + data[first:second] * chance.choice([1, 2, 50]) + data[second:]


def nest(data: bytes, chance: random.Random) -> bytes:
    opening, closing = chance.choice([(b"[", b"]"), (b'{"a":', b"}"), (b'{"data":', b"}"), (b'"', b'"')])
    depth = chance.choice([1, 2, 20, 100_000])
    place = chance.choice([0, 0, chance.randrange(len(data))])
    return data[:place] + opening * depth + data[place:] + closing * chance.choice([depth, 0])


def quote(data: bytes, chance: random.Random) -> bytes:
    """Put one enormous quoted cell in, or quotes at the beginning of many lines."""
    if chance.random() < 0.5:
        place = chance.randrange(len(data))
        cell = chance.choice([b"long ", b"line\n", b'""', b",\n"]) * 200_000
        return data[:place] + b'"' + cell + chance.choice([b'"', b""]) + data[place:]
    return data.replace(b"\n", b'\n"', chance.choice([1, 5, -1]))


def mix_line_ends(data: bytes, chance: random.Random) -> bytes:
    ends = [b"\n", b"\r", b"\r\n", b"\n\n", b"\x0b", b"\xc2\x85", "\u2028".encode()]
    return b"".join(line + chance.choice(ends) for line in data.splitlines())


def repack(data: bytes, chance: random.Random) -> bytes:
    """Break what is in a gzip file, or the file itself after it was packed; pack other files."""
    if data.startswith(b"\x1f\x8b"):
        return gzip.compress(mutated(gzip.decompress(data), chance))
    return gzip.compress(data) if chance.random() < 0.2 else flip(data, chance)


MUTATIONS = [flip, flip, cut, insert, insert, double, nest, quote, mix_line_ends]


def mutated(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice([1, 1, 2, 4])):
        data = chance.choice(MUTATIONS)(data, chance) or b"\n"
    return data


def broken_file(seed: int, folder: Path) -> Path:
    """Write the file of a seed."""
    chance = random.Random(seed)
    name = chance.choice(list(SEEDS))
    whole = SEEDS[name](rows(chance, chance.choice([12, 40, 300])))
    broken = repack(whole, chance) if chance.random() < (0.7 if name.endswith("gz") else 0.1) else mutated(whole, chance)
    path = folder / f"{seed}-{name}"
    path.write_bytes(broken)
    return path


def check_files(seeds: range, folder: Path) -> tuple[int, int]:
    """Load the file of each seed; return how many load, and how many are refused."""
    process = psutil.Process()
    before = process.memory_info().rss
    n_loaded = n_refused = 0
    for seed in seeds:
        path = broken_file(seed, folder)
        start = time.process_time()  # not the time on the wall: a busy machine is no fault of the reader
        try:
            data = load_task(TaskSettings(name="files", train_file=str(path)))
        except IKDError as refusal:
            said = str(refusal)
            assert said and "\n" not in said and said.endswith((".", "?")) and len(said) < 2000, (path.name, said)
            n_refused += 1
        else:
            assert all(isinstance(text, str) for split in data.splits.values() for text in split.texts), path.name
            n_loaded += 1
        assert time.process_time() - start < LONGEST_SECONDS, path.name
        assert process.memory_info().rss - before < MOST_GROWTH_BYTES, path.name
        path.unlink()
    return n_loaded, n_refused


@pytest.mark.parametrize(
    "seeds", [pytest.param(range(EVERYDAY), id="everyday"), pytest.param(range(EVERYDAY, ALL), id="all", marks=pytest.mark.slow)]
)
def test_broken_files_load_or_are_refused_in_a_sentence(seeds: range, tmp_path: Path) -> None:
    n_loaded, n_refused = check_files(seeds, tmp_path)
    # Were nearly all of them refused, or none, the files would be broken too much or too little to say anything.
    assert min(n_loaded, n_refused) > len(seeds) / 10


def paired_files(seed: int, folder: Path) -> dict[str, str]:
    """Write the training file of a seed, and a test or validation file of another kind, encoding and columns; one may be broken."""
    chance = random.Random(f"two {seed}")
    names = {"text": ["text", "sentence", "text.a", "review"], "label": ["label", "Label", "category", "gold"]}
    same = {column: chance.choice(kinds) for column, kinds in names.items()}
    paths = {}
    for split in ("train", chance.choice(["validation", "test", "unlabelled"])):
        kind = chance.choice([name for name in SEEDS if name != "g.txt"])
        columns = {column: same[column] if chance.random() < 0.7 else chance.choice(kinds) for column, kinds in names.items()}
        frame = rows(chance, chance.choice([1, 12, 60]) if split != "train" else 80)
        if chance.random() < 0.5:
            frame["text"] = [f"{split} {text}" for text in frame["text"]]
        frame["label"] = relabelled(list(frame["label"]), chance)
        frame = chance.choice([lambda one: one, lambda one: one[["label", "text"]], lambda one: one.assign(id=range(len(one)))])(frame)
        try:
            whole = SEEDS[kind](frame if kind in ("i.ndjson", "o.jsonl.gz") else frame.rename(columns=columns))
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # Parquet has one type a column
            kind, whole = "h.jsonl", SEEDS["h.jsonl"](frame.rename(columns=columns))
        path = folder / f"{seed}-{split}-{kind}"
        path.write_bytes(mutated(whole, chance) if chance.random() < 0.3 else whole)
        paths[f"{split}_file"] = str(path)
    return paths


def relabelled(labels: list[str], chance: random.Random) -> list[object]:
    """Return labels as people write them, more or less: numbers, codes, words for nothing, lists, other capitals."""
    forms: list[Callable[[str], object]] = [
        lambda label: label, lambda label: label.upper(), lambda label: [label], lambda label: chance.choice([[label], label]),
        lambda label: int(label == "yes"), lambda label: float(label == "yes"), lambda label: "007" if label == "yes" else "7",
        lambda label: "NONE" if label == "yes" else "FAVOR", lambda label: None, lambda label: -1, lambda label: "",
        lambda label: f"{label}\u00a0", lambda label: chance.choice(["-1", "0", "1"]), lambda label: chance.choice(["a", "b", "a,b"]),
        lambda label: {"name": label}, lambda label: label == "yes", lambda label: "x" * 5000 + label, lambda label: [label, "no"],
        lambda label: chance.random(),
    ]  # fmt: skip
    form = chance.choice([forms[0], forms[0], *forms])
    return [form(label) for label in labels]


def check_pairs(seeds: range, folder: Path) -> tuple[int, int]:
    """Load the two files of each seed; return how many load, and how many are refused."""
    n_loaded = 0
    for seed in seeds:
        paths = paired_files(seed, folder)
        try:
            data = load_task(TaskSettings(name="files", **paths))
        except IKDError as refusal:
            said = str(refusal)
            assert said and "\n" not in said and said.endswith((".", "?")) and len(said) < 2000, (seed, said)
            assert "that cannot be read" not in said, (seed, said)  # a fault that no reader knows
            continue
        n_loaded += 1
        n_classes = len(data.label_names)
        for name, split in data.splits.items():
            assert all(isinstance(text, str) for text in split.texts) and len(split.texts) == len(split.labels)
            assert all(-(name == "course") <= label < n_classes for label in split.labels)
        assert not any(name.startswith(("[", "{")) for name in data.label_names), (seed, data.label_names)
        assert all("\n" not in note and len(note) < 2000 for note in data.notes), seed
    return n_loaded, len(seeds) - n_loaded


@pytest.mark.parametrize(
    "seeds", [pytest.param(range(EVERYDAY), id="everyday"), pytest.param(range(EVERYDAY, ALL), id="all", marks=pytest.mark.slow)]
)
def test_two_files_of_different_kinds_load_or_are_refused_in_a_sentence(seeds: range, tmp_path: Path) -> None:
    n_loaded, n_refused = check_pairs(seeds, tmp_path)
    assert min(n_loaded, n_refused) > len(seeds) / 10


if __name__ == "__main__":
    broken_file(int(sys.argv[1]), Path(sys.argv[2]))
