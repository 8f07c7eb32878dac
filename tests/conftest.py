"""What every test needs: a home of its own, quiet libraries, no hub."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Tiny models are quicker on one thread, and the suite may run in several processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# On a busy machine drawing an example takes long, which says nothing of what is tested.
settings.register_profile("lab", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lab")

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let every run of a test live in a folder of that test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("IKD_HOME", str(folder))
    yield folder
    if "streamlit" in sys.modules and os.environ.get("IKD_READ_ONLY"):  # such a lab takes no upload, as long as its process lives
        from streamlit import config

        config.set_option("server.maxUploadSize", 50)


@pytest.fixture
def shared_data() -> Path:
    """Return the folder of real data beside the repository; skip where there is none."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data is not beside the repository")
    return folder
