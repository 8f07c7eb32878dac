"""What a study is, what is refused, and which runs it has with which settings."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from ikd.config import RunConfig
from ikd.errors import ConfigError
from ikd.runs.cost import kd_units, step_units
from ikd.study import StudyFolder, load_study, shipped_names, study_from, study_text, with_seeds
from ikd.study.cells import READINGS, Cell, all_cells, choice_of, config_of, main_cells, needed_choices
from ikd.study.compute import student_forwards
from ikd.study.digests import added_settings, digest_of, teacher_of
from ikd.study.reading import study_from_text
from ikd.study.results import read_results
from ikd.trace.store import assets_root
from tests.conftest import REPOSITORY
from tests.small_studies import tiny_study, tree

FIXED, EXAM = {"policy.name": "fixed"}, {"policy.name": "exam"}
STARVED = {"policy.fixed_studies_exam": False}
LONGER = {"KD": FIXED, "exam": EXAM, "longer": {**FIXED, "equal_compute_to": "exam"}}
RATES = {"KD": {"objective.temperature": [2, 4]}, "exam": {"policy.teacher_learning_rate": [1e-5, 1e-4]}}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in tree().items() if key != name}


REFUSED: list[tuple[dict[str, Any], str]] = [
    (tree(sedes=3), "Unknown key of a study 'sedes'. Did you mean 'seeds'"),
    (without("methods"), "The study has no methods: give it; it also needs name, tasks, seeds, baseline."),
    (tree(name="../out"), "The name of a study names its folder, and '../out' cannot"),
    (tree(name="Quick"), "small letters, digits and hyphens"),
    (tree(methods=[1]), "cannot have [1] for methods: it takes names, each with its settings."),
    (tree(methods={}), "cannot have {} for methods: it takes at least one, names, each with its settings."),
    (tree(seeds=0), "at least one"),
    (tree(seeds=[1, -1]), "cannot have -1 for seeds.1: it takes a number of seeds or a list of them, whole numbers from 0"),
    (tree(seeds=[1, 1]), "The list seeds has a seed twice"),
    (tree(seeds=True), "cannot have True for seeds"),
    (tree(baseline="DK"), "Unknown method in baseline 'DK'. Did you mean 'KD'"),
    (tree(score="acuracy"), "Unknown score 'acuracy'. Did you mean 'accuracy'"),
    (tree(tasks={"my texts": {}}), "Unknown task 'my texts'."),
    (tree(base={"task.name": "files"}), "The base names the task 'files', and 'reviews' is a task of that name itself"),
    (tree(tasks={"irony": {"task.seed": 3}}), "leave task.seed out of it"),
    (tree(base={"seed": 3}), "The setting seed in base is set by the study itself: leave it out, and give `seeds`."),
    (tree(methods={"KD": {"label": "x"}, "exam": EXAM}), "The setting label in method 'KD' is set by the study itself"),
    (tree(methods={"KD": {"polcy.name": "fixed"}}), "Study tiny, task 'reviews', method 'KD': Unknown setting 'polcy.name'. Did you mean "
     "'policy.name'"),
    (tree(methods={"KD": {"policy.name": "fixd"}}), "Study tiny, task 'reviews', method 'KD': "),
    (tree(methods={"KD": {"policy.name": ["fixed"]}}), "it takes plain values: numbers, texts, true, false or null."),
    (tree(methods={"K\nD": FIXED}, baseline="K\nD"), "needs a name of 1 to 40 printable characters"),
    (tree(methods={**LONGER, "longer": {**FIXED, "equal_compute_to": "xam"}}), "Unknown method in equal_compute_to of method 'longer'"),
    (tree(methods={**LONGER, "exam": {**EXAM, "against": "exam"}}), "The method 'exam' is held against itself"),
    (tree(methods={**LONGER, "longest": {**FIXED, "equal_compute_to": "longer"}}), "name 'exam' for both"),
    (tree(methods={**LONGER, "longer": {**FIXED, "equal_compute_to": "exam", "training.steps": 9}}), "leave training.steps out of it"),
    (tree(methods={"KD": {**FIXED, "policy.fixed_studies_exam": False}}), "The baseline 'KD' would not study the exam examples"),
    (tree(tasks={"reviews": STARVED}), "The baseline 'KD' would not study the exam examples of task 'reviews'"),
    (tree(tune={"KD": {"policy.fixed_studies_exam": [True, False]}, "exam": {"policy.exam_every": [1, 2]}}, tune_seeds=[7]),
     "The baseline 'KD' would not study the exam examples of task 'reviews', which those held against it may learn from"),
    (tree(methods={**LONGER, "poor": {**FIXED, **STARVED}, "exam": {**EXAM, "against": "poor"}}),
     "The method 'poor', which others are held against, would not study the exam examples"),
    (tree(methods={**LONGER, "poor": {**FIXED, **STARVED}}, also_against={"exam": ["poor"]}), "The method 'poor', which others are held"),
    (tree(methods={**LONGER, "longer": {**LONGER["longer"], **STARVED}}), "The method 'longer', which others are held against, would not"),
    (tree(tasks={"reviews": FIXED}), "The setting policy.name in task 'reviews' is what methods differ in: put it in methods"),
    (tree(tasks={"reviews": {"objective.name": "pkd"}}), "The setting objective.name in task 'reviews' is what methods differ in"),
    (tree(base={"task.seed": 3}), "The texts of task 'reviews' are generated by the seed of each run: leave task.seed out of base"),
    (tree(base={"task.name": "irony"}, tasks={"mine": {"task.seed": 3}}), "The texts of task 'mine' are generated by the seed of each run"),
    (tree(methods={"KD": {**FIXED, "task.train_size": 100}, "exam": EXAM}),
     "The setting task.train_size in method 'KD' would give it other texts than the methods beside it"),
    (tree(tune={**RATES, "KD": {"task.exam_size": [50, 60]}}, tune_seeds=[7]),
     "The setting task.exam_size in tune of 'KD' would give it other texts"),
    (tree(title="a\ud800b"), "The title 'a\\ud800b' is a line for people: give at most 200 printable characters"),
    (tree(title="\x1b[31mred"), "is a line for people"),
    (tree(title="x" * 201), "is a line for people: give at most 200 printable characters"),
    (tree(tune=RATES), "has no seeds for it: give tune_seeds"),
    (tree(tune=RATES, tune_seeds=[1, 7]), "The seed 1 is both in seeds and in tune_seeds"),
    (tree(tune={"KD": RATES["KD"]}, tune_seeds=[7]), "different numbers of settings (KD 2, exam 1), which favours the most tried"),
    (tree(tune={"DK": {}}, tune_seeds=[7]), "Unknown method in tune 'DK'"),
    (tree(tune={**RATES, "KD": {"objective.temperature": [2, 2]}}, tune_seeds=[7]), "no two of them the same"),
    (tree(tune={**RATES, "KD": {"objective.temperature": [2, 400]}}, tune_seeds=[7]), "Study tiny, task 'reviews', method 'KD': "),
    (tree(base={"task.train_size": 100, "task.exam_size": 96}), "Study tiny, task 'reviews', method 'KD': 96 exam examples leave 4 of the "
     "100 training examples for the course, and it needs at least 8: raise task.train_size, or lower task.exam_size."),
    (tree(seeds=9000), "at most 10000 are carried out"),
]  # fmt: skip


@pytest.mark.parametrize("given, sentence", REFUSED, ids=[sentence[:50] for _, sentence in REFUSED])
def test_a_study_that_cannot_be_is_refused_in_one_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        study_from(given)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("text, sentence", [
    ("name: [", "The study is not YAML at line 1"), ("- a\n- b", "A study is YAML with the keys name, tasks"), ("", "A study is YAML"),
    ("name: a\nname: b", "The study has 'name' twice in one place, at line 2"), ("a: !!python/object:os.system {}", "is not YAML"),
    ("base: &it {seed: 1}\ntasks:\n  reviews:\n    <<: *it", "The study has a merge key (<<) at line 4, which is not read"),
    ("? {a: b}\n: c", "The study is not YAML"), ("1: 2", "Unknown key of a study '1'"), ("name: \x00", "is not YAML"),
])  # fmt: skip
def test_a_text_that_is_no_study_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        study_from_text(text)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_studies_can_be_carried_out_and_are_read_again_the_same(name: str) -> None:
    study = load_study(name)
    assert study.name == name and study.title
    assert study_from_text(study_text(study)) == study
    assert len(study.seeds) >= 5 and not {*study.seeds} & {*study.tune_seeds}
    assert len({study.budget(method) for method in study.methods}) == 1


def test_the_four_studies_are_shipped() -> None:
    assert shipped_names() == ["glue-small", "kin", "objectives", "quick"]


def test_kin_has_every_policy_and_objectives_every_objective_under_two() -> None:
    """But for `direct`, which came after kin was carried out."""
    from ikd.objectives import OBJECTIVES
    from ikd.teaching.policies import POLICIES

    kin, objectives = load_study("kin"), load_study("objectives")
    assert {kin.settings_of(method)["policy.name"] for method in kin.methods} == set(POLICIES) - {"direct"}
    pairs = {(str(own["objective.name"]), str(own["policy.name"])) for own in map(objectives.settings_of, objectives.methods)}
    assert pairs == {(name, policy) for name in OBJECTIVES for policy in ("fixed", "exam")}
    for method in objectives.methods:
        other = objectives.against(method)
        if objectives.settings_of(method)["policy.name"] == "exam":
            assert other is not None and objectives.settings_of(other) == {**objectives.settings_of(method), "policy.name": "fixed"}


def test_a_file_is_found_by_its_path_and_a_wrong_name_gets_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(study_text(tiny_study()), encoding="utf-8")
    assert load_study(str(path)) == tiny_study()
    with pytest.raises(ConfigError, match="Unknown study 'quik'. Did you mean 'quick'"):
        load_study("quik")
    with pytest.raises(ConfigError, match="There is no file 'no.yaml': correct the path"):
        load_study("no.yaml")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_study(str(path))


def test_runs_of_a_seed_share_texts_weights_and_order_and_the_baseline_studies_the_exams() -> None:
    study = tiny_study(tasks={"reviews": {}, "words": {"task.name": "irony"}})
    for cell in main_cells(study):
        config = config_of(study, cell, {})
        assert config.seed == config.task.seed == cell.seed
        assert config.task.name == {"reviews": "reviews", "words": "irony"}[cell.task]
        assert config.policy.fixed_studies_exam and config.machine.threads == 1
        assert config.record.probe_every == 1, "six steps are read as often as there are any"
    for task in study.tasks:
        for seed in study.seeds:
            configs = [config_of(study, Cell("main", task, method, seed), {}) for method in study.methods]
            assert len({teacher_of(config) for config in configs}) == 1
            assert len({digest_of(config) for config in configs}) == len(configs)
    assert len({teacher_of(config_of(study, cell, {})) for cell in main_cells(study)}) == 4


def test_texts_that_are_not_generated_stay_the_same_over_seeds() -> None:
    study = tiny_study(tasks={"sst2": {"task.seed": 5}})
    assert {config_of(study, cell, {}).task.seed for cell in main_cells(study)} == {5}


def test_the_more_special_settings_win() -> None:
    study = tiny_study(base={"training.steps": 10, "training.batch_size": 4, "training.pieces": 2, "policy.exam_start": 0},
                       tasks={"reviews": {"training.steps": 20, "training.batch_size": 8}},
                       methods={"KD": {**FIXED, "training.steps": 30}, "exam": EXAM})  # fmt: skip
    config = config_of(study, Cell("main", "reviews", "KD", 0), {})
    assert (config.training.steps, config.training.batch_size, config.training.pieces) == (30, 8, 2)


def cost(config: RunConfig, ratio: float, layers: int) -> float:
    return step_units(config, ratio, layers) * config.training.steps


def test_equal_compute_is_equal_by_the_cost_model() -> None:
    study = tiny_study(methods=LONGER)
    exam, longer = (config_of(study, Cell("main", "reviews", method, 0), {}) for method in ("exam", "longer"))
    # By hand: the teacher has 2 layers of width 32, the student one of 16; a layer is 12 w^2 products and 2 l w for attention.
    ratio = 2 * (12 * 32**2 + 2 * 16 * 32) / (12 * 16**2 + 2 * 16 * 16)
    assert longer.training.steps == round(cost(exam, ratio, 2) / kd_units(ratio))
    assert student_forwards(longer) == pytest.approx(student_forwards(exam), rel=0.5 / longer.training.steps)
    same = {**study.settings_of("longer"), **study.base}
    assert same.keys() <= {"policy.name", *study.base} and longer.model_copy(update={"training": exam.training}).policy.name == "fixed"


def test_equal_compute_counts_the_settings_that_were_chosen_and_other_students() -> None:
    study = tiny_study(methods={**LONGER, "wide": {**FIXED, "student.name": "builtin/1x32", "equal_compute_to": "exam"}})
    seldom = {"exam": {"policy.exam_every": 4}}
    steps = {method: config_of(study, Cell("main", "reviews", method, 0), {}).training.steps for method in ("longer", "wide")}
    fewer = config_of(study, Cell("main", "reviews", "longer", 0), seldom).training.steps
    assert 6 < fewer < steps["longer"] and steps["wide"] < steps["longer"]


def test_the_ratio_of_the_demo_is_that_of_the_documented_sweep() -> None:
    study = load_study("quick")
    chosen = {method: study.options(method)[0] for method in study.methods}
    assert config_of(study, Cell("main", "reviews", "KD, equal compute", 100), chosen).training.steps == 1508  # docs/defaults.md: 3.77


def test_tuning_comes_first_and_every_combination_is_tried() -> None:
    tune = {"KD": {"objective.temperature": [1, 2], "objective.alpha": [0.5, 0.9]}, "exam": {"policy.exam_every": [1, 2, 3, 4]}}
    study = tiny_study(tune=tune, tune_seeds=[7, 8])
    assert study.options("KD") == [{"objective.temperature": t, "objective.alpha": a} for t in (1, 2) for a in (0.5, 0.9)]
    cells = all_cells(study)
    assert [cell.stage for cell in cells] == ["tune"] * 16 + ["main"] * 4 and len(set(cells)) == 20
    first = config_of(study, Cell("tune", "reviews", "KD", 7, 3), {})
    assert (first.objective.temperature, first.objective.alpha, first.seed) == (2, 0.9, 7)
    main = config_of(study, Cell("main", "reviews", "exam", 0), {"exam": study.options("exam")[2]})
    assert main.policy.exam_every == 3
    assert [*needed_choices(study, Cell("main", "reviews", "exam", 0))] == ["exam"]
    assert not [*needed_choices(study, Cell("tune", "reviews", "exam", 7, 1))]


def test_a_run_of_equal_compute_waits_for_the_choice_of_the_other() -> None:
    tune = {"exam": {"policy.exam_every": [1, 2]}, "longer": {"objective.temperature": [1, 2]}, "KD": {"objective.temperature": [1, 2]}}
    study = tiny_study(methods=LONGER, tune=tune, tune_seeds=[7])
    assert [*needed_choices(study, Cell("tune", "reviews", "longer", 7))] == ["exam"]
    assert [*needed_choices(study, Cell("main", "reviews", "longer", 0))] == ["longer", "exam"]


@pytest.mark.parametrize("score, best", [("nll", 1), ("accuracy", 2)])
def test_the_best_setting_is_that_of_the_best_mean_and_a_failed_one_is_none(score: str, best: int) -> None:
    study = tiny_study(tune={"KD": {"objective.temperature": [1, 2, 3, 4]}, "exam": {"policy.exam_every": [1, 2, 3, 4]}},
                       tune_seeds=[7, 8], score=score)  # fmt: skip
    found: dict[int, list[float | None]] = {0: [0.5, 0.7], 1: [0.2, 0.8], 2: [0.9, 0.9], 3: [None, 0.0]}
    index, means = choice_of(study, "KD", lambda choice, seed: found[choice][seed - 7])
    assert index == best and means[:3] == pytest.approx([0.6, 0.5, 0.9]) and means[3] != means[3]
    assert choice_of(study, "KD", lambda choice, seed: float("nan"))[0] is None


def test_other_numbers_of_seeds_keep_the_first_ones_and_leave_those_of_the_tuning_out() -> None:
    study = tiny_study(seeds=[3, 5], tune=RATES, tune_seeds=[6])
    assert with_seeds(study, 1).seeds == (3,) and with_seeds(study, 4).seeds == (3, 5, 7, 8)
    with pytest.raises(ConfigError, match="one seed or more"):
        with_seeds(study, 0)


def test_more_seeds_than_runs_can_be_are_refused_before_they_are_listed() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match="more than the 10000 runs that a study may have") as refused:
            with_seeds(tiny_study(), 3_000_000)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000 and "\n" not in str(refused.value)
    finally:
        tracemalloc.stop()


def test_a_method_that_none_is_held_against_may_do_without_the_exam_texts_and_a_task_that_is_read_may_have_a_seed() -> None:
    study = tiny_study(methods={**LONGER, "poor": {**FIXED, **STARVED}, "asks": {**EXAM, **STARVED}}, title="x" * 200)
    assert not config_of(study, Cell("main", "reviews", "poor", 0), {}).policy.fixed_studies_exam
    assert tiny_study(methods={"exam": {**EXAM, **STARVED}}, baseline="exam").baseline == "exam", "it sits exams with them"
    assert tiny_study(base={**tiny_study().base, "task.seed": 5}, tasks={"sst2": {}}).base["task.seed"] == 5


def test_a_control_that_learns_the_exam_texts_in_another_way_may_leave_them_out_of_the_course() -> None:
    direct = {"policy.name": "direct", **STARVED}
    early = {**FIXED, **STARVED, "training.kept_student": "best_exam"}
    study = tiny_study(methods={"KD": FIXED, "exam": EXAM, "direct": direct, "early": early}, also_against={"exam": ["direct", "early"]})
    assert study.others("exam") == ["KD", "direct", "early"]


def test_the_digest_is_of_what_decides_a_run() -> None:
    study = tiny_study()
    one = config_of(study, Cell("main", "reviews", "KD", 0), {})
    assert digest_of(one) == digest_of(one.model_copy(update={"label": "other"}))
    assert digest_of(one) != digest_of(one.model_copy(update={"seed": 9}))


def test_a_run_is_read_about_twelve_times() -> None:
    for steps in (6, 11, 12, 100, 400, 3000, 11_340):
        study = tiny_study(base={**tiny_study().base, "training.steps": steps})
        every = config_of(study, Cell("main", "reviews", "KD", 0), {}).record.probe_every
        n_readings = len(range(0, steps, every)) + 1
        assert READINGS // 2 < n_readings <= READINGS or n_readings == steps + 1 <= READINGS


def test_settings_that_came_later_leave_the_digests_of_recorded_runs_as_they_are() -> None:
    assert {"teacher.label_order", "teacher.accept"} <= {*added_settings()} and "seed" not in added_settings()
    for name in ("quick", "built-in"):
        results = read_results(StudyFolder(name, assets_root()))
        study, seeds = results.study, (results.study.seeds[0], *results.study.tune_seeds)
        for cell, row in results.rows.items():
            if cell.seed in seeds:
                target = study.equal_compute_to(cell.method)
                chosen = [{cell.method: own, **({target: other} if target else {})} for own in study.options(cell.method)
                          for other in (study.options(target) if target else [{}])]  # fmt: skip
                assert row.digest in {digest_of(config_of(study, cell, one)) for one in chosen}, (name, cell)


def test_an_added_setting_counts_once_it_is_set_and_readings_count_where_they_can_stop_a_run() -> None:
    one = config_of(tiny_study(), Cell("main", "reviews", "KD", 0), {})

    def changed(group: str, **values: Any) -> RunConfig:
        return one.model_copy(update={group: getattr(one, group).model_copy(update=values)})

    assert digest_of(changed("teacher", accept=False)) == digest_of(one) != digest_of(changed("teacher", accept=True))
    assert digest_of(changed("record", probe_every=3)) == digest_of(one)
    floor = changed("machine", teacher_accuracy_floor=0.2)
    assert digest_of(floor) != digest_of(floor.model_copy(update={"record": one.record.model_copy(update={"probe_every": 3})}))


def test_reading_and_planning_load_no_torch() -> None:
    program = ("import sys\nfrom ikd.study import load_study\nfrom ikd.study.cells import all_cells, config_of\n"
               "study = load_study('objectives')\n[config_of(study, cell, {}) for cell in all_cells(study)[:40]]\n"
               "sys.exit('torch' in sys.modules)")  # fmt: skip
    assert subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, timeout=300, check=False).returncode == 0


def test_values_of_yaml_keep_their_kind() -> None:
    text = study_text(tiny_study(methods={"KD": {**FIXED, "policy.fixed_studies_exam": True}, "exam": {**EXAM, "objective.alpha": 1}}))
    read = study_from_text(text.replace("alpha: 1", "alpha: 5e-1"))  # PyYAML reads 5e-1 as a text
    assert config_of(read, Cell("main", "reviews", "exam", 0), {}).objective.alpha == 0.5
    assert re.search(r"fixed_studies_exam: true", text) and json.loads(read.model_dump_json())["methods"]["KD"]["policy.name"] == "fixed"
