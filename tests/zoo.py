"""Twenty tiny classifiers of as many families, each in a folder with a tokenizer of its kind: what people bring, but small."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.utils.logging import disable_progress_bar

from ikd.models.builtin import train_tokenizer

TEXTS = ("good", "the soup was warm and the bread fresh", "a dull film that we did not like at all, not even its end", "7 days") * 6

ENCODER: dict[str, Any] = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
DECODER: dict[str, Any] = {**ENCODER, "num_key_value_heads": 2, "head_dim": 8}
FAIRSEQ: dict[str, Any] = {**ENCODER, "max_position_embeddings": 66, "pad_token_id": 0, "type_vocab_size": 2}

FAMILIES: dict[str, dict[str, Any]] = {
    "bert": ENCODER, "electra": {**ENCODER, "embedding_size": 16}, "albert": {**ENCODER, "embedding_size": 16},
    "distilbert": dict(dim=16, n_layers=2, n_heads=2, hidden_dim=32),
    "roberta": FAIRSEQ, "xlm-roberta": FAIRSEQ, "camembert": FAIRSEQ, "mpnet": FAIRSEQ, "roberta-prelayernorm": FAIRSEQ,
    "data2vec-text": FAIRSEQ, "longformer": {**FAIRSEQ, "attention_window": [8, 8]},
    "deberta-v2": {**ENCODER, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False},
    "squeezebert": {**ENCODER, "embedding_size": 16, "q_groups": 2, "k_groups": 2, "v_groups": 2, "post_attention_groups": 1,
                    "intermediate_groups": 2, "output_groups": 2},
    "modernbert": {**ENCODER, "global_attn_every_n_layers": 1, "local_attention": 16},
    "funnel": dict(d_model=16, block_sizes=[2], n_head=2, d_head=8, d_inner=32, num_decoder_layers=1),
    "xlnet": dict(d_model=16, n_layer=2, n_head=2, d_inner=32),
    "gpt2": dict(n_embd=16, n_layer=2, n_head=2, n_positions=64), "llama": DECODER, "qwen2": DECODER, "mistral": DECODER,
}  # fmt: skip
DECODERS = ("gpt2", "llama", "qwen2", "mistral")
"""Families that classify at the last token, and whose tokenizers have no token for padding."""


def zoo_folder(folder: Path, family: str, labels: Sequence[str], *, seed: int = 0) -> Path:
    """Save a tiny classifier of a family, weights drawn from the seed, with its tokenizer."""
    tokenizer = byte_tokenizer() if family in DECODERS else train_tokenizer(TEXTS, max_length=512)
    config = AutoConfig.for_model(
        family, vocab_size=len(tokenizer), num_labels=len(labels), id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)}, **FAMILIES[family],
    )  # fmt: skip
    if family not in DECODERS:
        config.pad_token_id = tokenizer.pad_token_id
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():  # logits that differ from text to text, as those of a trained model do
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def byte_tokenizer() -> PreTrainedTokenizerBase:
    """Return a byte-level tokenizer as decoders have it: an end of text, and no padding."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
