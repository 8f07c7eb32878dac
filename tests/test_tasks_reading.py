"""Any tabular text file: every layout and encoding gives the exact texts, and what cannot be read is refused in a sentence."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import random
from collections import Counter
from itertools import product
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from pydantic import ValidationError

from ikd.config import TaskSettings, build_config
from ikd.config.limits import limits
from ikd.errors import ConfigError, TaskError
from ikd.runs.uploads import keep_upload
from ikd.tasks import load_task
from ikd.tasks.reading import Reading, Table, read_table

DATA = Path(__file__).parents[2] / "shared" / "data"
RAW, BAD = DATA / "raw", DATA / "bad"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the developers' data folder is not here")
EXPECTED = json.loads((RAW / "expected.json").read_text("utf-8")) if RAW.is_dir() else {}
EXPECTATIONS = json.loads((BAD / "expectations.json").read_text("utf-8"))["files"] if BAD.is_dir() else []

# What reading alone says of bad/: all other files have 40 rows and need no word here.
REFUSED = {"header_only.csv", "zero_bytes.csv", "newlines_only.csv", "binary_png_named.csv", "random_bytes.csv", "truncated.parquet"}
ROWS_READ = {"one_row.csv": 1, "ragged_quotes.csv": 15, "unquoted_commas.csv": 31, "huge_cell_1mb.csv": 41, "rare_class.csv": 41,
             "imbalanced_95_5.csv": 400, "truncated.jsonl": 39}  # fmt: skip
READING_SAYS = {"latin1.csv": ["encoding", "Windows-1252"], "cp1252_smart_quotes.csv": ["encoding", "Windows-1252"],
                "ragged_quotes.csv": ["quote", "lines 2, 14"], "unquoted_commas.csv": ["lines", "column", "35"],
                "gzip_named.csv": ["gzip"], "truncated.jsonl": ["line 40"]}  # fmt: skip

HARD_TEXTS = [
    "plain", "family 👨‍👩‍👧‍👦 and flag 🇩🇪", "שלום עולם", "مرحبا \u202eabc\u202c", 'He said "fine", and left', '"', '""quoted""',
    "a,b;c\td|e", "two\nlines", "three\r\nlines\r\nhere", "old\rMac", "  spaces around  ", "\ttab first", "NA", "null", "None", "007",
    "1.50", "TRUE", "=SUM(A1)", "#hash", "e\u0301 is not \u00e9", "zero\u200bwidth", "bell\x07", "line\u2028separator\x85here",
    "back\\slash \\n", "'single'",
]  # fmt: skip
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
UNICODE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
BE_MARKED = {"utf-16 BE": codecs.BOM_UTF16_BE, "utf-32 BE": codecs.BOM_UTF32_BE}

OLD_TEXTS = {
    "cp1252": ["Le café était délicieux – très bon.", "Die Größe stimmt nicht, schöne Straße.", "“Quoted” and it’s fine… £5"],
    "cp1250": ["Zażółć gęślą jaźń, było pyszne.", "Książka jest świetna, polecam.", "Nie podobał mi się ten film, był zbyt długi."],
    "iso8859_2": ["Zażółć gęślą jaźń, było pyszne.", "Książka jest świetna, polecam.", "Nie podobał mi się ten film, był zbyt długi."],
    "cp1251": ["Еда была очень вкусной, а обслуживание приятным.", "Книга замечательная, советую всем."],
    "koi8_r": ["Еда была очень вкусной, а обслуживание приятным.", "Книга замечательная, советую всем."],
    "cp1253": ["Το φαγητό ήταν νόστιμο και η εξυπηρέτηση καλή.", "Δυστυχώς η συσκευή χάλασε μετά από δύο μέρες."],
    "cp1254": ["Maalesef cihaz iki gün sonra bozuldu, çok kötü.", "Şoför ışığı görmedi, yağmur yağıyordu."],
    "cp1255": ["האוכל היה טעים והשירות היה נעים מאוד.", "לצערי המכשיר התקלקל אחרי יומיים."],
    "cp1256": ["كان الطعام لذيذا والخدمة جيدة جدا.", "للأسف تعطل الجهاز بعد يومين."],
    "cp1257": ["Deja, įrenginys sugedo po dviejų dienų.", "Šis filmas man nepatiko, ąžuolas žydi."],
    "cp874": ["อาหารอร่อยมากและบริการดี", "หนังสือเล่มนี้ดีมาก แนะนำให้ทุกคนอ่าน"],
    "shift_jis": ["料理はとても美味しく、サービスも良かったです。", "この映画は好きではありません。"],
    "euc_jp": ["料理はとても美味しく、サービスも良かったです。", "この映画は好きではありません。"],
    "gb18030": ["菜很好吃，服务也很好。", "这本书很棒，我推荐给大家。"],
    "big5": ["菜很好吃，服務也很好。", "這本書很棒，我推薦給大家。"],
    "euc_kr": ["음식이 아주 맛있고 서비스도 좋았습니다.", "이 책은 훌륭해서 모두에게 추천합니다."],
    "mac_roman": ["Le café était délicieux, très bon.", "L’œuvre est magnifique, ça marche.", "Déçu par la qualité du produit reçu."],
}  # fmt: skip
SPOKEN = {"iso8859_2": "ISO-8859-2", "koi8_r": "KOI8-R", "shift_jis": "Shift-JIS", "euc_jp": "EUC-JP", "gb18030": "GB18030", "big5": "Big5",
          "euc_kr": "EUC-KR", "mac_roman": "Mac Roman"}  # fmt: skip


def read(path: Path, content: bytes | str, **how: str) -> Table:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, Reading(**how))


def refused(path: Path, content: bytes | str, **how: str) -> str:
    with pytest.raises(TaskError) as caught:
        read(path, content, **how)
    said = str(caught.value)
    assert "\n" not in said and said.endswith(".") and len(said) < 600
    return said


def cells(table: Table) -> list[list[object]]:
    return [list(row) for row in table.frame.itertuples(index=False)]


def delimited(rows: list[list[str]], delimiter: str, *, line_end: str = "\r\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=line_end, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return out.getvalue()


def labelled(texts: list[str], n: int) -> list[list[str]]:
    return [[f"{i} {texts[i % len(texts)]}", "yes" if i % 3 else "no"] for i in range(n)]


# The developers' files.


@needs_data
@pytest.mark.parametrize("name", EXPECTED)
def test_raw_files_have_the_rows_and_labels_that_are_known(name: str) -> None:
    expected = EXPECTED[name]
    table = read_table(RAW / name)
    assert len(table.frame) == expected["rows"]
    assert table.header == expected.get("header", True)
    assert any("no header line" in note for note in table.notes) != table.header
    if table.header:
        assert set(expected["text_columns"]) <= set(table.frame.columns)
        labels = table.frame[expected["label_column"].split(" ")[0]]
    else:
        assert list(table.frame.columns) == ["column 1", "column 2"]
        labels = table.frame.iloc[:, expected["label_column"]]
    assert "label_counts" not in expected or Counter(labels) == expected["label_counts"]
    assert "num_labels" not in expected or labels.nunique() == expected["num_labels"]


@needs_data
def test_a_file_in_which_quotes_are_letters_is_read_to_the_letter() -> None:
    name = "msr_paraphrase_train.tsv"
    lines = (RAW / name).read_bytes().decode("utf-8-sig").splitlines()
    table = read_table(RAW / name)
    assert [list(table.frame.columns), *cells(table)] == [line.split("\t") for line in lines]


@needs_data
def test_nested_json_has_dotted_columns_and_keeps_lists_and_counts_by_name() -> None:
    frame = read_table(RAW / "chaosNLI_snli.jsonl").frame
    rows = [json.loads(line) for line in (RAW / "chaosNLI_snli.jsonl").read_text("utf-8").splitlines()]
    assert list(frame["example.premise"]) == [row["example"]["premise"] for row in rows]
    assert list(frame["label_dist"]) == [row["label_dist"] for row in rows]
    assert list(frame["label_counter"]) == [row["label_counter"] for row in rows]
    assert list(frame["label_counter.c"]) == [row["label_counter"].get("c") for row in rows]


@needs_data
@pytest.mark.parametrize("expected", EXPECTATIONS, ids=lambda expected: expected["file"])
def test_bad_files_are_read_or_refused_as_expected(expected: dict[str, object]) -> None:
    name = str(expected["file"])
    if name in REFUSED:
        assert expected["outcome"] == "reject"
        with pytest.raises(TaskError) as caught:
            read_table(BAD / name)
        words = expected["must_mention"] if name != "random_bytes.csv" else []
        assert all(word.lower() in str(caught.value).lower() for word in words)  # type: ignore[attr-defined]
    else:
        table = read_table(BAD / name)
        assert len(table.frame) == ROWS_READ.get(name, 40)
        said = " ".join(table.notes)
        assert all(word in said for word in READING_SAYS.get(name, [])) and bool(said) == (name in READING_SAYS)
        assert table.header and not any("\ufffd" in str(cell) for row in cells(table) for cell in row)
        assert table.frame.columns[0] in ("text", "sentence1", "review")


# Layouts and encodings.


@pytest.mark.parametrize(("encoding", "delimiter"), list(product([*UNICODE, *BE_MARKED], DELIMITERS)))
def test_every_layout_in_unicode_gives_the_exact_texts(encoding: str, delimiter: str, tmp_path: Path) -> None:
    rows = labelled(HARD_TEXTS, 81)
    for header, line_end, quoting, packed in product((True, False), ("\n", "\r\n"), (csv.QUOTE_MINIMAL, csv.QUOTE_ALL), (True, False)):
        text = delimited([["text", "label"]] * header + rows, DELIMITERS[delimiter], line_end=line_end, quoting=quoting)
        mark = BE_MARKED.get(encoding, b"")
        content = mark + text.encode(encoding.replace(" BE", "-be").lower())
        for kind in (".csv", ".tsv", ".txt"):
            name = f"rows{kind}.gz" if packed else f"rows{kind}"
            table = read(tmp_path / name, gzip.compress(content, 1, mtime=0) if packed else content)
            assert cells(table) == rows
            assert table.header == header
            assert list(table.frame.columns) == (["text", "label"] if header else ["column 1", "column 2"])
            said = " ".join(table.notes)
            assert ("gzip" in said) == packed and ("no header line" in said) == (not header)
            assert ("byte order mark" in said) == (encoding[-3:] in ("-le", "-be"))


@pytest.mark.parametrize("encoding", OLD_TEXTS)
def test_every_old_encoding_is_found_out_and_said(encoding: str, tmp_path: Path) -> None:
    rows = labelled(OLD_TEXTS[encoding], 30)
    for delimiter, header in product(DELIMITERS.values(), (True, False)):
        content = delimited([["text", "label"]] * header + rows, delimiter).encode(encoding)
        for path, packed in ((tmp_path / "rows.csv", content), (tmp_path / "rows.txt.gz", gzip.compress(content, mtime=0))):
            table = read(path, packed)
            assert cells(table) == rows and table.header == header
            assert any(f"in the encoding {SPOKEN.get(encoding, encoding.replace('cp', 'Windows-'))}," in note for note in table.notes)
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in rows]
    assert cells(read(tmp_path / "rows.jsonl", "\n".join(lines).encode(encoding))) == rows
    assert cells(read(tmp_path / "rows.json", f"[{','.join(lines)}]".encode(encoding))) == rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_one_text_a_line_is_taken_with_its_quotes_and_commas(encoding: str, tmp_path: Path) -> None:
    texts = [f"“Line {i}”, it’s said" if i % 3 else f'"Line {i}" he said, twice, and left' for i in range(20)]
    for line_end in ("\n", "\r\n", "\r"):
        table = read(tmp_path / "texts.txt", (line_end.join(texts) + line_end * 2).encode(encoding))
        assert [text for (text,) in cells(table)] == texts and not table.header
    named = read(tmp_path / "texts.txt", "\n".join(["text", *texts]).encode(encoding))
    assert named.header and list(named.frame["text"]) == texts


def test_what_spreadsheets_export_is_read(tmp_path: Path) -> None:
    rows = labelled(["1,5 Äpfel", "a\nb", 'c "d"'], 12)
    semicolons = read(tmp_path / "a.csv", "sep=;\r\n" + delimited([["text", "label"], *rows], ";"))
    assert cells(semicolons) == rows and list(semicolons.frame.columns) == ["text", "label"]
    tabs = read(tmp_path / "b.csv", delimited([["text", "label"], *rows], "\t").encode("utf-16"))
    assert cells(tabs) == rows
    empty = read(tmp_path / "c.csv", delimited([["text", "label", "", ""], *([*row, "", ""] for row in rows), ["", "", "", ""]], ";"))
    assert cells(empty) == [*rows, ["", ""]] and list(empty.frame.columns) == ["text", "label"]
    wide = read(tmp_path / "d.csv", "text,label\r\n" + delimited([[*row, "", ""] for row in rows], ","))
    assert cells(wide) == rows and not wide.notes
    indexed = read(tmp_path / "e.csv", pd.DataFrame(rows, columns=["text", "label"]).to_csv())
    assert list(indexed.frame.columns) == ["column 1", "text", "label"]
    assert "save its sheet as CSV" in refused(tmp_path / "f.xlsx", b"PK\x03\x04")


def test_missing_cells_are_none_and_empty_ones_are_empty(tmp_path: Path) -> None:
    table = read(tmp_path / "rows.csv", 'text,label,more\none,,\n"two"\n,x\n')
    assert cells(table) == [["one", "", ""], ["two", None, None], ["", "x", None]]


def test_column_names_may_repeat_and_long_ones_are_cut(tmp_path: Path) -> None:
    table = read(tmp_path / "rows.csv", f"text,label,label,{'n' * 900}\na,b,c,d\ne,f,g,h\n")
    assert list(table.frame.columns)[:3] == ["text", "label", "label"] and len(table.frame.columns[3]) == 200
    assert cells(table)[0] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("How far is it ?\tNUM\nWho was it ?\tHUM\nWhat is this ?\tNUM\nWho is he ?\tHUM\n", False),
        ("question\tkind\nHow far is it ?\tNUM\nWho was it ?\tHUM\nWhat is this ?\tNUM\nWho is he ?\tHUM\n", True),
        ("It was a good film\t1\nIt was a bad film\t0\nNot so good a film\t0\n", False),
        ("What do you think of it\tstars\nIt was a good film\t1\nIt was a bad film\t0\n", True),
        ("0\tIt was a good film\n1\tIt was a bad film\n0\tNot so good\n", False),
        ("\tdocument\n0\tIt was a good film\n1\tIt was a bad film\n", True),
        ("text\tlabel\n", None),
    ],
)
def test_whether_the_first_line_is_a_header_is_found_out_and_can_be_said(content: str, header: bool | None, tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    n_lines = content.count("\n")
    if header is None:
        assert "no data rows" in refused(path, content)
    else:
        assert read(path, content).header == header
        assert len(read(path, content, header="yes").frame) == n_lines - 1
    without = read(path, content, header="no")
    assert not without.header and len(without.frame) == n_lines and without.frame.iloc[0, 0] == content.split("\t")[0]


def test_a_delimiter_and_an_encoding_that_are_said_are_used(tmp_path: Path) -> None:
    content = "text;label, said\nKöln, am Rhein;yes\nBern, an der Aare;no\n"
    assert cells(read(tmp_path / "a.csv", content, delimiter="semicolon"))[0] == ["Köln, am Rhein", "yes"]
    assert cells(read(tmp_path / "a.csv", content, delimiter="comma"))[0] == ["Köln", " am Rhein;yes"]
    assert cells(read(tmp_path / "a.csv", content, delimiter="tab", header="yes"))[0] == ["Köln, am Rhein;yes"]
    content = content.replace(", said", "")
    as_latin = read(tmp_path / "a.csv", content, encoding="latin-1")
    assert cells(as_latin)[0][0] == "KÃ¶ln, am Rhein" and not as_latin.notes
    assert cells(read(tmp_path / "b.csv", content.encode("cp850"), encoding="cp850"))[0][0] == "Köln, am Rhein"
    assert cells(read(tmp_path / "b.csv", content.encode("utf-16"), encoding="utf-16-le"))[0][0] == "Köln, am Rhein"
    assert "not written in ascii, by its line 2" in refused(tmp_path / "a.csv", content, encoding="ascii")
    for unknown in ("utf-99", "base64", "idna", "punycode", "a\0b", "é"):
        assert "Unknown encoding" in refused(tmp_path / "a.csv", content, encoding=unknown)


def test_the_settings_of_a_task_say_how_its_files_are_read(tmp_path: Path) -> None:
    rows = [f"Köln {i}, am Rhein;{'yes' if i % 2 else 'no'}" for i in range(40)]
    (tmp_path / "a.csv").write_bytes("\n".join(rows).encode("cp437"))
    settings = {"train_file": str(tmp_path / "a.csv"), "text_column": "column 1", "label_column": "column 2", "encoding": "cp437"}
    data = load_task(TaskSettings(name="files", delimiter="semicolon", header="no", **settings))  # type: ignore[arg-type]
    assert data.label_names == ("no", "yes") and all("Köln" in text for text in data.splits["course"].texts)
    with pytest.raises(ConfigError, match=r"^Unknown encoding 'utf-99': give a name such as utf-8.*found out\.$"):
        build_config({"task.encoding": "utf-99"})
    with pytest.raises(ValidationError):
        TaskSettings(delimiter="colon")  # type: ignore[arg-type]


# JSON and Parquet.


ROW = {"text": "a", "n": 1, "example": {"premise": "p", "deep": {"x": [1, {"y": 2}]}}, "votes": {"yes": 2}, "list": [0.5, 0.5]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.json", json.dumps([ROW, ROW])),
        ("rows.json", json.dumps({"version": 1, "data": [ROW, ROW]}, indent=2)),
        ("rows.json", json.dumps({key: [value, value] for key, value in ROW.items()})),
        ("rows.json", json.dumps({key: {"0": value, "1": value} for key, value in ROW.items()})),
        ("rows.json", json.dumps({"columns": list(ROW), "index": [0, 1], "data": [list(ROW.values())] * 2})),
        ("rows.json", json.dumps({"first": ROW, "second": ROW})),
        ("rows.json", f"{json.dumps(ROW)}\n{json.dumps(ROW)}\n"),
        ("rows.jsonl", f"\ufeff{json.dumps(ROW)}\r\n\r\n{json.dumps(ROW)}"),
        ("rows.ndjson", json.dumps([ROW, ROW], indent=1)),
        ("rows.txt", f"{json.dumps(ROW)}\n{json.dumps(ROW)}\n"),
        ("rows.csv", f"{json.dumps(ROW)}\n{json.dumps(ROW)}\n"),
    ],
)
def test_every_form_of_json_gives_the_same_rows(name: str, content: str, tmp_path: Path) -> None:
    for path, packed in ((tmp_path / name, content.encode()), (tmp_path / f"{name}.gz", gzip.compress(content.encode(), mtime=0))):
        frame = read(path, packed).frame
        assert list(frame.columns) == ["text", "n", "example", "example.premise", "example.deep", "example.deep.x", "votes", "votes.yes",
                                       "list"]  # fmt: skip
        row = [ROW["text"], 1, ROW["example"], "p", {"x": [1, {"y": 2}]}, [1, {"y": 2}], {"yes": 2}, 2, [0.5, 0.5]]
        assert [list(one) for one in frame.itertuples(index=False)] == [row, row]


def test_json_rows_that_cannot_be_used_are_left_out_and_named(tmp_path: Path) -> None:
    lines = ['{"text": "a"}', "", '{"text": ', '["b"]', '{"text": "half \\ud83d"}', '{"text": "whole \\ud83d\\ude42", "label": 1}', "3"]
    table = read(tmp_path / "rows.jsonl", "\n".join(lines))
    assert cells(table) == [["a", None], ["whole 🙂", 1]]
    assert "3 lines were left out for being no JSON row (lines 3, 4, 7)" in table.notes[0]
    assert "half a letter" in table.notes[1] and "(line 5)" in table.notes[1]
    listed = read(tmp_path / "rows.json", '[{"text": "a"}, 5, {"text": "b"}]')
    assert cells(listed) == [["a"], ["b"]] and "(row 2)" in listed.notes[0]
    two = read(tmp_path / "rows.json", '{"train": [{"text": "a"}], "test": [{"text": "b"}]}')
    assert cells(two) == [["a"]] and "'train' was read, and not 'test'" in two.notes[0]


@pytest.mark.parametrize(
    "content",
    ['[{"a": 1}, {"a": 2}', '[{"a": 1} {"a": 2}]', '[{"a": 1}] x', "[]", "{}", "3", "[" * 10**6, '{"a":' * 10**5, "[1, 2]",
     '{"a": 1' + "0" * 5000 + "}"],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_json_table_is_refused(content: str, tmp_path: Path) -> None:
    for name in ("rows.json", "rows.jsonl"):
        refused(tmp_path / name, content)
    assert "columns of one length" in refused(tmp_path / "rows.json", '{"a": [1, 2], "b": [1]}')


def test_counts_by_many_names_stay_in_one_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_MAX_COLUMNS", "20")
    rows = [{"text": "a", "votes": {f"voter {i} {j}": 1 for j in range(5)}} for i in range(10)]
    frame = read(tmp_path / "rows.json", json.dumps(rows)).frame
    assert list(frame.columns) == ["text", "votes"] and frame["votes"][3] == rows[3]["votes"]


def test_parquet_gives_texts_missing_cells_and_dotted_columns_whatever_its_name(tmp_path: Path) -> None:
    rows = pd.DataFrame({"text": ["a", None, "ü🙂"], "n": [1, None, 3], "example": [{"premise": t} for t in "xyz"],
                         "list": [[0.5], [], [1]], "bytes": [b"a", "ü".encode(), b"c"]})  # fmt: skip
    rows.to_parquet(tmp_path / "rows.parquet")
    content = (tmp_path / "rows.parquet").read_bytes()
    for path in (tmp_path / "rows.parquet", tmp_path / "rows.csv", tmp_path / "rows.parquet.gz", tmp_path / "rows.gz"):
        frame = read(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content).frame
        assert list(frame["text"]) == ["a", None, "ü🙂"] and list(frame["n"]) == [1, None, 3]
        assert list(frame["example.premise"]) == ["x", "y", "z"] and list(frame["list"]) == [[0.5], [], [1]]
        assert list(frame["bytes"]) == ["a", "ü", "c"]


# Quotes and bad lines.


def test_a_stray_quote_swallows_no_line_and_is_named_by_its_line(tmp_path: Path) -> None:
    good = [f'"Text, number {i}, with commas\nand two lines",yes' for i in range(30)]
    table = read(tmp_path / "rows.csv", "\n".join(["text,label", *good[:10], '"never closed,no', *good[10:], '"closed" too early,no']))
    assert len(table.frame) == 32
    assert cells(table)[10] == ['"never closed', "no"] and cells(table)[31] == ['"closed" too early', "no"]
    assert cells(table)[9] == ["Text, number 9, with commas\nand two lines", "yes"]
    assert "lines 22, 63 were read without quoting" in " ".join(table.notes)


def test_rows_between_two_stray_quotes_are_not_taken_for_one_cell(tmp_path: Path) -> None:
    lines = [f"Text number {i},yes" for i in range(60)]
    lines[5], lines[45] = '"begins here,no', 'ends here",no'
    table = read(tmp_path / "rows.csv", "\n".join(["text,label", *lines]))
    assert len(table.frame) == 60 and "quotes that do not match" in " ".join(table.notes)
    assert cells(table)[5] == ['"begins here', "no"] and cells(table)[45] == ['ends here"', "no"]


def test_long_cells_of_many_lines_are_whole(tmp_path: Path) -> None:
    lines = [f"Line {j}, of many" for j in range(40)]
    mails = [["\n".join(lines[: i + 2]), "spam" if i % 2 else "ham"] for i in range(38)]
    for others in ([], [[f"Short mail {i}", "spam" if i % 2 else "ham"] for i in range(9)]):
        table = read(tmp_path / "mails.csv", delimited([["text", "label"], *mails, *others], ",", line_end="\n"))
        assert cells(table) == [*mails, *others] and not table.notes


def test_lines_with_too_many_columns_are_named_by_their_numbers(tmp_path: Path) -> None:
    lines = ["text,label", '"two\nlines",a', "good,b", "too,many,columns", "", "good,a", "also,too,many", 'many,"too\n",c', "good,c"]
    table = read(tmp_path / "rows.csv", "\r\n".join(lines))
    assert cells(table) == [["two\nlines", "a"], ["good", "b"], ["good", "a"], ["good", "c"]]
    assert "3 lines were left out for having more columns than the header's 2 (lines 5, 8, 9)" in table.notes[0]


def test_many_stray_quotes_take_no_long_time(tmp_path: Path) -> None:
    """Each unclosed quote has all later lines looked at: that must not grow with the square of the lines."""
    lines = [f'"open {i}, and more\tno' if i % 2 else f'"fine, {i}"\tyes' for i in range(20_000)]
    table = read(tmp_path / "rows.tsv", "text\tlabel\n" + "\n".join(lines))
    assert len(table.frame) == 20_000 and cells(table)[1] == ['"open 1, and more', "no"]


# What is no text, and bounds.


@pytest.mark.parametrize("seed", range(40))
def test_random_bytes_are_refused(seed: int, tmp_path: Path) -> None:
    content = random.Random(seed).randbytes([64, 500, 4096, 50_000][seed % 4])
    for name in ("noise.csv", "noise.txt", "noise.jsonl", "noise.parquet", "noise.gz"):
        refused(tmp_path / name, content)


def test_broken_utf_8_is_refused_with_its_line_and_not_garbled(tmp_path: Path) -> None:
    lines = [f"Größe {i};schön" for i in range(50)]
    content = "\n".join(lines).encode().replace("Größe 29;".encode(), b"Gr\xf6\xdfe 29;")
    assert "line 30" in refused(tmp_path / "rows.csv", content)
    assert "line 51" in refused(tmp_path / "rows.csv", "\n".join([*lines, "Schön"]).encode()[:-2])
    assert "line 2" in refused(tmp_path / "rows.csv", codecs.BOM_UTF8 + b"text\nGr\xf6\xdfe")
    assert "zero bytes" in refused(tmp_path / "rows.csv", b"text,label\n\x00\x00,a\n")


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"\x89PNG\r\n\x1a\n", "PNG"), (b"%PDF-1.7", "PDF"), (b"BZh9", "bzip2"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"\xfd7zXZ\x00", "xz"),
     (b"PK\x03\x04", "Office"), (gzip.compress(gzip.compress(b"text,label\na,b\n", mtime=0), mtime=0), "within a gzip"),
     (gzip.compress(b"rows.csv".ljust(257, b"\0") + b"ustar", mtime=0), "tar archive"), (gzip.compress(b"", mtime=0), "empty"),
     (gzip.compress(b"text,label\n" * 999, mtime=0)[:-9], "cut off"), (b"\x1f\x8bnothing", "damaged")],
)  # fmt: skip
def test_other_files_are_refused_by_their_kind(content: bytes, what: str, tmp_path: Path) -> None:
    assert what in refused(tmp_path / "rows.csv", content)


def test_a_gzip_bomb_is_left_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_MAX_UNPACKED_MB", "1")
    bomb = gzip.compress(b"text,label\n" + b"a,b\n" * 10**7, mtime=0)
    # What is behind the bound is broken: that goes unnoticed where nothing is read behind it.
    said = refused(tmp_path / "rows.csv.gz", bomb[: len(bomb) // 2] + b"broken")
    assert "more than 1 MB" in said and "IKD_MAX_UNPACKED_MB" in said


def test_a_small_parquet_file_of_one_large_text_repeated_takes_little_memory(tmp_path: Path) -> None:
    one_text = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000), pa.array(["x" * 100_000]))  # 10 GB as separate texts
    parquet.write_table(pa.table({"text": one_text}), tmp_path / "rows.parquet", store_schema=False)
    texts = read_table(tmp_path / "rows.parquet").frame["text"]
    assert len(texts) == 100_000 and texts.iloc[0] is texts.iloc[99]


@pytest.mark.parametrize(
    ("variable", "most", "name", "content"),
    [
        ("IKD_MAX_ROWS", 3, "rows.csv", "text,label\na,b\nc,d\ne,f\ng,h\n\"broken"),
        ("IKD_MAX_ROWS", 3, "rows.txt", "one text\ntwo texts\nthree texts\nfour texts\n"),
        ("IKD_MAX_ROWS", 3, "rows.json", '[{"a":1},{"a":1},{"a":1},{"a":1},{"a": broken'),
        ("IKD_MAX_ROWS", 3, "rows.jsonl", '{"a":1}\n' * 4),
        ("IKD_MAX_COLUMNS", 3, "rows.csv", "a,b,c,d\n1,2,3,4\n"),
        ("IKD_MAX_COLUMNS", 3, "rows.json", '[{"a":1,"b":1},{"c":1,"d":1}]'),
        ("IKD_MAX_CELLS", 7, "rows.csv", "a,b\n" + "1,2\n" * 4),
        ("IKD_MAX_CELLS", 7, "rows.csv", "a,b\n1,2\n" + "," * 9),
        ("IKD_MAX_CELLS", 7, "rows.json", "[[[[[[[[[[]]]]]]]]]]"),
        ("IKD_MAX_CELLS", 7, "rows.jsonl", '{"a":1,"b":2}\n' * 4),
        ("IKD_MAX_FILE_MB", 1, "rows.csv", "text,label\n" + f"{'a' * 1000},b\n" * 1100),
    ],
)  # fmt: skip
def test_bounds_are_kept_and_name_their_variable(
    variable: str, most: int, name: str, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(most))
    assert variable in refused(tmp_path / name, content)
    monkeypatch.setenv(variable, "3000000")
    if "broken" not in content and name != "rows.json":
        assert len(read(tmp_path / name, content).frame) >= 1


def test_bounds_of_parquet_are_known_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd.DataFrame({"text": ["a"] * 9, "n": [[1.0] * 50] * 9}).to_parquet(tmp_path / "rows.parquet")
    for variable, most in (("IKD_MAX_ROWS", 8), ("IKD_MAX_COLUMNS", 1), ("IKD_MAX_CELLS", 400)):
        monkeypatch.setenv(variable, str(most))
        with pytest.raises(TaskError, match=variable):
            read_table(tmp_path / "rows.parquet")
        monkeypatch.delenv(variable)
    assert len(read_table(tmp_path / "rows.parquet").frame) == 9


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_a_row_with_too_long_a_cell_is_left_out_with_a_note(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_MAX_CELL_CHARACTERS", "20")
    frame = pd.DataFrame({"text": ["ü" * 20, "x" * 21, "short"], "label": ["a", "b", "a"]})
    match name:
        case "rows.csv":
            frame.to_csv(tmp_path / name, index=False)
        case "rows.jsonl":
            frame.to_json(tmp_path / name, orient="records", lines=True)
        case _:
            frame.to_parquet(tmp_path / name)
    table = read_table(tmp_path / name)
    assert cells(table) == [["ü" * 20, "a"], ["short", "a"]]
    assert "a cell longer than 20 characters" in table.notes[0] and f"({'line 3' if name == 'rows.csv' else ''}" in table.notes[0]


@pytest.mark.parametrize("value", ["many", "0", "-1", "1.5", "1,000", "9" * 16, "٣"])
def test_a_bound_that_is_no_number_is_refused_in_a_sentence(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_MAX_ROWS", value)
    with pytest.raises(ConfigError, match=r"^The environment variable IKD_MAX_ROWS is '.*': give a whole number.*1,000,000\.$"):
        limits()


def test_bounds_are_the_defaults_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits().rows == 1_000_000 and limits().upload_mb == 50
    monkeypatch.setenv("IKD_MAX_ROWS", " 12 ")
    monkeypatch.setenv("IKD_MAX_UPLOAD_MB", "")
    assert limits().rows == 12 and limits().upload_mb == 50


def test_uploads_keep_both_ends_of_the_name_of_a_packed_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keep_upload("rows.CSV.gz", b"x").name.endswith(".csv.gz") and keep_upload("rows.gz", b"x").suffixes == [".gz"]
    assert keep_upload("texts.txt", b"x").parent == home / "_uploads"
    monkeypatch.setenv("IKD_MAX_UPLOAD_MB", "1")
    with pytest.raises(TaskError, match="at most 1 can be uploaded.*IKD_MAX_UPLOAD_MB"):
        keep_upload("rows.csv", b"x" * (2**20 + 1))


NESTED = [{"text": f"A sentence {i}.", "label": "ab"[i % 2]} for i in range(20)]
BY_ID = {f"r{i}": {**row, "spans": [{"start": 0}]} for i, row in enumerate(NESTED)}


@pytest.mark.parametrize(
    ("held", "note"),
    [({"result": {"rows": NESTED}}, "the rows were read from 'result.rows'"),
     ({"status": "ok", "data": {"page": {"items": NESTED, "n": 20}}}, "the rows were read from 'data.page.items'"),
     ({"data": {"text": [row["text"] for row in NESTED], "label": [row["label"] for row in NESTED]}}, "the rows were read from 'data'"),
     ({"train": {"rows": NESTED}, "test": {"rows": NESTED[:3]}}, "several lists of rows; 'train.rows' was read, and not 'test.rows'"),
     ({"a": {"rows": NESTED, "more": NESTED[:2]}}, "several lists of rows; 'a.rows' was read, and not 'a.more'"),
     ({"rows": NESTED}, ""), (BY_ID, "")],
)  # fmt: skip
def test_the_list_of_rows_within_json_objects_is_found_and_told(held: object, note: str, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(held))
    table = read_table(tmp_path / "rows.json")
    assert table.frame["text"].tolist() == [row["text"] for row in NESTED] and table.frame["label"].tolist() == ["a", "b"] * 10
    assert [one for one in table.notes if note in one] == list(table.notes) and bool(table.notes) == bool(note)


def test_a_first_line_of_usual_names_is_told_where_a_person_says_it_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,text,label\n" + "".join(f"{i},A sentence {i}.,{'ab'[i % 2]}\n" for i in range(20)))
    table = read_table(tmp_path / "rows.csv", Reading(header="no"))
    assert len(table.frame) == 21
    assert any("line 1 looks like the names of columns ('id', 'text', 'label')" in note and "task.header" in note for note in table.notes)
    (tmp_path / "rows.csv").write_text("# written\n# today\n" + (tmp_path / "rows.csv").read_text())
    notes = read_table(tmp_path / "rows.csv").notes
    assert any("line 3 looks like the names" in note and "take out the lines before it" in note for note in notes)
    (tmp_path / "bare.csv").write_text("".join(f"{i},A sentence {i}.,{'ab'[i % 2]}\n" for i in range(20)))
    assert not any("looks like" in note for note in read_table(tmp_path / "bare.csv", Reading(header="no")).notes)
