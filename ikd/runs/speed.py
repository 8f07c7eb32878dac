"""How fast this machine is: two numbers measured once and kept, so that a duration can be foretold."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ikd.config.permission import require_writable
from ikd.runs.cost import Shape

SMALL, LARGE = Shape(layers=2, width=32, inner=128), Shape(layers=2, width=256, inner=1024)
SMALL_BATCH, LARGE_BATCH = (4, 8), (32, 32)
# What optimizer, losses, dropout and clipping add to the calls of a bare forward. Measured on the built-in pair (see
# benchmarks/README.md): 10.1 ms for ordinary distillation, 34.2 ms with an exam, where the bare forwards take 1.6 and 4.8.
CALLS_OF_A_STEP = 5.5


@dataclass(frozen=True, kw_only=True)
class Speed:
    """A machine in two numbers.

    Attributes:
        seconds_per_layer: what one layer's forward costs beside its arithmetic.
        flops_per_second: arithmetic speed of a large layer.
    """

    seconds_per_layer: float
    flops_per_second: float

    def forward_seconds(self, shape: Shape, *, batch_size: float, length: float, training: bool = False) -> float:
        """Return the foretold seconds of one forward, alone or with its share of a training step."""
        arithmetic = shape.forward_flops(batch_size * length, length) / self.flops_per_second
        calls = CALLS_OF_A_STEP if training else 1.0
        return calls * (shape.layers + 1) * self.seconds_per_layer + arithmetic


def kept_speed(root: Path, device: str, n_threads: int) -> Speed | None:
    """Return the speed measured before on this machine, or None."""
    try:
        return Speed(**json.loads(_place(root, device, n_threads).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def measure_speed(root: Path, device_name: str, n_threads: int) -> Speed:
    """Time two small encoders and keep the result. Takes about two seconds; draws no random numbers.

    Raises:
        RunError: the lab is read-only.
    """
    require_writable()
    small = _seconds(SMALL, SMALL_BATCH, device_name)
    large = _seconds(LARGE, LARGE_BATCH, device_name)
    overhead = small / (SMALL.layers + 1)
    batch, length = LARGE_BATCH
    arithmetic = max(large - (LARGE.layers + 1) * overhead, 0.2 * large)
    speed = Speed(
        seconds_per_layer=overhead, flops_per_second=LARGE.forward_flops(batch * length, length) / arithmetic
    )
    place = _place(root, device_name, n_threads)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(asdict(speed)), "utf-8")
    return speed


def _seconds(shape: Shape, batch: tuple[int, int], device_name: str) -> float:
    """Return seconds of one forward: a third of the fastest forward and backward."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=100, hidden_size=shape.width, num_hidden_layers=shape.layers, intermediate_size=shape.inner,
        num_attention_heads=max(1, shape.width // 16),
    )  # fmt: skip
    with torch.device("meta"):  # no random weights: a run's random state must not be touched
        model = BertForSequenceClassification(config)
    model = model.to_empty(device=device_name).eval()
    for weight in model.parameters():
        torch.nn.init.constant_(weight, 0.01)
    for buffer in model.buffers():
        buffer.zero_()
    ids = torch.ones(batch, dtype=torch.int64, device=device_name)

    def once() -> None:
        model(input_ids=ids).logits.sum().backward()
        if device_name.startswith("cuda"):
            torch.cuda.synchronize(device_name)

    return _fastest(once) / 3


def _fastest(work: Callable[[], None], *, seconds: float = 0.6) -> float:
    work()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def _place(root: Path, device: str, n_threads: int) -> Path:
    return root / "_speed" / f"{platform.node()}-{device.replace(':', '')}-{n_threads}.json"
