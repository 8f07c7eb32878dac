"""Texts of every script go from a file through import, trace, page and export, and come back byte for byte."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

from ikd.config import TaskSettings
from ikd.tasks import load_task
from ikd.trace.export import export_parquet
from ikd.trace.folder import RunFolder
from ikd.trace.packing import pack_run
from ikd.trace.reader import TraceReader
from ikd.trace.store import runs_root
from ikd.trace.unpacking import unpack_run
from ikd.ui.shell import PAGES
from ikd.ui.wording import visible, whole
from tests.conftest import REPOSITORY
from tests.test_runs import finished
from tests.test_tasks_files import BAD, needs_data

ODD = [
    "Family \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 and flag \U0001f1ea\U0001f1fa, skin \U0001f44b\U0001f3fd",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01",
    "e\u0301 is not \u00e9, and \u1e9b\u0323 stays",
    "zero\u200bwidth and \u00a0no-break and \u00adsoft", "left \u202eright-to-left\u202c left",
    'a "quote", a comma, and\na line break', "tab\there, trailing space ",
    "  leading", "=SUM(A1:A9) is no formula here", "\ufb01\u210c\U0001d504",
    "<script>alert(1)</script> & {{template}} **stars** $x$",
]  # fmt: skip


def written(path: Path, texts: list[str]) -> Path:
    rows = [{"text": f"{text} #{i}", "label": "yes" if i % 2 else "no"} for i, text in enumerate(texts)]
    if path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8", newline="")
    else:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, ["text", "label"], delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
        path.write_bytes(text.getvalue().encode("utf-8"))
    return path


def run_on(path: Path) -> RunFolder:
    """Return a run that has issued a soft target to every course text."""
    return finished(task__name="files", task__train_file=str(path), task__exam_size=8, task__train_size=None, training__steps=24,
                    task__validation_size=None, task__test_size=None, teacher__fine_tune_steps=2)  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_a_text_comes_back_as_it_went_in(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"rows.{kind}", ODD * 6)
    expected = {f"{text} #{i}".encode() for i, text in enumerate(ODD * 6)}
    data = load_task(TaskSettings(name="files", train_file=str(path), exam_size=8))
    assert {text.encode() for split in data.splits.values() for text in split.texts} == expected
    folder = run_on(path)
    in_trace = {split: TraceReader(folder).examples(split)["text"].tolist() for split in ("course", "probe")}
    assert in_trace["course"] == [data.splits["course"].texts[i] for i in TraceReader(folder).examples("course")["id"]]
    assert in_trace["probe"] == list(data.splits["validation"].texts[: len(in_trace["probe"])])
    export_parquet(folder, tmp_path / "out")
    exported = pq.read_table(tmp_path / "out" / "examples.parquet").to_pylist()
    for split in ("course", "probe"):
        assert [row["text"] for row in exported if row["split"] == split] == in_trace[split]
    pack_run(folder, tmp_path / "run.zip")
    again = unpack_run(tmp_path / "run.zip", runs_root())
    assert TraceReader(again).examples("course")["text"].tolist() == in_trace["course"]


def test_the_page_shows_every_text_whole_with_what_cannot_be_seen_by_its_code(tmp_path: Path) -> None:
    folder = run_on(written(tmp_path / "rows.csv", ODD * 6))
    probe = TraceReader(folder).examples("probe")
    for example in probe["id"].tolist():
        page = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=180)
        page.run()
        page.switch_page(PAGES["example"].path)
        page.query_params["run"], page.query_params["ex"] = folder.id, str(example)
        page = page.run()
        text = str(probe.loc[probe["id"] == example, "text"].iloc[0])
        assert whole(text) in [str(one.value) for one in page.get("text")]
    assert whole("  a \n") == "‹U+0020›‹U+0020›a‹U+0020›‹U+000A›" and whole("   ") == "‹U+0020›" * 3
    for text in ODD:
        hidden = {"\u200b", "\u202e", "\u202c"} & set(text)
        assert (visible(text) == text) == (not hidden)


@needs_data
def test_the_stress_file_comes_back_as_it_went_in(tmp_path: Path) -> None:
    content = (BAD / "unicode_stress.csv").read_bytes().decode("utf-8")
    expected = {row["text"] for row in csv.DictReader(io.StringIO(content, newline=""))}
    data = load_task(TaskSettings(name="files", train_file=str(BAD / "unicode_stress.csv")))
    assert {text for split in data.splits.values() for text in split.texts} == expected
    folder = run_on(BAD / "unicode_stress.csv")
    seen = {text for split in ("course", "probe", "validation") for text in TraceReader(folder).examples(split)["text"]}
    assert seen <= expected and len(seen) > 20
