"""Downloads: formulas made harmless, lists kept, nothing lost on the way."""

from __future__ import annotations

import io
import json
from csv import reader

import numpy as np
import pandas as pd
import pytest

from ikd.study.writing import csv
from ikd.ui.downloads import csv_bytes, parquet_bytes

TABLE = pd.DataFrame({
    "step": [0, 5], "text": ["=1+1", "plain, \"quoted\"\nword"], "logits": [np.array([-0.5, 2.0], np.float32), None],
    "influence": [-0.25, np.nan], "pair": [None, "-x"], "truth": [(0.25, 0.75), (np.nan, 1.0)],
})  # fmt: skip

INVISIBLE = [" ", "\t", "  ", "\u00a0", "\u2003", "\u3000", "\ufeff", "\u200b", "\u2060", "\u00ad", "\u202e", "\u3164", "\u2800", "\x1f",
             "\x00", "\ufe0f", " \u200b\t"]  # fmt: skip
SIGNS = ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫"]
BEHIND = [f"{unseen}{sign}cmd|' /C calc'!A0" for unseen in INVISIBLE for sign in SIGNS]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1", *BEHIND])
def test_texts_that_look_like_formulas_get_an_apostrophe(text: str) -> None:
    for written in (csv_bytes(pd.DataFrame({"text": [text], text: ["x"]})), csv(pd.DataFrame({"text": [text], text: ["x"]})).encode()):
        head, row = list(reader(io.StringIO(written.decode("utf-8"), newline="")))
        assert head[1] == row[0] == f"'{text}"


@pytest.mark.parametrize("text", ["a=b", "2 - 1", "'quoted'", "", "√", " a", "日本", "a\t=1", "−1"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    read = pd.read_csv(io.BytesIO(csv_bytes(pd.DataFrame({"text": [text, "end"]}))), keep_default_na=False)
    assert read["text"][0] == text


def test_csv_keeps_numbers_and_writes_lists_as_json() -> None:
    read = pd.read_csv(io.BytesIO(csv_bytes(TABLE)))
    assert list(read.columns) == list(TABLE.columns)
    assert read["influence"][0] == -0.25 and np.isnan(read["influence"][1])
    assert json.loads(read["logits"][0]) == [-0.5, 2.0] and pd.isna(read["logits"][1])
    assert json.loads(read["truth"][1]) == [None, 1.0]
    assert read["pair"][1] == "'-x" and "quoted" in read["text"][1]


def test_parquet_keeps_everything() -> None:
    read = pd.read_parquet(io.BytesIO(parquet_bytes(TABLE)))
    assert read["text"].tolist() == TABLE["text"].tolist()
    assert read["logits"][0].tolist() == [-0.5, 2.0] and read["logits"][1] is None
    assert read["truth"][0].tolist() == [0.25, 0.75]
    assert read["step"].dtype == np.int64


def test_half_a_surrogate_pair_and_empty_tables_pass() -> None:
    broken = pd.DataFrame({"text": pd.Series(["a\ud800b"], dtype=object)})
    assert b"a?b" in csv_bytes(broken)
    assert pd.read_parquet(io.BytesIO(parquet_bytes(broken)))["text"][0] == "a?b"
    assert csv_bytes(TABLE.iloc[:0]).count(b"\r\n") == 1
    assert len(pd.read_parquet(io.BytesIO(parquet_bytes(TABLE.iloc[:0])))) == 0
