"""The objective of a run in formulas, as its setting declares them."""

from __future__ import annotations

from ikd.config import ObjectiveSettings, objective_terms, settings_of


def objective_formulas(objective: ObjectiveSettings) -> list[str]:
    """Return the LaTeX of T for an objective; for a sum its weights first, then each of its terms."""
    formulas = next(one.formulas for one in settings_of("objective") if one.path == "objective.name")
    if objective.name != "sum":
        return [formulas[objective.name]]
    terms = objective_terms(objective)
    total = " + ".join(rf"{weight:g}\,T_{{\text{{{_tex(name)}}}}}" for name, weight in terms.items())
    return [f"T = {total}", *(rf"T_{{\text{{{_tex(name)}}}}} {formulas[name].removeprefix('T ')}" for name in terms)]


def _tex(name: str) -> str:
    return name.replace("_", " ")
