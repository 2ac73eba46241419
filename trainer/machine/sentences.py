"""The sentences with which trainers end, for whoever started them. Imports no torch.

A trainer that cannot make its candidate ends with `trainer: …`, or with `trainer: machine: …` when
nothing is wrong with the snapshot.
"""

from __future__ import annotations

SENTENCE = "trainer: "
OF_THE_MACHINE = f"{SENTENCE}machine: "
GOES_ON = "goes on from its checkpoint"  # in a sentence after which the same command resumes


def is_final(line: str) -> bool:
    """Return whether a printed line is a sentence after which starting again does not help."""
    return line.startswith(SENTENCE) and GOES_ON not in line


def decisive(lines: list[str]) -> str | None:
    """Return the sentence that says why a training ended; None when there is none.

    The last final one: when a rank ends, the others lose it and say so too.
    """
    sentences = [line for line in lines if line.startswith(SENTENCE)]
    final = [line for line in sentences if is_final(line)]
    return final[-1] if final else sentences[-1] if sentences else None
