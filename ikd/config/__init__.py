"""The configuration of a run: one source for the pages, the command line and the JSON on disk."""

from ikd.config.data import TaskSettings, given_files, shift_mark, task_title
from ikd.config.fields import Setting, Settings
from ikd.config.models import STORED, StudentSettings, TeacherSettings, student_start
from ikd.config.objective import HIDDEN_OBJECTIVES, OBJECTIVE_NAMES, ObjectiveSettings, objective_terms
from ikd.config.plan import AT_A_FORK, IN_FLIGHT, PlannedChange
from ikd.config.policy import (
    EXAM_POLICIES,
    FEW_NUMBERS,
    MOVING_POLICIES,
    PolicySettings,
    exam_joins_course,
    few_numbers,
)
from ikd.config.presets import PRESETS, Preset
from ikd.config.rates import fine_tune_rate, student_rate, teacher_rate, then_exam_rate
from ikd.config.reading import build_config, config_from_json, plain_sentence
from ikd.config.remarks import remarks_on
from ikd.config.run import GROUPS, MachineSettings, RecordSettings, RunConfig, all_settings, applies, settings_of
from ikd.config.schedules import alpha_at, is_scheduled, temperature_at
from ikd.config.timeline import Timeline, exam_is_due, fresh_student_at, teacher_learns
from ikd.config.training import StudentUpdateSettings

__all__ = [
    "AT_A_FORK",
    "EXAM_POLICIES",
    "FEW_NUMBERS",
    "GROUPS",
    "HIDDEN_OBJECTIVES",
    "IN_FLIGHT",
    "MOVING_POLICIES",
    "OBJECTIVE_NAMES",
    "PRESETS",
    "STORED",
    "MachineSettings",
    "ObjectiveSettings",
    "PlannedChange",
    "PolicySettings",
    "Preset",
    "RecordSettings",
    "RunConfig",
    "Setting",
    "Settings",
    "StudentSettings",
    "StudentUpdateSettings",
    "TaskSettings",
    "TeacherSettings",
    "Timeline",
    "all_settings",
    "alpha_at",
    "applies",
    "build_config",
    "config_from_json",
    "exam_is_due",
    "exam_joins_course",
    "few_numbers",
    "fine_tune_rate",
    "fresh_student_at",
    "given_files",
    "is_scheduled",
    "objective_terms",
    "plain_sentence",
    "remarks_on",
    "settings_of",
    "shift_mark",
    "student_rate",
    "student_start",
    "task_title",
    "teacher_learns",
    "teacher_rate",
    "temperature_at",
    "then_exam_rate",
]
