"""Every error the lab raises on purpose.

    IKDError                a plain sentence for a person: what, got, allowed, what to do next
    ├── ConfigError         a setting, or a combination of settings, that cannot be run
    ├── TaskError           texts or labels that cannot be used
    ├── ModelError          a model that cannot be found, read or matched to the task
    ├── HubError            the model or data hub is out of reach, or has no such name
    ├── TrainingError       a run that cannot go on: not finite, collapsed, out of memory
    ├── RunError            a run folder that is missing, damaged or full
    └── BusyError           the device already runs something

A page or the command line shows `str(error)` and nothing else; the traceback goes to the run's log.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LIKENESS = 0.7
"""Share of letters, in their order, that two names must have in common: "reviws" and "reviews" have 0.92, "nope" and "anchored" 0.5."""


class IKDError(Exception):
    """A fault stated as a plain sentence that tells a person what to do next."""


class ConfigError(IKDError):
    """A setting, or a combination of settings, that cannot be run."""


class TaskError(IKDError):
    """Texts or labels that cannot be used."""


class ModelError(IKDError):
    """A model that cannot be found, read or matched to the task."""


class HubError(IKDError):
    """The model or data hub is out of reach, or has no such name."""


class TrainingError(IKDError):
    """A run that cannot go on: not finite, collapsed, out of memory."""


class RunError(IKDError):
    """A run folder that is missing, damaged or full."""


class BusyError(IKDError):
    """The device already runs something."""


def unknown_name(what: str, got: str, allowed: Iterable[str], *, hint: str = "") -> str:
    """Return the sentence for a name that is in no list, with the nearest names first.

    Args:
        what: what was being named, e.g. "task".
        got: the name that was given.
        allowed: every name that would have been accepted.
        hint: one more sentence saying what to do next.
    """
    names = sorted(allowed)
    near = nearest_names(got, names)
    nearest = f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
    known = f" Known: {', '.join(names)}." if names and (len(names) <= 30 or not near) else ""
    return f"Unknown {what} {got!r}.{nearest}{known}{' ' + hint if hint else ''}"


def _is_a_slip(given: str, name: str) -> bool:
    """Return whether exactly one letter is another one."""
    return len(given) == len(name) and sum(a != b for a, b in zip(given, name, strict=True)) == 1


def nearest_names(got: str, names: Iterable[str]) -> list[str]:
    """Return up to three names that a wrong one was probably meant to be, the most likely first; none where nothing is really alike.

    Alike is a name with a slip or two of the keyboard, in other capitals, with its letters in another order, or cut short to
    three letters or more.
    """
    given = got.strip().casefold()
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(name.casefold(), name)
    near = get_close_matches(given, known, n=3, cutoff=LIKENESS)
    other = [name for name in known if sorted(name) == sorted(given)
             or (len(given) >= 3 and (name.startswith(given) or _is_a_slip(given, name)))]  # fmt: skip
    return [known[name] for name in dict.fromkeys([*near, *sorted(other, key=len)])][:3]
