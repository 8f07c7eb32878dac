"""Optimizers as configured: parameter groups, and which of the teacher's weights learn."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from ikd.errors import ConfigError

ADAPTER = "lora_"
"""What the names of adapter weights have in them (peft)."""


def trained_parameters(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights that require a gradient, by name; tied weights once."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def build_optimizer(
    name: str, parameters: dict[str, Tensor], *, learning_rate: float, weight_decay: float = 0.0
) -> Optimizer:
    """Return SGD or AdamW with two groups: matrices with weight decay, biases and norms without.

    AdamW with a decay of zero and SGD with a decay of zero are the plain methods.
    """
    matrices = [weight for weight in parameters.values() if weight.ndim > 1]
    others = [weight for weight in parameters.values() if weight.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if name == "sgd":
        return SGD(groups, lr=learning_rate)
    # Fused on the CPU only: elsewhere it would keep the step counts on the device, and reading them would wait for it.
    on_cpu = all(weight.device.type == "cpu" for weight in parameters.values())
    return AdamW(groups, lr=learning_rate, fused=True if on_cpu else None)


def limit_scope(teacher: nn.Module, scope: str, *, layers: nn.ModuleList | None = None, top_layers: int = 1) -> None:
    """Let only part of the teacher learn: "all", "top_layers" (the last ones and the classifier), "head" or "adapter".

    Args:
        teacher: a transformers sequence classifier.
        scope: which part.
        layers: its transformer layers, needed for "top_layers".
        top_layers: how many of them.

    Raises:
        ConfigError: more top layers asked for than there are, layers that cannot be told apart, or no adapters.
    """
    if scope == "all":
        return
    if scope == "adapter":
        _only_adapters(teacher)
        return
    body: nn.Module = getattr(teacher, str(teacher.base_model_prefix))
    inside = {id(weight) for weight in body.parameters()}
    kept: set[int] = set()
    if scope == "top_layers":
        if layers is None:
            raise ConfigError("The teacher's layers cannot be told apart: choose policy.teacher_scope all or head.")
        if top_layers > len(layers):
            raise ConfigError(
                f"policy.teacher_top_layers cannot be {top_layers}: the teacher has {len(layers)} layers. Lower it, or "
                "choose policy.teacher_scope all."
            )
        kept = {id(weight) for layer in list(layers)[-top_layers:] for weight in layer.parameters()}
    pooler = getattr(body, "pooler", None)  # BERT's pooler belongs to the classifier
    kept |= {id(weight) for weight in pooler.parameters()} if pooler is not None else set()
    for weight in teacher.parameters():
        weight.requires_grad_(id(weight) not in inside or id(weight) in kept)


def _only_adapters(teacher: nn.Module) -> None:
    names = [name for name, _ in teacher.named_parameters() if ADAPTER in name]
    if not names:
        raise ConfigError("The teacher has no adapters: choose policy.teacher_scope all, top_layers or head.")
    for name, weight in teacher.named_parameters():
        weight.requires_grad_(name in names)


def set_learning_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Give every group of an optimizer the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
