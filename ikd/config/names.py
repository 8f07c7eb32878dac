"""Names a person can choose from without anything being loaded: tasks and built-in models."""

from __future__ import annotations

TASK_NAMES: dict[str, str] = {
    "reviews": "built in: short reviews, negative / neutral / positive, known posterior",
    "pairs": "built in: two sentences, entailment / neutral / contradiction, known posterior",
    "irony": "built in: literal / ironic remarks, known posterior",
    "files": "your own files: CSV, TSV, text, JSON, JSON Lines or Parquet, also packed with gzip",
    "hub": "any data set of the hub, by name",
    "sst2": "hub: film review phrases, 2 classes (GLUE)",
    "mrpc": "hub: sentence pairs, paraphrase or not (GLUE)",
    "rte": "hub: sentence pairs, entailment or not (GLUE)",
    "qnli": "hub: question and sentence, answered or not (GLUE)",
    "qqp": "hub: question pairs, duplicate or not (GLUE)",
    "mnli": "hub: sentence pairs, entailment / neutral / contradiction (GLUE)",
    "cola": "hub: sentences, acceptable or not (GLUE)",
    "ag_news": "hub: news, 4 topics",
    "emotion": "hub: tweets, 6 emotions",
    "trec": "hub: questions, 6 kinds of answer",
    "imdb": "hub: long film reviews, 2 classes",
    "tweet_eval_sentiment": "hub: tweets, negative / neutral / positive",
    "tweet_eval_emotion": "hub: tweets, 4 emotions",
    "tweet_eval_irony": "hub: tweets, ironic or not",
    "tweet_eval_hate": "hub: tweets, hateful or not",
    "tweet_eval_offensive": "hub: tweets, offensive or not",
}
"""Task name to one line about it; `ikd.tasks.TASKS` has the same names (tested)."""

FILE_KINDS = (".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson", ".json", ".parquet", ".gz")
"""Ends of the names of files that can be read; each of the others may stand before .gz."""

BUILTIN_MODELS: dict[str, str] = {
    "builtin/1x32": "1 layer, 32 wide",
    "builtin/1x64": "1 layer, 64 wide",
    "builtin/2x64": "2 layers, 64 wide",
    "builtin/3x96": "3 layers, 96 wide",
    "builtin/4x128": "4 layers, 128 wide",
    "builtin/6x192": "6 layers, 192 wide",
}
"""Suggested built-in sizes; any `builtin/LAYERSxWIDTH` with a width that is a multiple of 16 works."""

N_CLASSES: dict[str, int] = {
    "reviews": 3, "pairs": 3, "irony": 2, "sst2": 2, "mrpc": 2, "rte": 2, "qnli": 2, "qqp": 2, "mnli": 3, "cola": 2, "ag_news": 4,
    "emotion": 6, "trec": 6, "imdb": 2, "tweet_eval_sentiment": 3, "tweet_eval_emotion": 4, "tweet_eval_irony": 2, "tweet_eval_hate": 2,
    "tweet_eval_offensive": 2,
}  # fmt: skip
"""Classes of the tasks whose number is known before their data are here; of your own files and of any hub data set it is not."""
