"""Reading a task so that a person can trust it: what stands in the files, what it becomes, and what is odd about it."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from ikd.classroom import course_sampler
from ikd.config import RunConfig, TaskSettings, exam_joins_course, temperature_at
from ikd.errors import IKDError, TaskError
from ikd.models import build_student, build_teacher, encode, tokenizers_of
from ikd.protocols import UNLABELLED, Inputs, TaskData
from ikd.runs.devices import resolve_device, use_threads
from ikd.runs.findings import LONGEST_CELL, cut, row_findings, spelling_findings
from ikd.runs.inspection import Finding, FirstBatch, Inspection, SeenText, SourceView, SplitView, TableView
from ikd.runs.preparation import with_exam_in_course
from ikd.runs.teachers import teacher_as_it_stands
from ikd.runs.trial import blamed_on
from ikd.tasks import BUILT_IN, load_task
from ikd.tasks.checking import note_on_small_splits, small_splits
from ikd.tasks.columns import Columns, find_columns, guessed_columns
from ikd.tasks.guarding import said_plainly
from ikd.tasks.labelling import read_labels
from ikd.tasks.labels import label_map, quoted
from ikd.tasks.reading import Table
from ikd.tasks.sources import Source, source_of
from ikd.teaching.forward import mode, outputs_of
from ikd.teaching.reading import on_device

FIRST_ROWS = 20
LENGTHS_OF = 2000
UNBALANCED = 5


def inspect(config: RunConfig) -> Inspection:
    """Return all that is known of the task of a config; never raises."""
    known: dict[str, object] = {}
    refusal = ""
    try:
        for found in _stages(config):
            known |= found
    except IKDError as fault:
        refusal = str(fault)
    except Exception as fault:  # a page must never stand still
        traceback.print_exc()
        refusal = f"Internal error while the data were inspected ({type(fault).__name__}). See the server log."
    return Inspection(refusal=refusal, **known)  # type: ignore[arg-type]


def first_batch(config: RunConfig, root: Path) -> FirstBatch:
    """Return the first course batch of a run exactly as both models get it, with what the teacher says to it; never raises."""
    try:
        return _first_batch(config, root)
    except IKDError as fault:
        return FirstBatch(refusal=str(fault))
    except Exception as fault:
        traceback.print_exc()
        return FirstBatch(refusal=f"Internal error while the first batch was made ({type(fault).__name__}). See the server log.")


def _first_batch(config: RunConfig, root: Path) -> FirstBatch:
    device = resolve_device(config.machine.device)
    use_threads(config.machine.threads)
    data = load_task(config.task)
    teacher = build_teacher(config, data)
    nn.Module.to(teacher.model, device)
    student = build_student(config, data, teacher)
    said = teacher_as_it_stands(teacher, config, device=device, root=root, fingerprint=data.fingerprint)
    if exam_joins_course(config.policy):
        data = with_exam_in_course(data)
    with blamed_on("model", config.teacher.name, doing="be given the task's texts"):
        course = encode(data, "course", config, teacher=teacher, student=student)
    batch = on_device(course.batch(course_sampler(course, config).take(config.training.batch_size)), device)
    with blamed_on("teacher", config.teacher.name, doing="read the task's texts"), torch.no_grad(), mode(teacher.model, training=False):
        logits = outputs_of(teacher.model, batch.teacher_inputs).logits
    targets = torch.softmax(logits.double() / temperature_at(0, config), dim=-1).cpu()
    models = {"student": (student.tokenizer, batch.student_inputs), "teacher": (teacher.tokenizer, batch.teacher_inputs)}
    texts = [_seen(data, models, int(example), row, targets[row].tolist()) for row, example in enumerate(batch.examples)]
    return FirstBatch(label_names=data.label_names, texts=texts, teacher=" ".join((said, *teacher.notes)))


def _seen(
    data: TaskData, models: Mapping[str, tuple[PreTrainedTokenizerBase, Inputs]], example: int, row: int, target: Sequence[float]
) -> SeenText:
    split = data.splits["course"]
    label = split.labels[example]
    inputs = {role: {name: tensor[row].tolist() for name, tensor in given.items()} for role, (_, given) in models.items()}
    tokens = {role: [str(token) for token in tokenizer.convert_ids_to_tokens(inputs[role]["input_ids"])]
              for role, (tokenizer, _) in models.items()}  # fmt: skip
    return SeenText(
        example=example, text=split.texts[example], text_pair=split.text_pairs[example] if split.text_pairs is not None else None,
        label="" if label == UNLABELLED else data.label_names[label], tokens=tokens, soft_target=target,
        types={role: given.get("token_type_ids", []) for role, given in inputs.items()},
        mask={role: given.get("attention_mask", []) for role, given in inputs.items()},
        truth=tuple(split.truth[example]) if split.truth is not None and any(split.truth[example]) else None,
    )  # fmt: skip


def _stages(config: RunConfig) -> Iterator[dict[str, object]]:
    """Yield what is known, the safest first: a refusal at one stage leaves what came before."""
    task = config.task
    findings: list[Finding] = []
    if task.name not in BUILT_IN:
        with said_plainly(task):
            source = source_of(task)
            views = [_view(split, where, table, source, task) for split, (where, table) in source.tables.items()]
            labels = _labels(source, task)
        notes = dict.fromkeys(note for _, table in source.tables.values() for note in table.notes)
        yield {"tables": views, "notes": list(notes), "labels": labels}
        with said_plainly(task):
            findings = [*spelling_findings(labels, task), *row_findings(source, task)]
        yield {"findings": findings}
    data = load_task(task)
    yield {
        "label_names": data.label_names, "notes": data.notes, "truth_is": data.truth_is, "fingerprint": data.fingerprint,
        "splits": [_split_view(name, data) for name in data.splits], "sources": _sources(data), "marked": data.marked,
    }  # fmt: skip
    lengths = _lengths(config, data)
    yield {"lengths": lengths, "findings": [*findings, *_small(data), *_balance(data), *_too_long(lengths, task)]}


def _view(split: str, where: str, table: Table, source: Source, task: TaskSettings) -> TableView:
    frame = table.frame
    first = frame.head(FIRST_ROWS).map(cut)
    first.columns = pd.Index(_unique([str(name)[:LONGEST_CELL] for name in frame.columns]))
    try:
        columns = find_columns(frame, source.wanted, where=where, labelled=split != "unlabelled")
    except TaskError:
        guess = guessed_columns(frame)
        columns = Columns(text=source.wanted.text or guess.text, text_pair=source.wanted.text_pair or guess.text_pair,
                          label=source.wanted.label or guess.label, guessed=True)  # fmt: skip
    used = {"text": columns.text, "text_pair": columns.text_pair, "label": columns.label, "soft": ", ".join(columns.soft),
            "group": columns.group, "source": columns.source, "soft_target": ", ".join(columns.targets)}  # fmt: skip
    return TableView(
        split=split, where=where, n_rows=len(frame), columns=[str(name) for name in frame.columns], first=first,
        used={role: name for role, name in used.items() if name}, guessed=columns.guessed,
    )  # fmt: skip


def _unique(names: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _labels(source: Source, task: TaskSettings) -> list[tuple[str, int, str]]:
    """Return each label of the training table as it stands there, its rows, and the name it gets; none where it cannot be read."""
    try:
        tables = {"train": source.tables["train"]}
        return read_labels(tables, source.wanted, label_map(task.label_map), check=False).standing()
    except TaskError:
        return []  # said where the rows are read


def _small(data: TaskData) -> Iterator[Finding]:
    yield from (Finding(kind="small", count=sum(small_splits(data).values()), sentence=note) for note in note_on_small_splits(data))


def _split_view(name: str, data: TaskData) -> SplitView:
    split = data.splits[name]
    counts = Counter(split.labels)
    return SplitView(
        name=name, n_rows=len(split), unlabelled=counts[UNLABELLED], classes=[counts[i] for i in range(len(data.label_names))],
        with_truth=sum(map(any, split.truth or ())), with_targets=sum(map(any, split.soft_targets or ())),
        groups=sorted((name, n) for name, n in Counter(split.groups or ()).items() if name),
    )  # fmt: skip


def _sources(data: TaskData) -> list[SourceView]:
    course = data.splits["course"]
    rows: dict[str, list[int]] = {name: [] for name in data.source_names}
    for i, name in enumerate(course.sources or ()):
        if name:
            rows[name].append(i)
    return [_source_view(name, rows[name], data) for name in rows]


def _source_view(name: str, rows: Sequence[int], data: TaskData) -> SourceView:
    course, worth = data.splits["course"], data.source_worth.get(name, ())
    stored = [i for i in rows if course.soft_targets is not None and any(course.soft_targets[i])]
    said = [max(range(len(data.label_names)), key=(course.soft_targets or ())[i].__getitem__) == course.labels[i]
            for i in stored if course.labels[i] != UNLABELLED]  # fmt: skip
    return SourceView(
        name=name, n_rows=len(rows), with_targets=len(stored), agrees=sum(said) / len(said) if said else None, worth=worth,
        right=sum(worth[course.labels[i]] for i in rows) / len(rows) if worth else None,
    )  # fmt: skip


def _balance(data: TaskData) -> Iterator[Finding]:
    counts = Counter(label for label in data.splits["course"].labels if label != UNLABELLED)
    rarest, n = min(((label, counts[label]) for label in range(len(data.label_names))), key=lambda one: one[1])
    total = sum(counts.values())
    if n * len(data.label_names) * UNBALANCED <= total:
        yield Finding(kind="balance", count=n, sentence=f"The classes are out of balance: {quoted(data.label_names[rarest])} has {n:,} of "
                      f"{total:,} course rows ({100 * n / total:.1f} %). Look at macro F1 and recall by class too.")  # fmt: skip


def _lengths(config: RunConfig, data: TaskData) -> list[tuple[str, Sequence[int], int]]:
    """Return the tokens of a sample of course texts for each tokenizer, before cutting."""
    course = data.splits["course"]
    sample = range(0, len(course), max(1, len(course) // LENGTHS_OF))
    texts = [course.texts[i] for i in sample]
    pairs = [course.text_pairs[i] for i in sample] if course.text_pairs is not None else None
    names = {"teacher": config.teacher.name, "student": config.student.checkpoint or config.student.name}
    found: list[tuple[str, Sequence[int], int]] = []
    for role, (tokenizer, most) in tokenizers_of(config, data).items():
        with blamed_on(role, names[role], doing="be given the task's texts"):
            found.append((role, [len(ids) for ids in tokenizer(texts, pairs, truncation=False, verbose=False)["input_ids"]], most))
    return found


def _too_long(lengths: Sequence[tuple[str, Sequence[int], int]], task: TaskSettings) -> Iterator[Finding]:
    for role, tokens, most in lengths:
        long = sum(n > most for n in tokens)
        if long:
            share = 100 * long / len(tokens)
            yield Finding(kind=f"long for the {role}", count=long, setting="task.long_texts", sentence=f"{share:.1f} % of {len(tokens):,} "
                          f"course texts looked at have more than the {role}'s {most} tokens and are cut (the longest has "
                          f"{max(tokens):,}); task.long_texts says which part is kept.")  # fmt: skip
