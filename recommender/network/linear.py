"""Linear layers by the faster of the two libraries that torch multiplies with.

On processors of other makers than Intel, MKL multiplies in single precision at half the speed of
oneDNN (docs/log.md), but torch uses MKL, except in compiled graphs. The operator that these call
has no gradient, so a training uses MKL.

oneDNN compiles a program for each number of rows, which takes longer than the product, and keeps
about a thousand of them. So rows are padded to one of eight numbers between two powers of two.

X rows    Y rows with padding    I inputs    O outputs
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

LEAST_ROWS = 128  # with fewer it makes no difference
STEPS = 8  # numbers of rows between two powers of two


def through(layer: nn.Linear, input_YI: Tensor) -> Tensor:
    """Return the output_YO of a layer that has a bias."""
    return linear(input_YI, layer.weight, layer.bias)


def linear(input_YI: Tensor, weight_OI: Tensor, bias_O: Tensor) -> Tensor:
    """Return the output_YO of a linear layer; the rows are those of `with_padding`."""
    if not _can_use_onednn(input_YI, weight_OI):
        return F.linear(input_YI, weight_OI, bias_O)
    output_YO: Tensor = torch.ops.mkldnn._linear_pointwise(
        input_YI, weight_OI, bias_O, "none", [], ""
    )
    return output_YO


def with_padding(rows_XI: Tensor) -> Tensor:
    """Return rows_YI, where zeros follow the rows; the rows themselves where it is not needed."""
    num_rows = len(rows_XI)
    num_padded = padded_number(num_rows)
    if torch.is_grad_enabled() or num_padded == num_rows:
        return rows_XI
    rows_YI = rows_XI.new_empty(num_padded, rows_XI.shape[1])
    rows_YI[:num_rows] = rows_XI
    rows_YI[num_rows:] = 0.0
    return rows_YI


def padded_number(num_rows: int) -> int:
    """Return to how many rows a number of rows is padded."""
    if num_rows < LEAST_ROWS:
        return num_rows
    step = (1 << (num_rows - 1).bit_length()) // (2 * STEPS)
    return -(-num_rows // step) * step


def _can_use_onednn(input_YI: Tensor, weight_OI: Tensor) -> bool:
    """Return whether no gradient is asked for, and the numbers are what oneDNN takes here."""
    return (
        len(input_YI) >= LEAST_ROWS
        and not torch.is_grad_enabled()
        and input_YI.device.type == "cpu"
        and input_YI.dtype == weight_OI.dtype == torch.float32
        and _has_onednn()
    )


@cache
def _has_onednn() -> bool:
    """Return whether this torch has the operator."""
    is_built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return is_built and hasattr(torch.ops.mkldnn, "_linear_pointwise")
