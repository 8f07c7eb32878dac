"""Checks that a tokenizer reads words, and belongs to its model."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ikd.errors import ModelError

PROBES = ("the quick brown fox", "qzxv jkw")
"""Common words, and words that are in no vocabulary."""


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, *, name: str) -> None:
    """Refuse a tokenizer that was made up for want of files, or that loses words it does not know.

    Raises:
        ModelError: it has no vocabulary, or no token for unknown words.
    """
    special = set(tokenizer.all_special_tokens)
    if tokenizer.vocab_files_names and sum(word not in special for word in _vocabulary(tokenizer)) <= 1:
        raise ModelError(f"The folder or hub name {name!r} has no tokenizer: no vocabulary was found beside its weights. Save the "
                         "tokenizer it was trained with into the same folder, by tokenizer.save_pretrained(folder).")  # fmt: skip
    try:
        lost = next((text for text in PROBES if not _ordinary(tokenizer, text)), None)
    except Exception as fault:  # the tokenizers library raises a bare Exception
        raise ModelError(f"The tokenizer of {name!r} cannot read a word it does not know, as its vocabulary has no token for unknown words "
                         f"(it says: {str(fault).splitlines()[0][:120] if str(fault) else type(fault).__name__}). Give a folder with the "
                         "whole vocabulary.") from fault  # fmt: skip
    if lost is not None:
        raise ModelError(f"The tokenizer of {name!r} loses words it does not know: it reads nothing in {lost!r}, as its vocabulary has no "
                         "token for unknown words. Give a folder with the whole vocabulary.")  # fmt: skip


def check_vocabulary(embeddings: int | None, tokenizer: PreTrainedTokenizerBase, *, name: str) -> None:
    """Refuse a tokenizer with more tokens than its model has embeddings.

    Raises:
        ModelError: the vocabularies do not fit.
    """
    if embeddings is None:
        return
    highest = max([len(tokenizer) - 1, *_vocabulary(tokenizer).values()])
    if highest >= embeddings:
        raise ModelError(
            f"The tokenizer of {name!r} has {highest + 1} tokens but the model only {embeddings} embeddings: they do "
            "not belong together. Give the folder both were saved in."
        )


def embedding_rows(model: PreTrainedModel) -> int | None:
    """Return how many tokens a model has embeddings for; None where it has no table of them, as CANINE, which hashes letters."""
    try:
        return len(next(model.get_input_embeddings().parameters()))
    except (NotImplementedError, StopIteration):
        return None


def unknown_share(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Sequence[int]]) -> float:
    """Return the share of unknown tokens among the ordinary tokens of encoded texts; 0 where the tokenizer has no such token."""
    unknown: int | None = tokenizer.unk_token_id
    if unknown is None:
        return 0.0
    special = set(tokenizer.all_special_ids) - {unknown}
    ordinary = [token for row in rows for token in row if token not in special]
    return ordinary.count(unknown) / max(len(ordinary), 1)


def _vocabulary(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    try:
        return dict(tokenizer.get_vocab())
    except (NotImplementedError, AttributeError):
        return {}


def _ordinary(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
