"""Why an experiment is not started or stopped, or a trial not ended.

FreshetError
├── UnknownExperiment            no experiment has that name
├── NoTrial                      no candidate is on trial, or another one than a person saw
└── ExperimentRefused
    ├── ExperimentNameInUse      one with that name was started before
    ├── PlacementInExperiment    one of another layer applies to the same lists
    ├── LayerFull                its layer has no free part of that size
    ├── ExperimentNotReadable    another release started it, in a form that this one doesn't know
    ├── TooManyExperiments       as many as there may be are running
    ├── ExperimentEnded          it was stopped before
    └── SlatesNotRecorded        nothing could be measured
"""

from __future__ import annotations

from cron.errors import FreshetError


class ExperimentRefused(FreshetError):
    """An experiment does not fit what is running, or what it was."""


class ExperimentNameInUse(ExperimentRefused):
    """An experiment with that name was started before, and may have ended."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there was an experiment {name!r} already; give this one another name, since the "
            "name decides which users are in which arm"
        )


class PlacementInExperiment(ExperimentRefused):
    """An experiment of another layer applies to the same lists."""

    def __init__(self, placement: str | None, *, experiment: str, layer: str) -> None:
        lists = "all lists" if placement is None else f"lists of the placement {placement!r}"
        super().__init__(
            f"the experiment {experiment!r} of the layer {layer!r} is running on {lists}; stop it, "
            f"or start this one in the same layer with `layer` {layer!r}"
        )


class LayerFull(ExperimentRefused):
    """The layer has no free part of the wanted size."""

    def __init__(self, layer: str, *, wanted: float, taken: float) -> None:
        super().__init__(
            f"the layer {layer!r} has no free part of {wanted:.0%}: its running experiments take "
            f"{taken:.0%} of the users; ask for a smaller share, or stop one"
        )


class ExperimentNotReadable(ExperimentRefused):
    """A row of the ledger has an experiment that this release can't read."""

    def __init__(self, name: str, *, why: str) -> None:
        super().__init__(
            f"the experiment {name!r} in the ledger can't be read by this release ({why}); "
            "use the release that started it, or stop it there first"
        )


class TooManyExperiments(ExperimentRefused):
    """As many experiments are running as there may be."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"{limit} experiments are running already; stop one first")


class ExperimentEnded(ExperimentRefused):
    """The experiment was stopped before."""

    def __init__(self, name: str, *, by: str) -> None:
        super().__init__(f"the experiment {name!r} was stopped before, by {by}")


class SlatesNotRecorded(ExperimentRefused):
    """Served lists are not recorded, so nothing could be measured."""

    def __init__(self) -> None:
        super().__init__(
            "served lists are not recorded, so an experiment could not be measured; "
            "set `slates.record` to true, and restart the gateway"
        )


class UnknownExperiment(FreshetError):
    """No experiment has that name."""

    def __init__(self, name: str, *, known: list[str]) -> None:
        names = ", ".join(known[:20]) or "none"
        super().__init__(f"no experiment is named {name!r}; existing experiments: {names}")


class NoTrial(FreshetError):
    """No candidate is on trial, or another one than a person saw."""

    def __init__(self, *, seen: int | None = None, running: int | None = None) -> None:
        if running is None:
            super().__init__("no candidate is on trial now")
            return
        super().__init__(f"version {running} is on trial now, and not version {seen}")
