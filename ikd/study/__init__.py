"""Studies: methods x tasks x seeds under one protocol, carried out run by run. Importing it imports no torch."""

from ikd.study.deleting import delete_study, runs_to_delete
from ikd.study.engine import Progress, carry_out
from ikd.study.folder import Row, StudyFolder, known_studies, studies_here
from ikd.study.plan import Study
from ikd.study.reading import load_study, shipped_names, study_from, study_text, with_seeds

__all__ = [
    "Progress",
    "Row",
    "Study",
    "StudyFolder",
    "carry_out",
    "delete_study",
    "known_studies",
    "load_study",
    "runs_to_delete",
    "shipped_names",
    "studies_here",
    "study_from",
    "study_text",
    "with_seeds",
]
