"""What grows with the catalogue and the history, up to a million items.

    python -m bench scale [--parts steps,lists,layers] [--sizes 100000:2000000]

Each measurement is a process of its own with one thread, so its peak memory is its own. Seconds are
the processor's. `steps`, `lists`, `layers` and `releases` use random vectors; the other parts use
the made-up shop of `python -m bench shop`, whose structure is planted. `releases` runs TorchServe,
and `cycle` also the worker's cycle. The small version takes three minutes, the full one about four
hours.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.report.rows import is_quick, results_folder, save
from bench.scale.costs import Cost, Size, draw, in_own_process, metrics_of
from bench.scale.cycle import cycle_costs
from bench.scale.facts import fact_costs
from bench.scale.ingestion import ingest_costs, store_costs
from bench.scale.layer_chains import layer_costs
from bench.scale.lists import list_costs
from bench.scale.peers import peer_costs
from bench.scale.releases import release_costs
from bench.scale.snapshots import snapshot_costs
from bench.scale.steps import step_costs
from bench.scale.trainings import training_costs

COMMAND = "python -m bench scale"
_CATALOGUES = tuple(Size(num_items=num) for num in (2_000, 10_000, 100_000, 1_000_000))
_SMALL_CATALOGUES = (Size(num_items=2_000), Size(num_items=20_000))
_SHOPS = (
    Size(num_items=10_000, num_events=1_000_000),
    Size(num_items=100_000, num_events=1_000_000),
    Size(num_items=1_000_000, num_events=1_000_000),
    Size(num_items=100_000, num_events=10_000_000),
)
_CYCLES = (
    Size(num_items=10_000, num_events=1_000_000),
    Size(num_items=100_000, num_events=1_000_000),
    Size(num_items=1_000_000, num_events=1_000_000),
    Size(num_items=10_000, num_events=10_000_000),
)
_JOURNALS = (
    Size(num_items=100_000, num_events=1_000_000),
    Size(num_items=100_000, num_events=10_000_000),
    Size(num_items=1_000_000, num_events=1_000_000),
    Size(num_items=1_000_000, num_events=10_000_000),
)
_HISTORIES = tuple(Size(num_items=10_000, num_events=num) for num in (1_000_000, 10_000_000))
_SMALL_SHOPS = (Size(num_items=2_000, num_events=20_000),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalePart:
    """A group of measurements that share a picture.

    Without small sizes it is left out of the small version: peers need gigabytes of packages.
    """

    title: str
    measure: Callable[[Size], list[Cost]]
    sizes: Sequence[Size]
    small_sizes: Sequence[Size]


PARTS: Mapping[str, ScalePart] = {
    "steps": ScalePart(
        title="Training steps, one core",
        measure=step_costs,
        sizes=_CATALOGUES,
        small_sizes=_SMALL_CATALOGUES,
    ),
    "lists": ScalePart(
        title="Top-10 lists, one core",
        measure=list_costs,
        sizes=_CATALOGUES,
        small_sizes=_SMALL_CATALOGUES,
    ),
    "facts": ScalePart(
        title="Facts of a catalogue, one core",
        measure=fact_costs,
        sizes=_CATALOGUES,
        small_sizes=_SMALL_CATALOGUES,
    ),
    "layers": ScalePart(
        title="Tables as bases and layers",
        measure=layer_costs,
        sizes=(Size(num_items=100_000), Size(num_items=1_000_000)),
        small_sizes=(Size(num_items=2_000),),
    ),
    "snapshots": ScalePart(
        title="Snapshots of a journal",
        measure=snapshot_costs,
        sizes=_JOURNALS,
        small_sizes=(Size(num_items=2_000, num_events=250_000),),
    ),
    "trainings": ScalePart(
        title="Trainings",
        measure=training_costs,
        sizes=_SHOPS,
        small_sizes=_SMALL_SHOPS,
    ),
    "releases": ScalePart(
        title="Releases in TorchServe",
        measure=release_costs,
        sizes=_CATALOGUES,
        small_sizes=(Size(num_items=2_000),),
    ),
    "cycle": ScalePart(
        title="Update cycles of the worker",
        measure=cycle_costs,
        sizes=_CYCLES,
        small_sizes=(Size(num_items=2_000, num_events=10_000),),
    ),
    "ingest": ScalePart(
        title="Ingesting files",
        measure=ingest_costs,
        sizes=_HISTORIES,
        small_sizes=(Size(num_items=2_000, num_events=20_000),),
    ),
    "stores": ScalePart(
        title="Events on their way into the stores",
        measure=store_costs,
        sizes=_HISTORIES,
        small_sizes=(Size(num_items=2_000, num_events=20_000),),
    ),
    "peers": ScalePart(
        title="Training by others", measure=peer_costs, sizes=_SHOPS, small_sizes=()
    ),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the chosen parts; write a page of results and a picture for each."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="What grows with the catalogue and the history."
    )
    parser.add_argument(
        "--parts", default=",".join(PARTS), help=f"the parts to measure, of {', '.join(PARTS)}"
    )
    parser.add_argument(
        "--sizes",
        type=_sizes,
        metavar="ITEMS[:EVENTS],...",
        help="other sizes than the bench's, such as 100000:2000000",
    )
    given = parser.parse_args(arguments)
    names = given.parts.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"--parts {unknown[0]}: no such part; there are {', '.join(PARTS)}")
    for name in names:
        part = PARTS[name]
        costs: list[Cost] = []
        for size in given.sizes or (part.small_sizes if is_quick() else part.sizes):
            found = in_own_process(part.measure, size)
            costs += found
            for cost in found:
                print(f"{cost.size}, {cost.what}: {cost.value:.4g} {cost.unit}", flush=True)
        if not costs:
            continue
        bench = f"scale-{name}"
        save(bench, "made-up catalogues", metrics_of(costs), command=COMMAND)
        draw(costs, results_folder() / f"{bench}.png", title=part.title)


def _sizes(text: str) -> tuple[Size, ...]:
    sizes = []
    for one in text.split(","):
        items, _, events = one.partition(":")
        sizes.append(Size(num_items=int(items), num_events=int(events or 0)))
    return tuple(sizes)
