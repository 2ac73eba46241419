"""A simulated accelerator: its tensors compute on the CPU and refuse to meet CPU tensors.

It calls itself `meta`, the one device for which autograd needs no driver, and holds real numbers:
code that a GPU would refuse for a tensor made in the wrong place is refused here, and other code
gives the CPU's numbers. Stricter than a GPU in one thing: an index must be on the card too. Knows
nothing of a GPU's kernels, speed or memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CARD = torch.device("meta")
Operation = OpOverload[..., object]
MOVES = ("_to_copy", "copy_")


class WrongDevice(AssertionError):
    """An operation mixed tensors of the card and the CPU; a single number would be allowed."""


class OnCard(Tensor):
    """A tensor of the card, with the numbers inside."""

    inside: Tensor

    @staticmethod
    def __new__(cls, inside: Tensor) -> OnCard:
        made: OnCard = Tensor._make_wrapper_subclass(
            cls,
            inside.size(),
            strides=inside.stride(),
            storage_offset=inside.storage_offset(),
            dtype=inside.dtype,
            device=CARD,
        )
        made.inside = inside
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls,
        func: Operation,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        return _run(func, args, kwargs or {})


class _Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Catches what is made from nothing, too."""

    def __torch_dispatch__(
        self,
        func: Operation,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        return _run(func, args, kwargs or {})


@contextmanager
def card() -> Iterator[torch.device]:
    """Put a card into this machine for the time of the block, and yield its device."""
    with _Mode(), warnings.catch_warnings():  # type: ignore[no-untyped-call]
        warnings.filterwarnings(
            "ignore", "for .*: copying from a non-meta parameter", UserWarning
        )  # no no-op here: there are numbers
        yield CARD


def put_on_card(model: nn.Module) -> None:
    """Replace weights and buffers by tensors of the card, which `Module.to` cannot do."""
    for module in model.modules():
        for name, weight in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(weight.detach().to(CARD)))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer.to(CARD))


def _run(func: Operation, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
    on_card = [one for one in tensors if isinstance(one, OnCard)]
    strangers = [
        tuple(one.shape) for one in tensors if not isinstance(one, OnCard) and one.dim() > 0
    ]
    if on_card and strangers and func.overloadpacket.__name__ not in MOVES:
        raise WrongDevice(
            f"{func}: {[tuple(one.shape) for one in on_card]} on the card, {strangers} on the CPU"
        )
    asked = kwargs.get("device")
    to_card = bool(on_card) if asked is None else asked == CARD
    changed = kwargs if asked is None else {**kwargs, "device": torch.device("cpu")}
    inner_args, inner_kwargs = tree_map(
        lambda one: one.inside if isinstance(one, OnCard) else one, (args, changed)
    )
    out = func(*inner_args, **inner_kwargs)
    if not func._schema.returns:
        return None
    if func._schema.is_mutable:
        return kwargs.get("out", args[0])
    return (
        tree_map(lambda one: OnCard(one) if isinstance(one, Tensor) else one, out)
        if to_card
        else out
    )
