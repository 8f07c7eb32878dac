"""Make the files of docs/studies/real-shifts.yaml from public data sets.

python docs/studies/real_shifts_data.py DATA

DATA is the folder that docs/studies/real.yaml describes, with clinc150/ (CLINC150 without its out-of-scope rows) and amazon_kitchen/ (the
kitchen domain of Amazon product reviews, two classes) beside the others. Files go to DATA/shifts. Everything is drawn with one seed; test
labels are never touched. Where a folder models/all-MiniLM-L6-v2 stands beside DATA, its first two layers are written beside it: stored
teachers have no layers to cut a student from.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

SEED, N_INTENTS, SURE = 20_240, 20, 0.9
VALIDATION, EXAM, EXAM_OF_RARE = 300, 60, 10
SOURCES = ("good", "good", "noisy", "noisy", "confusing", "confusing")


def main(data: Path) -> None:
    """Write every file."""
    rng = np.random.default_rng(SEED)
    intents = [_intents(pd.read_parquet(data / "clinc150" / f"{split}.parquet")) for split in ("train", "test")]
    trec, tweets = ([pd.read_parquet(data / name / f"{split}.parquet")[["text", "label"]] for split in ("train", "test")]
                    for name in ("trec", "tweet_sentiment"))  # fmt: skip
    for name, (train, test) in {"trec-sources": trec, "clinc-sources": intents, "tweets-sources": tweets}.items():
        course, exam, validation = _parted(train, rng)
        _write(data, name, train=_told(course, rng), exam=exam, validation=validation, test=test)
    course, exam, validation = _parted(trec[0], rng)
    _write(data, "trec-slices", train=_asked(course, rng), exam=exam, validation=validation, test=trec[1])
    _write(data, "sst2-rare", **_rare(pd.read_parquet(data / "sst2" / "train.parquet"), rng),
           test=pd.read_parquet(data / "sst2" / "test.parquet"))  # fmt: skip
    kitchen = pd.read_parquet(data / "amazon_kitchen" / "train.parquet").sample(frac=1, random_state=SEED, ignore_index=True)
    _write(data, "kitchen", exam=kitchen[: 2 * EXAM], test=kitchen[2 * EXAM :],
           validation=pd.read_parquet(data / "amazon_kitchen" / "validation.parquet"))  # fmt: skip
    model = data.absolute().parent / "models" / "all-MiniLM-L6-v2"
    if model.is_dir():
        _first_layers(model)


def _first_layers(model: Path, n_layers: int = 2) -> None:
    """Write the first layers of an encoder with its tokenizer beside it."""
    from transformers import AutoModel, AutoTokenizer

    whole, place = AutoModel.from_pretrained(model), model.with_name(f"{model.name}-first{n_layers}")
    whole.encoder.layer = whole.encoder.layer[:n_layers]
    whole.config.num_hidden_layers = n_layers
    whole.save_pretrained(place)
    AutoTokenizer.from_pretrained(model).save_pretrained(place)
    print(f"{place}: {n_layers} layers")


def _parted(train: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return course, exam and validation rows of a training set, none of them twice."""
    mixed = train.drop_duplicates("text").iloc[rng.permutation(train["text"].nunique())].reset_index(drop=True)
    return mixed[EXAM + VALIDATION :], mixed[:EXAM], mixed[EXAM : EXAM + VALIDATION]


def _told(course: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the course as six sources tell it: two right 9 times in 10, two drawing labels, two naming the next class 8 times in 10."""
    n_classes = int(course["label"].max()) + 1
    letters, sources = rng.permutation(len(SOURCES)), rng.integers(0, len(SOURCES), len(course))
    kinds = np.asarray(SOURCES)[letters][sources]
    true, drawn = course["label"].to_numpy(), rng.integers(0, n_classes, len(course))
    sure = {"good": 0.9, "noisy": 0.0, "confusing": 0.8}
    keeps = rng.random(len(course)) < np.asarray([sure[kind] for kind in kinds])
    named = np.where(kinds == "confusing", (true + 1) % n_classes, true)
    said = np.where(keeps, named, drawn)
    return _with_targets(course.assign(label=said), np.asarray([f"source {chr(65 + one)}" for one in sources]),
                         np.eye(n_classes)[said] * (SURE - (1 - SURE) / (n_classes - 1)) + (1 - SURE) / (n_classes - 1))  # fmt: skip


def _asked(course: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the course as six small teachers tell it, each trained on 300 texts of a slice: two classes alone and a few of the others."""
    labels, n_classes = course["label"].to_numpy(), int(course["label"].max()) + 1
    sources, probabilities = rng.integers(0, n_classes, len(course)), np.zeros((len(course), n_classes))
    for number in range(n_classes):
        own = np.isin(labels, (number, (number + 1) % n_classes))
        rows = rng.choice(len(course), 300, replace=False, p=np.where(own, 1.0, 0.05) / np.where(own, 1.0, 0.05).sum())
        teacher = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000)).fit(course["text"].iloc[rows], labels[rows])
        asked = sources == number
        for column, one in enumerate(teacher.classes_):
            probabilities[asked, one] = teacher.predict_proba(course["text"][asked])[:, column]
    named = np.asarray([f"teacher {chr(65 + one)}" for one in sources])
    return _with_targets(course.assign(label=probabilities.argmax(axis=1)), named, probabilities)


def _with_targets(course: pd.DataFrame, sources: np.ndarray, targets: np.ndarray) -> pd.DataFrame:
    return course.assign(source=sources, soft_target=[row.tolist() for row in targets])


def _intents(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["label"] < N_INTENTS]


def _rare(train: pd.DataFrame, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Return 1,000 texts of one class and 20 of the other for the course, and evenly drawn exam and validation texts."""
    by_class = [train[train["label"] == label].drop_duplicates("text").sample(2000, random_state=SEED + label) for label in (0, 1)]
    held, half = [one[:EXAM_OF_RARE] for one in by_class], [one[EXAM_OF_RARE : EXAM_OF_RARE + VALIDATION // 2] for one in by_class]
    rest = [one[EXAM_OF_RARE + VALIDATION // 2 :] for one in by_class]
    course = pd.concat([rest[0][:20], rest[1][:1000]])
    return {"train": course.iloc[rng.permutation(len(course))], "exam": pd.concat(held), "validation": pd.concat(half)}


def _write(data: Path, name: str, **splits: pd.DataFrame) -> None:
    place = data / "shifts" / name
    place.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        rows.reset_index(drop=True).to_parquet(place / f"{split}.parquet", index=False)
        print(f"{place / split}.parquet: {len(rows)} rows")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
