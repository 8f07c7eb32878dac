"""The statements that make the tables of `ikd.trace.schema`.

Tables read by key are stored in key order (WITHOUT ROWID), so "one example over all steps" is one stretch of the file.
Losses and scalars may be null: SQLite has no NaN and keeps a null instead.
"""

from __future__ import annotations

CREATE_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE examples (
    split TEXT NOT NULL, id INTEGER NOT NULL, text TEXT NOT NULL, text_pair TEXT, label INTEGER NOT NULL, truth BLOB,
    group_name TEXT NOT NULL DEFAULT '', source_name TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (split, id));
CREATE TABLE steps (step INTEGER PRIMARY KEY, seconds REAL NOT NULL);
CREATE TABLE scalars (name TEXT NOT NULL, step INTEGER NOT NULL, value REAL, PRIMARY KEY (name, step)) WITHOUT ROWID;
CREATE TABLE course (
    step INTEGER PRIMARY KEY, examples BLOB NOT NULL, teacher_logits BLOB NOT NULL, student_logits BLOB NOT NULL,
    feedback BLOB, influence BLOB);
CREATE TABLE course_index (
    example INTEGER NOT NULL, step INTEGER NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (example, step, position)) WITHOUT ROWID;
CREATE TABLE probe (
    role TEXT NOT NULL, block INTEGER NOT NULL, step INTEGER NOT NULL, logits BLOB NOT NULL,
    PRIMARY KEY (role, block, step)) WITHOUT ROWID;
CREATE TABLE probe_influence (step INTEGER PRIMARY KEY, influence BLOB NOT NULL);
CREATE TABLE hidden_feedback (
    role TEXT NOT NULL, step INTEGER NOT NULL, norms BLOB NOT NULL, PRIMARY KEY (role, step)) WITHOUT ROWID;
CREATE TABLE numbers (step INTEGER PRIMARY KEY, numbers BLOB NOT NULL);
CREATE TABLE final (role TEXT NOT NULL, split TEXT NOT NULL, logits BLOB NOT NULL, PRIMARY KEY (role, split));
CREATE TABLE bands (step INTEGER PRIMARY KEY, quantiles BLOB NOT NULL);
CREATE TABLE digest (
    bin INTEGER PRIMARY KEY, first_step INTEGER NOT NULL, last_step INTEGER NOT NULL, readings INTEGER NOT NULL,
    measures BLOB NOT NULL, classes BLOB NOT NULL, sums BLOB NOT NULL, counts BLOB NOT NULL);
CREATE TABLE interventions (
    number INTEGER PRIMARY KEY, step INTEGER NOT NULL, path TEXT NOT NULL, value TEXT NOT NULL, previous TEXT NOT NULL,
    command TEXT NOT NULL, given REAL NOT NULL);
CREATE TABLE teacher_training (step INTEGER PRIMARY KEY, loss REAL);
CREATE TABLE sums (part TEXT NOT NULL, number INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (part, number)) WITHOUT ROWID;
""".strip().removesuffix(";").split(";")
ADD_COLUMNS = {("examples", name): f"ALTER TABLE examples ADD COLUMN {name} TEXT NOT NULL DEFAULT ''"
               for name in ("group_name", "source_name")}  # fmt: skip
"""The statements that give a trace of an earlier version the columns that its tables lack, by table and column."""
