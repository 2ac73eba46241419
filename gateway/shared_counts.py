"""What all processes of one gateway counted together.

Each writes its page of metrics to a file of its own, again and again and before it answers for
all. What an ended process counted stays, so that no sum of counters ever falls.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from cron.settings.places import var_folder
from cron.settings.tree import Settings

FOLDER = "gateway-metrics"  # of the pages, in the working folder
EVERY_S = 1.0  # what an ended process counted since is lost
_OF_PROCESS = "process_"  # begins the names of Python's own metrics
_START = "process_start_time_seconds"  # of which the earliest counts, not the sum


def counts_folder(settings: Settings) -> Path:
    """Return the folder of the pages."""
    return var_folder(settings) / FOLDER


class SharedCounts:
    """The pages of metrics of one gateway's processes, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / f"{os.getpid()}.prom"

    def publish(self, page: bytes) -> None:
        """Write this process's page for the others."""
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._file.with_suffix(".tmp")
        unfinished.write_bytes(page)
        unfinished.replace(self._file)

    def sum_with(self, page: bytes) -> bytes:
        """Return the page of all processes together. It publishes this process's own."""
        self.publish(page)
        registry = CollectorRegistry()
        registry.register(_Sums(self._pages()))
        return generate_latest(registry)

    def _pages(self) -> Iterator[list[Metric]]:
        for file in sorted(self._folder.glob("*.prom")):
            families = text_string_to_metric_families(file.read_text(encoding="utf-8"))
            if psutil.pid_exists(int(file.stem)):
                yield list(families)
            else:
                yield [family for family in families if not family.name.startswith(_OF_PROCESS)]


class _Sums(Collector):
    """The sums of equal samples of several pages, as a collector."""

    def __init__(self, pages: Iterable[list[Metric]]) -> None:
        self._sums: dict[str, dict[tuple[str, frozenset[tuple[str, str]]], float]] = {}
        self._families: dict[str, Metric] = {}
        for page in pages:
            for family in page:
                self._add(family)

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its sums."""
        for name, sums in self._sums.items():
            family = self._families[name]
            metric = Metric(name, family.documentation, family.type)
            for (sample, labels), value in sums.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric

    def _add(self, family: Metric) -> None:
        self._families.setdefault(family.name, family)
        sums = self._sums.setdefault(family.name, {})
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            if sample.name == _START:
                sums[key] = min(sums.get(key, sample.value), sample.value)
            else:
                sums[key] = sums.get(key, 0.0) + sample.value
