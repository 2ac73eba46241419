"""Small gradients survive float16, and one that is too large for it costs a step."""

from __future__ import annotations

import torch

from trainer.learning.gradient_scale import FIRST_SCALE, STEPS_TO_DOUBLE, GradientScale

FINITE, TOO_LARGE = torch.tensor(1.0), torch.tensor(float("inf"))


def test_a_scaled_gradient_is_what_it_was() -> None:
    scale = GradientScale(torch.float16)
    small = torch.tensor([3e-8, -1e-7])
    assert small.half()[0] != small[0]
    through_half = (scale.factor * small).half().float()
    scale.undo([through_half])
    torch.testing.assert_close(through_half, small, rtol=1e-3, atol=0.0)


def test_the_factor_follows_the_gradients() -> None:
    scale = GradientScale(torch.float16)
    assert not scale.is_usable(TOO_LARGE)
    assert scale.factor == FIRST_SCALE / 2
    assert all(scale.is_usable(FINITE) for _ in range(STEPS_TO_DOUBLE - 1))
    assert scale.factor == FIRST_SCALE / 2
    other = GradientScale(torch.float16)
    other.load(other.state_in(scale.state()))
    assert other.is_usable(FINITE)
    assert other.factor == FIRST_SCALE


def test_other_precisions_have_no_factor() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        scale = GradientScale(dtype)
        assert scale.is_usable(TOO_LARGE), "AdamW sees what the loss gave, as ever"
        assert scale.factor == 1.0
        assert scale.state() == {}
