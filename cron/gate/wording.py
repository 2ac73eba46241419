"""How figures read in verdicts: +.012, −.014, 0."""

from __future__ import annotations


def signed(value: float) -> str:
    """Show a difference to three decimals with its sign, without a leading zero; a value that rounds to zero is 0."""
    shown = f"{value:+.3f}"
    if shown in ("+0.000", "-0.000"):
        return "0"
    return (
        shown.replace("0.", ".", 1).replace("-", "−") if abs(value) < 1 else shown.replace("-", "−")
    )
