"""Is a run limited by its steps? Told of real small runs of the same settings, one of them longer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import softmax
from sklearn.metrics import log_loss

from ikd.study import longer
from ikd.study.longer import longer_words
from ikd.trace.reader import TraceReader
from tests.small_runs import carried_out, small
from tests.test_pages_others import opened

FIXED = {"policy__name": "fixed", "training__learning_rate": 0.003}


def test_a_longer_run_of_the_same_settings_tells_whether_steps_were_lacking() -> None:
    short, long, other = small(**FIXED), small(**FIXED, training__steps=120, record__probe_every=60), small(policy__name="online")
    runs = [carried_out(short), carried_out(other)]
    assert longer_words(short) == "", "no longer one is there"
    runs.append(carried_out(long))
    said = longer_words(short)
    finals = [TraceReader(run).final("validation") for run in (runs[0], runs[2])]
    assert finals[0] is not None and finals[1] is not None
    labels = finals[0].labels
    shown = [softmax(one.logits["student"].astype(np.float64), axis=1) for one in finals if one is not None]
    losses = [np.asarray([log_loss([label], [row], labels=range(row.size)) for label, row in zip(labels, one, strict=True)])
              for one in shown]  # fmt: skip
    gains = losses[0] - losses[1]
    low, high = stats.t.interval(0.95, len(gains) - 1, gains.mean(), stats.sem(gains))
    assert said.startswith("A run of the same settings with 120 steps came to ")
    assert f"{gains.mean():+.2f}" in said or f"{gains.mean():+.3f}" in said
    assert ("limited by its steps, so that a comparison" in said) == (low > 0) and high > low
    assert longer_words(long) == "" and longer_words(other) == "", "nothing is longer than the longest"
    assert longer_words(small(**FIXED, training__steps=30)) == "", "no run of these steps is there"


@pytest.mark.parametrize("gain, words", [(0.5, "This student is limited by its steps"), (0.0, "is not shown to be limited by its steps")])
def test_the_train_page_says_it(monkeypatch: pytest.MonkeyPatch, gain: float, words: str) -> None:
    rng = np.random.default_rng(0)
    monkeypatch.setattr(longer, "_finished", lambda config, root: iter([(1, config.training.steps), (2, config.training.steps * 4)]))
    monkeypatch.setattr(longer, "_gains", lambda one, other: gain + rng.normal(size=200) - rng.normal(size=200))
    page = opened("train")
    assert not page.exception and any(words in one.value for one in page.caption)
