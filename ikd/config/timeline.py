"""What holds at each step of a run whose settings change on the way: its config, its plan, and the changes made in flight."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from ikd.config.fields import Setting
from ikd.config.plan import AT_A_FORK, IN_FLIGHT, PlannedChange
from ikd.config.policy import EXAM_POLICIES, MOVING_POLICIES
from ikd.config.reading import build_config
from ikd.config.run import RunConfig, all_settings, applies
from ikd.errors import ConfigError, unknown_name


class Timeline:
    """The settings of a run at each of its steps. Whatever it accepts can be run, at every step.

    Attributes:
        changes: all changes so far, those of the config's plan included, by step.
    """

    def __init__(self, config: RunConfig, changes: Iterable[PlannedChange] = ()) -> None:
        """Begin with a config, its plan, and changes recorded by an earlier attempt of the same run.

        Raises:
            ConfigError: a change that cannot be made at its step.
        """
        self._base = config.model_copy(update={"plan": ()})
        self.changes: list[PlannedChange] = []
        self._known: dict[int, RunConfig] = {0: self._base}
        for one in sorted((*config.plan, *changes), key=lambda change: change.step):
            self.add(one, allowed=AT_A_FORK)

    def at(self, step: int) -> RunConfig:
        """Return the config, without a plan, that the update from this step to the next goes by."""
        count = bisect_right([one.step for one in self.changes], step)
        if count not in self._known:
            values = {one.path: one.value for one in self.changes[:count]}
            self._known[count] = build_config(values, self._base)
        return self._known[count]

    def add(self, change: PlannedChange, *, allowed: Iterable[str] = IN_FLIGHT) -> PlannedChange:
        """Add a change after those of the same step, and return it with the value as the setting's own type.

        Raises:
            ConfigError: a setting that cannot be changed, has no effect here, or cannot have that value; nothing is added.
        """
        value = self._value_of(change, tuple(allowed))
        kept = change.model_copy(update={"value": value})
        before = self.changes
        place = bisect_right([one.step for one in before], change.step)
        self.changes = [*before[:place], kept, *before[place:]]
        known, self._known = self._known, {0: self._base}
        try:
            for one in self.changes[place:]:
                self.at(one.step)
        except ConfigError:
            self.changes, self._known = before, known
            raise
        return kept

    def record(self, *, before: int | None = None) -> RunConfig:
        """Return the one config that gives the same run from its start: all changes, or those before a step, as its plan."""
        kept = tuple(one for one in self.changes if before is None or one.step < before)
        return self._base.model_copy(update={"plan": kept})

    @property
    def last(self) -> RunConfig:
        """Return the config after every change."""
        return self.at(self.changes[-1].step if self.changes else 0)

    def _value_of(self, change: PlannedChange, allowed: tuple[str, ...]) -> bool | int | float | str | None:
        one = next((other for other in all_settings() if other.path == change.path and other.path in allowed), None)
        if one is None:
            raise ConfigError(unknown_name("change", change.path, allowed, hint="Other settings need a run of their own."))
        now = self.at(change.step)
        if not applies(one, values_of(now)):
            raise ConfigError(f"{one.path} has no effect in this run, as it needs that {one.condition()}: start a run of its own for that.")
        value = value_of(build_config({change.path: change.value}, now), one)
        if change.path == "training.steps" and isinstance(value, int) and value <= change.step:
            raise ConfigError(f"training.steps cannot be {value} from step {change.step} on: give a larger number, or stop the run.")
        assert value is None or isinstance(value, bool | int | float | str)
        return value


def value_of(config: RunConfig, one: Setting) -> object:
    """Return the value that a config has for a setting."""
    owner = getattr(config, one.group) if one.group else config
    value: object = getattr(owner, one.name)
    return value


def values_of(config: RunConfig) -> dict[str, object]:
    """Return every setting's value by dotted path."""
    return {one.path: value_of(config, one) for one in all_settings()}


def exam_is_due(step: int, config: RunConfig) -> bool:
    """Return whether an exam follows the course step of this index, by the config that holds there."""
    policy = config.policy
    return policy.name in EXAM_POLICIES and step >= policy.exam_start and step % policy.exam_every == 0 and not _frozen(step, config)


def teacher_learns(step: int, config: RunConfig) -> bool:
    """Return whether the teacher is updated at the step of this index: after an exam, or always under a policy without exams."""
    if config.policy.name in EXAM_POLICIES:
        return exam_is_due(step, config)
    return config.policy.name in MOVING_POLICIES and not _frozen(step, config)


def fresh_student_at(config: RunConfig) -> int | None:
    """Return the step from which a fresh student is taught by a frozen teacher; None: the first student stays."""
    policy = config.policy
    return config.training.steps // 2 if policy.fresh_student and policy.name in MOVING_POLICIES else None


def _frozen(step: int, config: RunConfig) -> bool:
    ends = [at for at in (config.policy.teacher_freeze_at, fresh_student_at(config)) if at is not None]
    return bool(ends) and step >= min(ends)
