"""What a run has spent: operations counted by torch, against the formula for a transformer and the cost model by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ikd.config import build_config
from ikd.models.builtin import builtin_classifier, train_tokenizer
from ikd.models.flops import forward_flops
from ikd.runs.spent import flops_spent
from ikd.trace.reader import TraceReader
from tests.test_runs import finished

FACTS = {"student_flops": 10.0, "teacher_flops": 40.0, "teacher_layers": 2, "cached_examples": 0}


def test_the_count_is_that_of_the_matrices_of_a_transformer() -> None:
    tokenizer = train_tokenizer(["a few words to learn from"] * 9, max_length=64)
    model = builtin_classifier("builtin/3x64", tokenizer=tokenizer, n_classes=4, max_length=64).train()
    length, width, inner = 24, 64, model.config.intermediate_size
    ids = torch.randint(5, len(tokenizer), (8, length))
    found = forward_flops(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    layer = 2 * length * (4 * width**2 + 2 * width * inner) + 2 * 2 * length * length * width
    assert found == pytest.approx(3 * layer + 2 * width**2 + 2 * width * 4, rel=1e-6)
    assert model.training


def test_counting_draws_nothing_at_random() -> None:
    tokenizer = train_tokenizer(["a few words to learn from"] * 9, max_length=64)
    model = builtin_classifier("builtin/1x32", tokenizer=tokenizer, n_classes=2, max_length=64).train()
    before = torch.random.get_rng_state()
    forward_flops(model, {"input_ids": torch.ones(2, 8, dtype=torch.int64)})
    assert torch.equal(before, torch.random.get_rng_state())


def spent(values: dict[str, object], *, exams: tuple[int, ...] = (), n_steps: int = 10, **facts: float) -> list[float]:
    config = build_config({"training.batch_size": 8, "policy.exam_batch_size": 8, **values})
    found = flops_spent(config, FACTS | facts, exams=exams, n_steps=n_steps, steps=range(n_steps + 1))
    assert found is not None
    return found.tolist()


def test_ordinary_distillation_costs_r_plus_3_a_step_or_the_teacher_once() -> None:
    asked = spent({"policy.name": "fixed"})
    assert asked == pytest.approx([8 * 10 * (4 + 3) * step for step in range(11)])
    cached = spent({"policy.name": "fixed"}, cached_examples=100)
    assert cached == pytest.approx([100 * 40 + 8 * 10 * 3 * step for step in range(11)])


def test_exams_cost_where_they_are_sat() -> None:
    """3 r + 9 student forwards with an exam of the batch's size, r + 3 without."""
    found = np.diff(spent({"policy.name": "exam"}, exams=(3, 7))) / 80
    assert found.tolist() == pytest.approx([3 * 4 + 9 if step in (3, 7) else 4 + 3 for step in range(10)])


def test_a_peer_costs_its_update_until_it_is_frozen() -> None:
    found = np.diff(spent({"policy.name": "online", "policy.teacher_freeze_at": 6})) / 80
    assert found.tolist() == pytest.approx([3 * 4 + 3] * 6 + [4 + 3] * 4)


def test_an_older_trace_does_not_know() -> None:
    assert flops_spent(build_config({}), {"student_weights": 9}, exams=(), n_steps=3, steps=[1]) is None


def test_a_run_records_what_is_needed() -> None:
    folder = finished()
    reader = TraceReader(folder)
    exams = reader.series("exam_loss")[0].tolist()
    found = flops_spent(folder.config(), reader.meta()["facts"], exams=exams, n_steps=12, steps=[0, 1, 12])
    assert found is not None and found[0] == 0 < found[1] < found[2]
