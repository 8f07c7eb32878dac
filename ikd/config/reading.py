"""From dotted values or JSON to a RunConfig, with every refusal said in one plain sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ikd.config.run import GROUPS, RunConfig, all_settings
from ikd.errors import ConfigError, unknown_name


def build_config(values: Mapping[str, Any], base: RunConfig | None = None) -> RunConfig:
    """Return `base` with the settings named by dotted path (`policy.exam_every`) replaced.

    Raises:
        ConfigError: an unknown path, a value out of bounds, or a refused combination.
    """
    known = {one.path for one in all_settings()}
    tree = (base or RunConfig()).model_dump()
    for path, value in values.items():
        if path not in known:
            raise ConfigError(unknown_name("setting", path, known, hint="Remove it or correct its name."))
        group, _, name = path.rpartition(".")
        (tree[group] if group else tree)[name] = value
    return _validated(tree)


def config_from_json(text: str) -> RunConfig:
    """Return the RunConfig written as JSON; settings left out take their defaults.

    Raises:
        ConfigError: not JSON, not an object, or anything `build_config` refuses.
    """
    try:
        tree = json.loads(text)
    except ValueError as fault:
        raise ConfigError(f"The config is not JSON ({fault}): correct it, or start from the config.json of a run.") from None
    if not isinstance(tree, dict):
        raise ConfigError("The config must be a JSON object with groups such as task, teacher and policy.")
    return _validated(tree)


def _validated(tree: Mapping[str, Any]) -> RunConfig:
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as fault:
        raise ConfigError(plain_sentence(fault)) from None


def plain_sentence(fault: ValidationError) -> str:
    """Return the first fault of a validation as one sentence: what, got, allowed."""
    first = fault.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "value_error":
        return str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = [one.path for one in all_settings()] + list(GROUPS)
        return unknown_name("setting", path, known, hint="Remove it or correct its name.")
    one = next((each for each in all_settings() if each.path == path), None)
    allowed = one.allowed() if one else "a group of settings"
    return f"{path} cannot be {_short(first['input'])}: give {allowed}."


def _short(value: Any) -> str:
    if value is None:
        return "empty"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
