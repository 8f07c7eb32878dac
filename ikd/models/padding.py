"""On which side a model's batches are padded: that on which a text's answer does not depend on what stands beside it."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ikd.models.encoding import Encoding, PaddingSide, accepted_inputs
from ikd.protocols import Split

SHORT_AND_LONG = Split(texts=("good", "a longer text, with a few more words in it than the other one has"), labels=(0, 0))
TOLERANCE = 1e-4


def padding_side(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> PaddingSide:
    """Return "left" where only that makes answers alike alone and in a batch, as XLNet's summary is its last token; else "right"."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for side in ("right", "left"):
                texts = Encoding(SHORT_AND_LONG, tokenizer, max_length=16, inputs=accepted_inputs(model), side=side)
                both = model(**texts.rows([0, 1])).logits
                alone = torch.cat([model(**texts.rows([index])).logits for index in (0, 1)])
                if float((both - alone).abs().max()) <= TOLERANCE * (1 + float(alone.abs().max())):
                    return side
    except Exception:  # whatever is wrong with it, the trial on the task's own texts says it
        return "right"
    finally:
        model.train(training)
    return "right"
