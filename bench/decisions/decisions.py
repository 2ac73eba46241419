"""What decisions rest on: experiments, estimates of policies, the cost of recording.

    python -m bench decisions [--parts experiments,exploration]

Each part has a page of results of its own. The visitors of experiments are simulated.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

from bench.decisions.clickbait import measure_planted
from bench.decisions.estimators import measure_estimators
from bench.decisions.experiments import measure_experiments
from bench.decisions.exploration import measure_doubts, measure_exploration
from bench.decisions.latency import measure_latency
from bench.decisions.list_verdicts import measure_list_verdicts
from bench.decisions.personalizer import measure_personalizer

COMMAND = "python -m bench decisions"
PARTS: Mapping[str, Callable[[str], None]] = {
    "experiments": measure_experiments,
    "estimators": measure_estimators,
    "latency": measure_latency,
    "planted": measure_planted,
    "list-verdicts": measure_list_verdicts,
    "personalizer": measure_personalizer,
    "exploration": measure_exploration,
    "doubts": measure_doubts,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the chosen parts; each writes its own results."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="What decisions rest on.")
    parser.add_argument(
        "--parts", default=",".join(PARTS), help=f"the parts to measure, of {', '.join(PARTS)}"
    )
    names = parser.parse_args(arguments).parts.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"--parts {unknown[0]}: no such part; there are {', '.join(PARTS)}")
    for name in names:
        PARTS[name](COMMAND)
