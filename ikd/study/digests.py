"""Hashes of configs: which runs are the same, and which share a teacher."""

from __future__ import annotations

import hashlib

from ikd.config import RunConfig, all_settings, student_start
from ikd.config.run import GROUPS

MOST_BETWEEN_READINGS = 100_000
FIRST: dict[str, str] = {
    "": "label seed plan",
    "task": "name ambiguity train_size exam_size validation_size test_size seed max_length long_texts train_file "
        "validation_file test_file delimiter header encoding text_column text_pair_column label_column "
        "soft_label_column soft_label_order label_map missing_labels unlabelled_file duplicates conflicts "
        "shared_texts rare_classes hub_name hub_config hub_revision hub_validation_split hub_test_split",
    "teacher": "name revision fine_tune fine_tune_steps fine_tune_batch_size fine_tune_learning_rate",
    "student": "name revision initialisation layers checkpoint dropout",
    "objective": "name kd_weight logit_mse_weight pkd_weight tinybert_weight minilm_weight dkd_weight dist_weight "
        "cosine_weight temperature temperature_end alpha label_targets alpha_end schedule layer_map projection "
        "relation_heads dkd_target dkd_others dist_inter dist_intra",
    "training": "steps batch_size optimizer learning_rate weight_decay max_gradient_norm schedule warmup_steps pieces "
        "length_buckets",
    "policy": "name mutual_weight online_weight annealed_from teacher_learning_rate teacher_optimizer "
        "teacher_max_gradient_norm student_update exam_source fixed_studies_exam cached_targets exam_every "
        "exam_start exam_batch_size inner_update hypergradient teacher_scope adapter_rank teacher_top_layers "
        "anchor anchor_weight teacher_schedule teacher_warmup_steps teacher_freeze_at",
    "record": "probe_size probe_every probe_dtype checkpoint_every checkpoints_kept checkpoint_keep_every "
        "checkpoint_megabytes",
    "machine": "device precision threads teacher_accuracy_floor recompute_student recompute_teacher",
}
"""Settings by group that the first recorded studies had. Every other setting was added later."""


def digest_of(config: RunConfig) -> str:
    """Return a hash of all settings that decide a run.

    A run keeps its hash when a setting is added to the lab: an added setting at its default is left out (`added_settings`), and the
    student's initialisation `auto` counts as its meaning. The label decides nothing, and nor does the number of readings, unless a
    reading can stop the run (`machine.teacher_accuracy_floor`).
    """
    known = config.model_copy(update={"student": config.student.model_copy(update={"initialisation": student_start(config.student)})})
    if config.machine.teacher_accuracy_floor is None:
        two_readings = {"probe_every": min(config.training.steps, MOST_BETWEEN_READINGS)}
        known = known.model_copy(update={"record": config.record.model_copy(update=two_readings)})
    unused = {group: names for group in GROUPS if (names := _unused(known, group))}
    alone = dict.fromkeys(("label", *_unused(known, "")), True)
    return hashlib.blake2b(known.model_dump_json(exclude={**alone, **unused}).encode(), digest_size=12).hexdigest()


def teacher_of(config: RunConfig) -> str:
    """Return a hash of all settings that decide how the teacher of a run is fine-tuned: runs with the same hash share it."""
    parts = (config.task, config.teacher, config.machine)
    return hashlib.blake2b("".join([*(one.model_dump_json() for one in parts), str(config.seed)]).encode(), digest_size=12).hexdigest()


def added_settings() -> list[str]:
    """Return the dotted names of the settings that came after the first recorded studies."""
    return [one.path for one in all_settings() if one.name not in FIRST.get(one.group, "").split()]


def _unused(config: RunConfig, group: str) -> set[str]:
    """Return the added settings of a group that stand at their default."""
    owner, first = getattr(config, group) if group else config, FIRST.get(group, "").split()
    fields = {name: info for name, info in type(owner).model_fields.items() if name not in (*first, *GROUPS)}
    return {name for name, info in fields.items() if getattr(owner, name) == info.get_default(call_default_factory=True)}
