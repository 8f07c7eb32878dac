"""The trace on disk: tables, columns and scalar names, with a version. The README's table is tested against this.

One SQLite file a run, one writer, readers read-only. All arrays are little-endian, row-major blobs.
"""

from __future__ import annotations

SCHEMA_VERSION = 8

TABLES: dict[str, dict[str, str]] = {
    "meta": {
        "key": "name of a fact fixed for the whole run; under config, since version 7, the text of config.json",
        "value": "its value as JSON",
    },
    "examples": {
        "split": "course or probe; validation and test, on which the models are scored, since version 6",
        "id": "index of the example in its split",
        "text": "the text, or the first text of a pair; empty beyond the first 20,000 of a scored split",
        "text_pair": "the second text of a pair, or null",
        "label": "hard label: index into meta.label_names, or -1 where there is none",
        "truth": "float64 blob (classes,): p(label | text) where the task knows it, or null",
        "group_name": "name of the group it belongs to, empty where there is none; since version 8, as the next one",
        "source_name": "name of who gave its label or soft target, empty where nobody is named",
    },
    "steps": {
        "step": "completed student updates when this was measured",
        "seconds": "seconds of computing spent on teaching so far, readings included; pauses, waits, what was computed again after a "
        "resume and the recording left out",
    },
    "scalars": {
        "name": "one of the scalar names",
        "step": "step it was measured at",
        "value": "float64, or null where it was not a number",
    },
    "course": {
        "step": "step that issued these soft targets",
        "examples": "int64 blob (batch,): ids in the course split",
        "teacher_logits": "float32 blob (batch, classes)",
        "student_logits": "float32 blob (batch, classes)",
        "feedback": "float32 blob (batch, classes), or null at a step with no exam",
        "influence": "float32 blob (batch,), or null at a step with no exam",
    },
    "course_index": {
        "example": "id in the course split",
        "step": "a step that issued it a soft target",
        "position": "its row in that step's blobs",
    },
    "probe": {
        "role": "teacher, student or feedback",
        "block": "number of a block of consecutive probe examples",
        "step": "step of the reading",
        "logits": "float blob (examples of the block, classes); precision in meta.probe_dtype, feedback always float32",
    },
    "probe_influence": {
        "step": "step of a reading with an exam; traces before version 3 have no such table",
        "influence": "float32 blob (probe,): influence each example would have had in that step's course batch",
    },
    "hidden_feedback": {
        "role": "course or probe",
        "step": "step with an exam whose objective looks at layers; traces before version 5 have no such table",
        "norms": "float32 blob (batch or probe, shown): norm of each example's hypergradient at each hidden state and attention named in "
        "meta.shown; a probe example's is what it would be in that step's course batch",
    },
    "numbers": {
        "step": "step of a reading of a run whose teacher learns few numbers; traces before version 8 have no such table",
        "numbers": "float32 blob (numbers,): the numbers as they are, named in meta.numbers",
    },
    "final": {
        "role": "frozen_teacher (before the first step, where the teacher learns), teacher or student (after the last step), or "
        "student_before_exam_texts (after the last course step, where the student then studied the exam texts)",
        "split": "validation or test, whose examples stand in the table examples; traces before version 6 have no such table",
        "logits": "float32 blob (examples of the split, classes)",
    },
    "bands": {
        "step": "step of a reading; this table and the next stand only in long traces, where deriving them takes long",
        "quantiles": "float32 blob (2, 4, 5): at the training temperature and at 1, of entropy, drift, gap and truth_gap, the "
        "5, 25, 50, 75 and 95 % quantiles over the probe set",
    },
    "digest": {
        "bin": "number of a bin of steps: step // bin_steps, with bin_steps of meta",
        "first_step": "first reading in it",
        "last_step": "last reading in it; what follows is of this reading",
        "readings": "readings since step 0, these included",
        "measures": "float32 blob (2, 7, probe): at the training temperature and at 1: teacher_label, student_label (probability "
        "of the hard label), entropy, drift, drift_most (largest in the bin), gap, truth_gap",
        "classes": "int32 blob (2, probe): most probable class of teacher and student",
        "sums": "float64 blob (2, 4, probe): sums since step 0 of teacher_label, its square, student_label, its square",
        "counts": "int32 blob (5, probe): readings since step 0 with teacher right, student right, teacher flipped, student "
        "flipped; and the step of the teacher's first flip, or -1",
    },
    "interventions": {
        "number": "of the change, from 1, in the order in which they were made; traces before version 4 have no such table",
        "step": "the update from this step to the next was the first one with it",
        "path": "the setting, e.g. policy.exam_every",
        "value": "its value from then on, as JSON",
        "previous": "its value before, as JSON",
        "command": "id of the command that asked for it",
        "given": "seconds since the epoch when it was made",
    },
    "teacher_training": {
        "step": "step of the teacher's own fine-tuning before distillation",
        "loss": "cross-entropy of its batch, or null where it was not a number",
    },
    "sums": {
        "part": "step, bin (of digest), the name of another table, with split or role of examples and final, or schema; traces before "
        "version 7 have no such table",
        "number": "of the step or bin, else 0",
        "digest": "blob (16,): sum of the hashes of all rows there, checked before a run is resumed or forked",
    },
}

LATER: dict[int, dict[str, tuple[str, ...]]] = {
    8: {"examples": ("group_name", "source_name"), "numbers": ("step", "numbers")},
}
"""Columns of TABLES by the version that they came with, of the versions since traces have checksums; a later table with all its columns."""

SCALARS: dict[str, str] = {
    "course_loss": "mean objective of the course batch, before the update",
    "course_gradient_norm": "global norm of the student's gradient, before clipping",
    "student_learning_rate": "learning rate of the student's update",
    "exam_loss": "cross-entropy of the exam batch after the course step",
    "exam_loss_before": "cross-entropy of the same exam batch before the course step (at readings)",
    "exam_loss_predicted_change": "-v . U(g): first-order change of the exam loss, v taken before the step (at readings)",
    "exam_split_loss": "cross-entropy of the student on the whole exam split, where the best student is kept",
    "influence_sum": "sum of the influences of the course batch, equal to -w . g; zero, but for rounding, where clipping is active: "
    "scaling the whole gradient then changes nothing",
    "influence_sum_unclipped": "the same sum with the clip factor held constant, before clipping takes the part along g away; equal to "
    "influence_sum where clipping is not active",
    "teacher_loss": "the teacher's own loss on the course batch, where it learns without exams; on the exam batch under policy direct",
    "temperature": "temperature of the soft targets, where it follows a schedule",
    "alpha": "weight of the teacher against the labels, where temperature or alpha follows a schedule",
    "anchor_loss": "unweighted anchor term of the teacher's update",
    "teacher_learning_rate": "learning rate of the teacher's update",
    "teacher_gradient_norm": "global norm of the teacher's gradient, before clipping, with the student's learning rate left out",
    "teacher_update_ratio": "norm of the teacher's update over norm of its trained weights",
    "student_accuracy": "student accuracy on the probe set",
    "teacher_accuracy": "teacher accuracy on the probe set",
    "student_nll": "student mean negative log-likelihood of the labels on the probe set",
    "teacher_nll": "teacher mean negative log-likelihood of the labels on the probe set",
    "reliance_teacher": "how far the teacher relies on the cue word of a shortcut task (at readings): the mean total variation between its "
    "soft targets on a probe text and on the same text with another cue word, at the training temperature of the first step; at step 0 the "
    "frozen teacher's",
    "reliance_student": "the same of the student",
    "agreement": "share of probe examples on which student and teacher give the same class",
    "drift_median": "median over the probe set of KL(teacher now || frozen teacher), at the training temperature (of the first step, "
    "where it changes)",
    "drift_q05": "5 % quantile of the same", "drift_q25": "25 % quantile of the same",
    "drift_q75": "75 % quantile of the same", "drift_q95": "95 % quantile of the same",
}

PROBE_BLOCK = 50

# Files of `ikd.trace.export`: zstd, readable by DuckDB, pandas and datasets. Lists have one number a class.
PARQUET_TABLES: dict[str, dict[str, str]] = {
    "examples.parquet": {
        "split": "string: course, probe, validation or test",
        "id": "int64: index of the example in its split",
        "text": "string: the text, or the first text of a pair; empty beyond the first 20,000 of validation or test",
        "text_pair": "string: the second text of a pair, or null",
        "label": "int64: hard label, index into the label names",
        "label_name": "string: name of the hard label",
        "truth": "list<double>: p(label | text) where the task knows it, or null",
        "group_name": "string: name of the group it belongs to, empty where there is none",
        "source_name": "string: name of who gave its label or soft target, empty where nobody is named",
    },
    "scalars.parquet": {
        "name": "string: one of the scalar names",
        "step": "int64: step it was measured at",
        "value": "double: the value, not-a-number where it was that",
    },
    "course.parquet": {
        "example": "int64: id in the course split; rows are sorted by example, then step",
        "step": "int64: step that issued this soft target",
        "position": "int64: place of the example in that step's batch",
        "label": "int64: hard label of the example, or null where it was not recorded",
        "soft_target": "list<float>: softmax(teacher_logits / temperature), as the student was given it",
        "teacher_logits": "list<float>: what the teacher issued, before temperature",
        "student_logits": "list<float>: what the student answered",
        "feedback": "list<float>: minus the hypergradient at each teacher logit, or null at a step with no exam",
        "influence": "float: marginal effect of the example's gradient on the exam loss, or null at a step with no exam",
        "hidden_feedback": "list<float>: norm of the hypergradient at each hidden state and attention that the objective looks at, named "
        "in the file's metadata under ikd_shown, or null where there is none",
    },
    "probe.parquet": {
        "example": "int64: id in the probe split; rows are sorted by example, then step",
        "step": "int64: step of the reading",
        "label": "int64: hard label of the example",
        "teacher_logits": "list<float>: what the teacher said",
        "student_logits": "list<float>: what the student said",
        "feedback": "list<float>: feedback the example would have had in that step's batch, or null at a step with no exam",
        "influence": "float: influence the example would have had in that step's batch, or null where none was recorded",
        "hidden_feedback": "list<float>: the norms of course.parquet as they would have been in that step's batch, or null where there is "
        "none",
    },
    "final.parquet": {
        "split": "string: validation or test",
        "example": "int64: id in that split; rows are sorted by split, then example",
        "label": "int64: hard label of the example, -1 where there is none",
        "frozen_teacher_logits": "list<float>: what the teacher said before the first step, or null where it was not asked",
        "teacher_logits": "list<float>: what the teacher said after the last step, or null where the run did not come so far",
        "student_before_exam_texts_logits": "list<float>: what the student said after the last course step, or null where it did not study "
        "the exam texts then",
        "student_logits": "list<float>: what the student said after the last step, or null where the run did not come so far",
    },
}
