"""Every sentence on objectives, policies and models that do not fit is said where it is deserved, and not one choice away from there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import ikd.config.fitting
import ikd.config.remarks
from ikd.config import RunConfig, build_config, remarks_on
from ikd.errors import ConfigError

BASE: dict[str, Any] = {"teacher.name": "builtin/4x64", "student.name": "builtin/2x32"}
UNKNOWN = {"teacher.name": "some/encoder", "student.name": "other/encoder"}
HIDDEN = ("pkd", "tinybert", "minilm", "cosine")
OTHERS = ("kd", "logit_mse", "dkd", "dist")


def build(*values: dict[str, Any]) -> RunConfig:
    whole = dict(BASE)
    for some in values:
        whole |= some
    return build_config(whole)


def objective(name: str, **more: Any) -> dict[str, Any]:
    """Return settings of an objective and of others, `policy__name` for `policy.name`."""
    return {"objective.name": name, **{key.replace("__", "."): value for key, value in more.items()}}


def of_sum(**weights: float) -> dict[str, Any]:
    """Return settings of a sum with these weights and no others."""
    return {"objective.name": "sum", "objective.kd_weight": 0.0} | {f"objective.{name}_weight": one for name, one in weights.items()}


class Case(NamedTuple):
    """A sentence, what deserves it, and what is nearest to that and does not."""

    sentence: str
    deserving: list[dict[str, Any]]
    near: list[dict[str, Any]]


FILES = {"task.name": "files", "task.train_file": "rows.csv"}
UNLABELLED = [FILES | {"task.unlabelled_file": "more.csv"}, FILES | {"task.missing_labels": "study"},
              {"task.name": "hub", "task.hub_name": "a/b", "task.missing_labels": "study"}]  # fmt: skip
STORED = {"teacher.name": "stored", "policy.name": "fixed"}
SOURCES = STORED | {"task.shift": "sources"}
VOTES = FILES | {"objective.label_targets": "truth", "task.soft_label_column": "votes"}

REFUSALS: dict[str, Case] = {
    "no votes": Case(
        "To study human votes (objective.label_targets truth) the task needs them",
        [FILES | {"objective.label_targets": "truth"}], [VOTES, FILES, {"objective.label_targets": "truth"}],
    ),
    "dkd without labels": Case(
        "The objective dkd parts the label's class from the others, so it cannot be used with",
        [one | {"objective.name": "dkd"} for one in UNLABELLED] + [VOTES | {"objective.name": "dkd"}, VOTES | of_sum(kd=1, dkd=0.1)],
        [*UNLABELLED, VOTES, FILES | {"objective.name": "dkd"}, UNLABELLED[0] | of_sum(kd=1)],
    ),
    "exams without labels": Case(
        "Texts without a label are in the course split, and an exam needs labels",
        [one | {"policy.exam_source": "train"} for one in UNLABELLED],
        [*UNLABELLED, FILES | {"policy.exam_source": "train"}, UNLABELLED[0] | {"policy.exam_source": "train", "policy.name": "fixed"}],
    ),
    "sources of given texts": Case(
        "The shift sources is for built-in tasks, where the truth is known",
        [FILES | {"task.shift": "sources"}, {"task.name": "sst2", "task.shift": "sources"}],
        [{"task.shift": "sources"}, *(FILES | {"task.shift": shift} for shift in ("none", "shortcut", "imbalance", "flips"))],
    ),
    "numbers without exams": Case(
        "policy.teacher_scope trust learns from exams, and policy",
        [{"policy.teacher_scope": "trust", "policy.name": name} for name in ("mutual", "online", "direct")],
        [{"policy.teacher_scope": "trust"}, {"policy.teacher_scope": "trust", "policy.name": "fixed"},
         {"policy.teacher_scope": "head", "policy.name": "mutual"}],
    ),
    "numbers past the logits": Case(
        "An objective that looks at layers alone sends no feedback to soft targets",
        [objective(name, policy__teacher_scope="memory") for name in HIDDEN] + [of_sum(minilm=1) | {"policy.teacher_scope": "trust"}],
        [objective(name, policy__teacher_scope="memory") for name in OTHERS]
        + [objective("pkd"), of_sum(pkd=1, kd=0.1) | {"policy.teacher_scope": "memory"},
           objective("pkd", policy__teacher_scope="memory", policy__name="fixed")],
    ),
    "gate without spread": Case(
        "policy.gate compares the exams that make one step of the teacher",
        [{"policy.gate": 1.0}], [{"policy.gate": 1.0, "policy.exam_mean": 2}, {"policy.gate": 1.0, "policy.name": "fixed"}, {}],
    ),
    "nothing stored": Case(
        "teacher.name stored needs soft targets that stand with the texts",
        [STORED, STORED | {"task.shift": "shortcut"}, STORED | FILES],
        [STORED | {"task.shift": "sources"}, STORED | FILES | {"task.soft_target_column": "said"}, {}],
    ),
    "stored weights": Case(
        "Stored soft targets have no weights that could learn",
        [SOURCES | {"policy.name": name} for name in ("exam", "mutual", "online", "direct")],
        [SOURCES | {"policy.name": "fixed"}, SOURCES | {"policy.teacher_scope": "trust", "policy.name": "exam"}],
    ),
    "stored layers": Case(
        "Stored soft targets have no layers, which this objective looks at",
        [SOURCES | objective(name, policy__name="fixed") for name in HIDDEN] + [SOURCES | of_sum(kd=1, pkd=0.1)],
        [SOURCES | objective(name) for name in OTHERS] + [objective(name, policy__name="fixed") for name in HIDDEN],
    ),
    "a student of nothing": Case(
        "Stored soft targets have no layers that a student could be cut from",
        [SOURCES | {"student.name": "teacher"}, SOURCES | {"student.initialisation": "first_layers"}],
        [SOURCES, SOURCES | {"student.name": "builtin/1x32"}, {"student.name": "teacher"}],
    ),
    "nothing to learn without labels": Case(
        "With objective.alpha 0 the student learns from labels alone, and texts without a label teach it nothing",
        [one | {"objective.alpha": 0, "policy.name": "fixed"} for one in UNLABELLED],
        [UNLABELLED[0] | {"objective.alpha": 0, "objective.alpha_end": 1, "policy.name": "fixed"}, UNLABELLED[0] | {"objective.alpha": 0.1},
         FILES | {"objective.alpha": 0, "policy.name": "fixed"}],
    ),
    "empty sum": Case(
        "Every weight of the sum is 0, so there is nothing to learn",
        [of_sum(), of_sum() | {"policy.name": "fixed"}], [of_sum(logit_mse=0.01), objective("kd", objective__kd_weight=0.0)],
    ),
    "unknown widths": Case(
        "The student is 32 wide and the teacher 64, so their hidden states cannot be compared",
        [objective(name, objective__projection="none") for name in ("pkd", "tinybert", "cosine")]
        + [of_sum(kd=1, cosine=1) | {"objective.projection": "none"}],
        [objective(name, objective__projection="none") for name in ("minilm", *OTHERS)]
        + [objective("pkd", objective__projection="none", student__name="builtin/2x64"), objective("pkd"),
           of_sum(kd=1, minilm=1) | {"objective.projection": "none"}, objective("pkd", objective__projection="none") | UNKNOWN],
    ),
    "classifier untaught": Case(
        "With objective.alpha 1 and an objective that looks at layers alone, nothing would teach the student's classifier",
        [objective(name, objective__alpha=1) for name in HIDDEN]
        + [objective("pkd", objective__alpha=1, objective__alpha_end=1), of_sum(pkd=1, cosine=2) | {"objective.alpha": 1}],
        [objective("pkd", objective__alpha=0.99), objective("pkd", objective__alpha=1, objective__alpha_end=0.5),
         objective("kd", objective__alpha=1), of_sum(pkd=1, kd=0.01) | {"objective.alpha": 1}],
    ),
    "feedback past the head": Case(
        "An objective that looks at layers alone sends no feedback to the teacher's classifier",
        [objective(name, policy__teacher_scope="head") for name in HIDDEN] + [of_sum(minilm=1) | {"policy.teacher_scope": "head"}],
        [objective("pkd", policy__teacher_scope="head", policy__name=name) for name in ("mutual", "online", "fixed", "annealed")]
        + [objective("pkd"), objective("pkd", policy__teacher_scope="adapter"), of_sum(pkd=1, kd=0.1) | {"policy.teacher_scope": "head"},
           *(objective(name, policy__teacher_scope="head") for name in OTHERS)],
    ),
    "feedback below the top": Case(
        "The objective pkd looks at the teacher's layers up to number ",
        [objective("pkd", policy__teacher_scope="top_layers", policy__teacher_top_layers=2),  # layer 1 of 2 is compared with 2 of 4
         objective("pkd", policy__teacher_scope="top_layers", objective__layer_map="last"),  # with 3 of 4
         of_sum(pkd=1) | {"policy.teacher_scope": "top_layers"}],
        [objective("pkd", policy__teacher_scope="top_layers", policy__teacher_top_layers=3),
         objective("pkd", policy__teacher_scope="top_layers", objective__layer_map="last", policy__teacher_top_layers=2),
         objective("pkd", policy__teacher_scope="top_layers", policy__name="mutual"), objective("pkd"),
         objective("pkd", policy__teacher_scope="top_layers") | UNKNOWN,
         *(objective(name, policy__teacher_scope="top_layers") for name in ("minilm", "tinybert", "cosine", *OTHERS)),
         of_sum(pkd=1, cosine=1) | {"policy.teacher_scope": "top_layers"}],
    ),
    "layers said once": Case(
        "Soft targets computed once are logits, but this objective looks at layers too",
        [objective(name, policy__name=policy, policy__cached_targets="always") for name in HIDDEN for policy in ("fixed", "annealed")]
        + [of_sum(kd=1, pkd=0.1) | {"policy.name": "fixed", "policy.cached_targets": "always"}],
        [objective("pkd", policy__name="fixed", policy__cached_targets=when) for when in ("auto", "never")]
        + [objective(name, policy__name="fixed", policy__cached_targets="always") for name in OTHERS]
        + [objective("pkd", policy__name="mutual", policy__cached_targets="always")],
    ),
    "dist in pieces": Case(
        "The objective dist compares the examples of a whole batch, so a batch cannot go through in pieces",
        [objective("dist", training__pieces=2), of_sum(kd=1, dist=0.1) | {"training.pieces": 2}],
        [objective("dist"), objective("kd", training__pieces=2), of_sum(kd=1, dkd=1) | {"training.pieces": 2}],
    ),
    "no inner layers": Case(
        "The objective pkd compares inner layers, and a student of one layer has none",
        [objective("pkd", student__name="builtin/1x32"), of_sum(kd=1, pkd=1) | {"student.name": "builtin/1x32"},
         objective("pkd", student__name="teacher", student__layers=1),
         objective("pkd", student__name="teacher", teacher__name="builtin/2x64")],  # half of two
        [objective("pkd"), objective("cosine", student__name="builtin/1x32"), objective("pkd", student__name="teacher"),
         objective("pkd", student__name="other/encoder"), of_sum(kd=1) | {"student.name": "builtin/1x32"}],
    ),
    "deeper student": Case(
        "The student has 5 layers and the teacher only 4, so its layers cannot be paired",
        [objective(name, student__name="builtin/5x32") for name in HIDDEN]
        + [objective("cosine", student__name="teacher", student__layers=5), of_sum(kd=1, pkd=1) | {"student.name": "builtin/5x32"}],
        [objective(name, student__name="builtin/5x32") for name in OTHERS]
        + [objective(name, student__name="builtin/4x32") for name in HIDDEN]
        + [objective("cosine", student__name="builtin/5x32", teacher__name="some/encoder")],
    ),
    "relation heads": Case(
        "objective.relation_heads cannot be 12: the widths 32 and 64 must both be multiples",
        [objective("minilm", objective__relation_heads=12), of_sum(kd=1, minilm=1) | {"objective.relation_heads": 12}],
        [objective("minilm", objective__relation_heads=16), objective("cosine", objective__relation_heads=12),
         objective("minilm", objective__relation_heads=12, student__name="builtin/2x48", teacher__name="builtin/4x96"),
         objective("minilm", objective__relation_heads=12) | UNKNOWN],
    ),
    "heads": Case(
        "The objective tinybert compares attention head by head, and the teacher's 4 heads are no multiple of the student's 3",
        [objective("tinybert", student__name="builtin/2x48"), of_sum(kd=1, tinybert=1) | {"student.name": "builtin/2x48"}],
        [objective("tinybert"), objective("minilm", student__name="builtin/2x48"),
         objective("tinybert", student__name="builtin/2x48", teacher__name="builtin/4x96"), objective("tinybert") | UNKNOWN],
    ),
}  # fmt: skip

TWO = "With two classes "
REMARKS: dict[str, Case] = {
    "exams that share the shift": Case(
        "Exams on course texts have the shift of the course in them and cannot reveal it",
        [{"task.shift": "flips", "policy.exam_source": "train"}],
        [{"policy.exam_source": "train"}, {"task.shift": "flips"},
         {"task.shift": "flips", "policy.exam_source": "train", "policy.name": "fixed"}],
    ),
    "known by heart": Case(
        "The teacher is fine-tuned on the exam texts before the first exam",
        [{"teacher.studies_exam": True}, {"teacher.studies_exam": True, "policy.name": "direct"}],
        [{}, {"teacher.studies_exam": True, "policy.name": "fixed"}, {"policy.name": "direct"}],
    ),
    "dkd of two": Case(
        "With two classes the part of dkd on the other classes is always zero",
        [objective("dkd"), of_sum(kd=1, dkd=1)], [objective("kd"), objective("dist"), of_sum(kd=1)],
    ),
    "dist of two": Case(
        "With two classes the correlation over one example is always 1 or -1",
        [objective("dist"), of_sum(kd=1, dist=1)], [objective("kd"), objective("dkd"), of_sum(kd=1)],
    ),
    "one number": Case(
        "With two classes a soft target is one number",
        [*(objective(name) for name in OTHERS), of_sum(pkd=1, kd=0.1)], [*(objective(name) for name in HIDDEN), of_sum(pkd=1)],
    ),
    "layers alone": Case(
        "This objective looks at layers and never at soft targets",
        [*(objective(name) for name in HIDDEN), of_sum(pkd=1, cosine=1)], [*(objective(name) for name in OTHERS), of_sum(pkd=1, kd=0.1)],
    ),
    "far from the start": Case(
        "A freshly drawn student is far from a pre-trained teacher's hidden states",
        [objective("cosine", teacher__name="some/encoder"), of_sum(kd=1, pkd=1) | UNKNOWN | {"student.initialisation": "random"}],
        [objective("cosine"), objective("kd") | UNKNOWN, of_sum(kd=1, pkd=1) | UNKNOWN,
         objective("cosine", teacher__name="some/encoder", student__name="teacher", student__initialisation="first_layers")],
    ),
    "layers at rest": Case(
        "The teacher's layers do not move under scope head, so only the feedback at its logits has an effect",
        [of_sum(kd=1, pkd=1) | {"policy.teacher_scope": "head"}],
        [of_sum(kd=1, pkd=1), objective("kd", policy__teacher_scope="head"), of_sum(kd=1, pkd=1) | {"policy.teacher_scope": "top_layers"},
         of_sum(kd=1, pkd=1) | {"policy.teacher_scope": "head", "policy.name": "fixed"}],
    ),
}  # fmt: skip


def refused(values: dict[str, Any]) -> str:
    """Return the sentence that a choice is refused with, or nothing."""
    try:
        build(values)
    except ConfigError as fault:
        return str(fault)
    return ""


def remarks(values: dict[str, Any], n_classes: int | None = 2) -> list[str]:
    return list(remarks_on(build(values), n_classes=n_classes))


def sentences_of(module: Any) -> Iterator[str]:
    """Yield the beginning of each sentence that stands in a module, up to the first value in it."""
    for node in ast.walk(ast.parse(Path(module.__file__).read_text("utf-8"))):
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.JoinedStr | ast.Constant):
            first = node.value.values[0] if isinstance(node.value, ast.JoinedStr) else node.value
            assert isinstance(first, ast.Constant)
            yield str(first.value)


@pytest.mark.parametrize(("module", "cases"), [(ikd.config.fitting, REFUSALS), (ikd.config.remarks, REMARKS)])
def test_every_sentence_is_under_test(module: Any, cases: dict[str, Case]) -> None:
    found = list(sentences_of(module))
    assert len(found) == len(cases)
    for beginning in found:
        assert any(one.sentence.startswith(beginning) or beginning.startswith(one.sentence) for one in cases.values()), beginning


@pytest.mark.parametrize("name", REFUSALS)
def test_what_does_not_fit_is_refused_and_its_neighbours_are_not(name: str) -> None:
    case = REFUSALS[name]
    for values in case.deserving:
        sentence = refused(values)
        assert sentence.startswith(case.sentence), values
        assert sentence.endswith(".") and ": " in sentence, "what, and what to do next"
    for values in case.near:
        assert refused(values) == "", values


@pytest.mark.parametrize("name", REMARKS)
def test_what_may_surprise_is_remarked_on_and_its_neighbours_are_not(name: str) -> None:
    case = REMARKS[name]
    for values in case.deserving:
        assert any(one.startswith(case.sentence) for one in remarks(values)), values
    for values in case.near:
        assert not any(one.startswith(case.sentence) for one in remarks(values)), values


@pytest.mark.parametrize("n_classes", [3, None])
def test_nothing_is_said_of_two_classes_where_there_are_more_or_nobody_knows(n_classes: int | None) -> None:
    for values in (objective("kd"), objective("dkd"), objective("dist")):
        assert remarks(values, n_classes) == []


def test_the_defaults_deserve_no_remark() -> None:
    assert list(remarks_on(RunConfig(), n_classes=3)) == []


def test_a_width_that_is_no_multiple_of_a_head_is_refused_by_its_name_alone() -> None:
    for name in ("tinybert", "minilm", "cosine"):
        said = refused(objective(name, student__name="builtin/2x8", objective__relation_heads=1))
        assert said.startswith("Unknown built-in model 'builtin/2x8'") and "multiple of 16" in said


def test_the_number_that_would_do_is_the_number_that_is_named() -> None:
    """What the sentence on the top layers advises is accepted, and one less is not."""
    top = objective("pkd", policy__teacher_scope="top_layers", teacher__name="builtin/12x64", student__name="builtin/3x32")
    assert "up to number 8 of 12, so its top 1 would get no feedback: set policy.teacher_top_layers to 5" in refused(top)
    assert refused(top | {"policy.teacher_top_layers": 4}) and not refused(top | {"policy.teacher_top_layers": 5})
