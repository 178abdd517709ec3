"""Modules of flax.linen with given parameters."""

from __future__ import annotations

from typing import Any

from flax import linen as nn


def applied(module: nn.Module, parameters: dict[str, Any], *inputs: Any, **options: Any) -> Any:
    """What a module with these parameters gives; those that are None do not exist."""
    return module.apply({"params": present(parameters)}, *inputs, **options)


def present(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that exist."""
    return {name: value for name, value in parameters.items() if value is not None}
