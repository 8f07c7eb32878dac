"""A model of the hub from the local cache, laid out as the hub's own library lays it out: pinned, and without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.conftest import REPOSITORY
from tests.test_models import save_encoder

OLD, NEW = "1" * 40, "2" * 40
PROGRAM = """
import json, sys
from ikd.errors import IKDError
from ikd.models.pretrained import load_classifier, load_tokenizer
answers = []
for name, revision in json.loads(sys.argv[1]):
    try:
        tokenizer = load_tokenizer(name, revision=revision)
        model = load_classifier(name, tokenizer, n_classes=3, revision=revision)[0].model
        answers.append(sum(float(one.detach().double().sum()) for one in model.parameters() if one.shape[0] != 3))
    except IKDError as fault:
        answers.append(str(fault))
print(json.dumps(answers))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home of the hub's library that holds two commits of one model; `main` and the tag `v1` name one each."""
    model = tmp_path / "hub" / "models--owner--tiny"
    for layers, commit in ((2, OLD), (4, NEW)):
        save_encoder(model / "snapshots" / commit, layers=layers)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(NEW)
    (model / "refs" / "v1").write_text(OLD)
    return tmp_path


def asked(home: Path, *questions: tuple[str, str | None]) -> list[float | str]:
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(REPOSITORY)}
    environment.pop("HF_HUB_CACHE", None)
    command = [sys.executable, "-c", PROGRAM, json.dumps(questions)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    answers: list[float | str] = json.loads(done.stdout.splitlines()[-1])
    return answers


def test_a_cached_model_is_loaded_by_name_commit_branch_and_tag(home: Path) -> None:
    folders = [home / "hub" / "models--owner--tiny" / "snapshots" / commit for commit in (OLD, NEW)]
    own = [sum(float(weight.double().sum()) for weight in load_file(folder / "model.safetensors").values()) for folder in folders]
    assert own[0] != own[1]
    found = asked(home, ("owner/tiny", None), ("owner/tiny", "main"), ("owner/tiny", NEW), ("owner/tiny", "v1"), ("owner/tiny", OLD))
    assert found == pytest.approx([own[1], own[1], own[1], own[0], own[0]])


def test_what_the_cache_does_not_hold_is_one_sentence(home: Path) -> None:
    for said in asked(home, ("owner/tiny", "3" * 40), ("owner/other", None)):
        assert isinstance(said, str) and "\n" not in said and said.endswith(".")
        assert "hub" in said and ("owner/tiny" in said or "owner/other" in said)
