"""How numbers read in reasons."""

from __future__ import annotations

import pytest

from cron.gate.wording import signed_text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0123, "+.012"),
        (-0.0111, "−.011"),
        (0.0, "0"),
        (-0.0001, "0"),
        (1.5, "+1.500"),
        (-12.3, "−12.300"),
        (-0.9999, "−1.000"),
    ],
)
def test_differences_have_a_sign_and_no_leading_zero(value: float, shown: str) -> None:
    assert signed_text(value) == shown
