"""A classifier that shows, beside its logits, the layers that an objective looks at; with learned projections where asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ikd.errors import ModelError
from ikd.protocols import Outputs

ATTENTION_NAMES = {"query": ("query", "q_lin", "q_proj"), "key": ("key", "k_lin", "k_proj"), "value": ("value", "v_lin", "v_proj")}
"""What the families call the linear maps of self-attention."""


class Tapped(nn.Module):
    """A transformers classifier whose call returns `Outputs`.

    The layers are read where they stand, by hooks for the time of one call, so every pass keeps fused attention.

    Attributes:
        classifier: the model itself.
        projections: one map for each hidden state shown: learned, without bias, or the identity.
    """

    def __init__(
        self, classifier: nn.Module, layers: Sequence[nn.Module], *, hidden: Sequence[int] = (), attention: Sequence[int] = (),
        widths: Sequence[tuple[int, int]] = (),
    ) -> None:  # fmt: skip
        """Tap a classifier; its weights stay where they are.

        Args:
            classifier: called with the model's keyword arguments.
            layers: its transformer layers, in order.
            hidden: numbers of the hidden states to show: 0 the embeddings' output, j the output of the j-th layer.
            attention: numbers of the layers whose queries, keys and values to show, from 1.
            widths: for each hidden state, its width and that of the other model; a projection is learned where they differ. Its
                weights are drawn from torch's present random state. Empty: no projections.

        Raises:
            ModelError: layers whose queries, keys and values cannot be told apart.
        """
        super().__init__()
        self.classifier = classifier
        self._layers, self._hidden, self._attention = tuple(layers), tuple(hidden), tuple(attention)
        like = next(classifier.parameters())
        pairs = widths or [(0, 0)] * len(hidden)
        self.projections = nn.ModuleList(
            nn.Identity() if own == other else nn.Linear(own, other, bias=False, device=like.device, dtype=like.dtype)
            for own, other in pairs
        )
        self._maps = {number: _attention_maps(layers[number - 1]) for number in self._attention}

    def forward(self, *, logits_only: bool = False, **inputs: Tensor) -> Outputs:
        """Return the outputs; nothing but logits where they alone are asked for."""
        if logits_only:
            return Outputs(self.classifier(**inputs).logits)
        with _watched(self._points()) as seen:
            logits = self.classifier(**inputs).logits
        hidden = tuple(project(seen["hidden", number]) for project, number in zip(self.projections, self._hidden, strict=True))
        queries, keys, values = (
            tuple(self._in_heads(seen[name, number]) for number in self._attention) for name in ATTENTION_NAMES
        )
        return Outputs(logits, hidden, queries, keys, values, inputs.get("attention_mask"))

    def _points(self) -> dict[tuple[str, int], nn.Module]:
        points = {("hidden", number): self._layers[max(0, number - 1)] for number in self._hidden}
        for number, maps in self._maps.items():
            points |= {(name, number): module for name, module in maps.items()}
        return points

    def _in_heads(self, rows: Tensor) -> Tensor:
        """Return (B, A, T, D) from (B, T, A D)."""
        config: Any = self.classifier.config
        n_heads: int = config.num_attention_heads
        split: Tensor = rows.unflatten(-1, (n_heads, -1))
        return split.transpose(1, 2)


@contextmanager
def _watched(points: Mapping[tuple[str, int], nn.Module]) -> Iterator[dict[tuple[str, int], Tensor]]:
    """Collect what the named modules give out, or are given where the embeddings' output is asked for."""
    seen: dict[tuple[str, int], Tensor] = {}

    def given(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen["hidden", 0] = args[0] if args else kwargs["hidden_states"]

    def keep(name: tuple[str, int]) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            seen[name] = output if isinstance(output, Tensor) else output[0]

        return hook

    handles = [
        module.register_forward_pre_hook(given, with_kwargs=True) if name == ("hidden", 0) else module.register_forward_hook(keep(name))
        for name, module in points.items()
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _attention_maps(layer: nn.Module) -> dict[str, nn.Module]:
    found: dict[str, nn.Module] = {}
    for name, module in layer.named_modules():
        for role, names in ATTENTION_NAMES.items():
            if name.rpartition(".")[2] in names:
                found.setdefault(role, module)
    shapes = {tuple(module.weight.shape) for module in found.values() if isinstance(module.weight, Tensor)}
    if len(found) < len(ATTENTION_NAMES) or len(shapes) != 1:
        raise ModelError(
            "The queries, keys and values of this model's attention cannot be told apart: choose an objective that does not look at "
            "attention, such as kd or pkd, or a model of the BERT, RoBERTa, ELECTRA or DistilBERT family."
        )
    return {role: found[role] for role in ATTENTION_NAMES}
