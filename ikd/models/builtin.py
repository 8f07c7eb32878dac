"""Built-in BERT-like classifiers, `builtin/LAYERSxWIDTH`, with a tokenizer trained on the task's own text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from ikd.errors import ModelError

NAME = re.compile(r"builtin/(\d{1,2})x(\d{1,4})")
HEAD_WIDTH = 16
VOCABULARY_SIZE = 8000
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LONGEST_TRAINED_ON = 10_000
"""Letters of one text that a tokenizer is trained on."""


def is_builtin(name: str) -> bool:
    """Return whether a name asks for a built-in model, well formed or not."""
    return name.startswith("builtin")


def builtin_classifier(
    name: str, *, tokenizer: PreTrainedTokenizerBase, n_classes: int, max_length: int
) -> BertForSequenceClassification:
    """Return a freshly drawn built-in classifier; weights come from torch's present random state.

    Raises:
        ModelError: the name does not read `builtin/LAYERSxWIDTH` with sizes that fit together.
    """
    layers, width = _sizes(name)
    settings: dict[str, Any] = dict(
        vocab_size=len(tokenizer), hidden_size=width, num_hidden_layers=layers, num_attention_heads=width // HEAD_WIDTH,
        intermediate_size=4 * width, max_position_embeddings=max_length, num_labels=n_classes, pad_token_id=0,
        # Narrow models learn faster from wider weights than BERT's 0.02, and fused attention wants no dropout of its own.
        initializer_range=width**-0.5, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return BertForSequenceClassification(BertConfig(**settings))


def _sizes(name: str) -> tuple[int, int]:
    match = NAME.fullmatch(name)
    layers, width = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= layers <= 24 or width % HEAD_WIDTH or not 16 <= width <= 1024:
        raise ModelError(
            f"Built-in model {name!r} is not known: write builtin/LAYERSxWIDTH with 1 to 24 layers and a width that is "
            f"a multiple of {HEAD_WIDTH} up to 1024, for example builtin/3x96."
        )
    return layers, width


def _ends(text: str) -> str:
    """Return the part of a text that a tokenizer is trained on: its ends. One word of a million letters would take it hours."""
    return text if len(text) <= LONGEST_TRAINED_ON else f"{text[: LONGEST_TRAINED_ON // 2]} {text[-LONGEST_TRAINED_ON // 2 :]}"


def train_tokenizer(texts: Iterable[str], *, max_length: int) -> PreTrainedTokenizerFast:
    """Return a byte-pair tokenizer of the texts, with BERT's special tokens and token types for pairs.

    The same texts give the same tokenizer: byte pairs without a word-piece prefix, because the library's word-piece
    training orders its prefixed letters by a random hash (measured: three processes, three vocabularies).
    """
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated"), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE, special_tokens=SPECIAL, min_frequency=2, show_progress=False
    )
    tokenizer.train_from_iterator(map(_ends, texts), trainer)
    _template(tokenizer, SPECIAL)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=max_length, pad_token="[PAD]", unk_token="[UNK]",
        cls_token="[CLS]", sep_token="[SEP]", model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip


def _template(tokenizer: Tokenizer, special: Sequence[str]) -> None:
    cls, sep = special[2], special[3]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0", pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(cls, tokenizer.token_to_id(cls)), (sep, tokenizer.token_to_id(sep))],
    )  # fmt: skip
