"""The configuration of a run: one source for the pages, the command line and the JSON on disk."""

from ikd.config.data import TaskSettings
from ikd.config.fields import Setting, Settings
from ikd.config.models import StudentSettings, TeacherSettings
from ikd.config.plan import AT_A_FORK, IN_FLIGHT, PlannedChange
from ikd.config.presets import PRESETS, Preset
from ikd.config.rates import fine_tune_rate, student_rate, teacher_rate
from ikd.config.reading import build_config, config_from_json, plain_sentence
from ikd.config.run import GROUPS, MachineSettings, RecordSettings, RunConfig, all_settings, applies, settings_of
from ikd.config.teaching import ObjectiveSettings, PolicySettings, StudentUpdateSettings
from ikd.config.timeline import Timeline, exam_is_due

__all__ = [
    "AT_A_FORK",
    "GROUPS",
    "IN_FLIGHT",
    "PRESETS",
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
    "applies",
    "build_config",
    "config_from_json",
    "exam_is_due",
    "fine_tune_rate",
    "plain_sentence",
    "settings_of",
    "student_rate",
    "teacher_rate",
]
