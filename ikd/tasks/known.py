"""Hub data sets whose columns and splits are known, so that a person need only name them.

GLUE's test rows have no labels (-1), so those tasks have no test split; MRPC's were published and are used where they are.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Known:
    """Where a data set is on the hub and how it is laid out; a split of None is not there or has no labels."""

    hub_name: str
    config: str | None = None
    text: str = "text"
    text_pair: str | None = None
    label: str = "label"
    validation: str | None = "validation"
    test: str | None = "test"


def _glue(config: str, text: str, text_pair: str | None = None, validation: str = "validation") -> Known:
    return Known(
        hub_name="nyu-mll/glue", config=config, text=text, text_pair=text_pair, validation=validation, test=None
    )


def _tweets(config: str) -> Known:
    return Known(hub_name="cardiffnlp/tweet_eval", config=config)


KNOWN: dict[str, Known] = {
    "ag_news": Known(hub_name="fancyzhx/ag_news", validation=None),
    "cola": _glue("cola", "sentence"),
    "emotion": Known(hub_name="dair-ai/emotion", config="split"),
    "imdb": Known(hub_name="stanfordnlp/imdb", validation=None),
    "mnli": _glue("mnli", "premise", "hypothesis", "validation_matched"),
    "mrpc": Known(hub_name="nyu-mll/glue", config="mrpc", text="sentence1", text_pair="sentence2"),
    "qnli": _glue("qnli", "question", "sentence"),
    "qqp": _glue("qqp", "question1", "question2"),
    "rte": _glue("rte", "sentence1", "sentence2"),
    "sst2": _glue("sst2", "sentence"),
    "trec": Known(hub_name="CogComp/trec", label="coarse_label", validation=None),
    "tweet_eval_emotion": _tweets("emotion"),
    "tweet_eval_hate": _tweets("hate"),
    "tweet_eval_irony": _tweets("irony"),
    "tweet_eval_offensive": _tweets("offensive"),
    "tweet_eval_sentiment": _tweets("sentiment"),
}
