"""With what a study is carried out: versions, commit, and the class of machine. No name of the machine, and no path of it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import ikd

PACKAGES = ("torch", "transformers", "tokenizers", "datasets", "numpy", "scipy", "scikit-learn", "pandas")
SECONDS_FOR_GIT = 10


def versions() -> dict[str, str]:
    """Return the versions of the lab, Python and the packages that decide numbers."""
    found = {"ikd": ikd.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def commit() -> str | None:
    """Return the commit of the lab's own repository, with " and changes" where its files differ; None outside of one."""
    root = Path(ikd.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    head, changes = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain", "--untracked-files=no")
    return None if not head else head + (" and changes" if changes else "")


def machine() -> str:
    """Return the class of this machine in words: cores, processor, memory, system."""
    cores = os.cpu_count() or 1
    parts = [f"{cores} cores" if cores > 1 else "1 core", _processor(), *_memory(), f"{platform.system()} {platform.machine()}"]
    return ", ".join(part for part in parts if part)


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=SECONDS_FOR_GIT, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        found = None
    return " ".join(found[1].split()) if found else platform.processor()


def _memory() -> list[str]:
    try:
        return [f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory"]
    except (AttributeError, ValueError, OSError):  # not on every system
        return []
