"""The ways of taking one step that `step_cost.py` compares, each on models of its own, and their batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Step = Callable[[int], None]

COMMON: dict[str, Any] = {
    "training.batch_size": 32, "policy.exam_batch_size": 32, "policy.exam_start": 0, "record.probe_every": 100_000,
    "record.probe_size": 32, "training.steps": 100_000, "task.validation_size": 50, "task.test_size": 50,
}  # fmt: skip
LARGE: dict[str, Any] = {"student.name": "teacher", "student.initialisation": "first_layers"}
SIZES: dict[str, dict[str, Any]] = {
    "a": {**COMMON},
    "b": {**COMMON, **LARGE, "teacher.name": "builtin/6x384", "student.layers": 3},
    "gpu": {**COMMON, **LARGE, "teacher.name": "builtin/12x768", "student.layers": 6, "machine.precision": "bf16",
            "machine.device": "cuda"},
}  # fmt: skip
LENGTHS = {"b": 64, "gpu": 128}
TITLES = {
    "a": "(a) built-in pair, 2x64 and 1x32, reviews",
    "b": "(b) 6x384 and 3x384, 32 x 64 tokens",
    "gpu": "(gpu) 12x768 and 6x768, 32 x 128 tokens, bf16",
}

FIXED = {"policy.name": "fixed", "policy.cached_targets": "never"}
SETTINGS: dict[str, dict[str, Any]] = {
    "kd": FIXED,
    "kd, targets cached": {"policy.name": "fixed", "policy.cached_targets": "always"},
    "jvp": {},
    "finite_difference": {"policy.hypergradient": "finite_difference"},
    "unrolled": {"policy.hypergradient": "unrolled"},
    "jvp, head": {"policy.teacher_scope": "head"},
    "jvp, adapter": {"policy.teacher_scope": "adapter"},
    "online": {"policy.name": "online"},
}
HAND = ("fine-tuning by hand", "kd by hand", "jvp by hand")


def config_of(size: str, method: str, **more: Any) -> Any:
    """Return the run config of one method at one size."""
    from ikd.config import build_config

    values = {**SIZES[size], **SETTINGS.get(method.removesuffix(", trainer"), {}), **more}
    if size == "gpu" and "hypergradient" in str(values) and values["policy.hypergradient"] != "jvp":
        values["machine.precision"] = "fp32"  # differences and unrolling want full precision
    return build_config(values)


def classroom_of(config: Any, length: int | None = None) -> Any:
    """Return the classroom of a config on its device, without any fine-tuning; with texts of one length where it is given."""
    from torch import nn

    from ikd.classroom import Classroom
    from ikd.models import build_student, build_teacher, encode
    from ikd.models.adapters import add_adapters
    from ikd.models.initialisation import layer_stack
    from ikd.runs.devices import resolve_device, use_threads
    from ikd.tasks import load_task

    use_threads(config.machine.threads)
    device = resolve_device(config.machine.device)
    data = load_task(config.task)
    teacher = build_teacher(config, data)
    student = build_student(config, data, teacher)
    if config.policy.teacher_scope == "adapter":
        add_adapters(teacher.model, rank=config.policy.adapter_rank, seed=0)
    splits: Any = {name: encode(data, name, config, teacher=teacher, student=student) for name in data.splits}
    if length is not None:
        splits = {name: FullLength(source, length) for name, source in splits.items()}
    return Classroom(
        student=nn.Module.to(student.model, device), teacher=nn.Module.to(teacher.model, device),
        teacher_layers=layer_stack(teacher.model)[1], student_layers=layer_stack(student.model)[1], splits=splits,
        label_names=data.label_names, device=device, facts={},
    )  # fmt: skip


class FullLength:
    """A split in which every text has the same number of tokens, all of them drawn from its index."""

    def __init__(self, source: Any, length: int) -> None:
        self._length, self.split, self.same_tokens = length, source.split, True
        self.lengths = [length] * len(source)
        self._labels = source.batch(range(len(source))).labels

    def __len__(self) -> int:
        return len(self.lengths)

    def by_length(self) -> list[int]:
        """Return all indices."""
        return list(range(len(self)))

    def batch(self, indices: Any) -> Any:
        """Return 'texts' of full length."""
        import torch

        from ikd.protocols import Batch

        examples = torch.as_tensor(list(indices))
        ids = 4 + (examples[:, None] * 31 + torch.arange(self._length) * 17) % 200
        inputs = {"input_ids": ids, "token_type_ids": torch.zeros_like(ids), "attention_mask": torch.ones_like(ids)}
        return Batch(examples, self._labels[examples], inputs, inputs)


def batches(room: Any, n: int) -> list[Any]:
    """Return n course batches on the device."""
    from ikd.teaching.reading import on_device
    from ikd.teaching.schedule import shuffled_batches

    order = shuffled_batches(len(room.splits["course"]), batch_size=32, seed=(0,))
    return [on_device(room.splits["course"].batch(next(order)), room.device) for _ in range(n)]


def policy_step(size: str, method: str, work: list[Any]) -> Step:
    """Return a step of the lab's own policy: course, and exam where the method has one; nothing is recorded."""
    from dataclasses import replace

    from ikd.classroom import build_lesson
    from ikd.teaching.policies import POLICIES
    from ikd.teaching.reading import read_split

    config = config_of(size, method)
    room = classroom_of(config, LENGTHS.get(size))
    lesson = build_lesson(room, config)
    if method == "kd, targets cached":
        said = read_split(room.teacher, "teacher", room.splits["course"], room.device, precision=config.machine.precision)
        lesson = replace(lesson, soft_targets=said.to(room.device))
    policy = POLICIES[config.policy.name]

    def step(at: int) -> None:
        policy(lesson, work[2 * at], work[2 * at + 1], None)

    return step


def trainer_step(size: str, method: str) -> Step:
    """Return a step of the whole trainer: batches drawn and moved, facts reported; no readings."""
    from ikd.config import Timeline
    from ikd.events import StepTaken
    from ikd.trainer import Training

    config = config_of(size, method)
    events: Iterator[Any] = Training(classroom_of(config, LENGTHS.get(size)), Timeline(config)).events()

    def step(at: int) -> None:
        while not isinstance(next(events), StepTaken):
            pass

    return step


def hand_step(size: str, method: str, work: list[Any]) -> Step:
    """Return a step of a loop written by hand."""
    import hand_loops
    import torch

    room = classroom_of(config_of(size, "jvp"), LENGTHS.get(size))
    torch.manual_seed(0)
    own = hand_loops.adamw(room.student, rate=3e-3, decay=hand_loops.DECAY)
    if method == "fine-tuning by hand":
        return lambda at: hand_loops.fine_tuning_step(room.student, own, work[2 * at])
    room.teacher.eval()
    if method == "kd by hand":
        return lambda at: hand_loops.kd_step(room.student, room.teacher, own, work[2 * at])
    both = own, hand_loops.adamw(room.teacher, rate=2e-5, decay=0.0)
    return lambda at: hand_loops.ikd_step(room.student, room.teacher, both, work[2 * at], work[2 * at + 1])


def step_of(size: str, method: str, work: list[Any]) -> Step:
    """Return the step of a method by its name in the tables."""
    if method in HAND:
        return hand_step(size, method, work)
    if method.endswith(", trainer"):
        return trainer_step(size, method)
    return policy_step(size, method, work)
