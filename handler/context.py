"""Types of the parts of TorchServe's context that we use.

Only the type checker imports this file, because TorchServe allows one class in `recommend.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class WorkerMetric(Protocol):
    """A Prometheus counter or histogram of TorchServe."""

    def add_or_update(self, value: float, dimension_values: list[str]) -> None:
        """Add to the counter, or observe, with these label values."""
        ...


class TorchServeMetrics(Protocol):
    """The metrics of one worker."""

    def add_metric_to_cache(
        self, metric_name: str, unit: str, dimension_names: list[str], metric_type: object = ...
    ) -> WorkerMetric:
        """Create a metric, by default a counter.

        The server shows it only if its metrics configuration declares it too.
        """
        ...


class TorchServeContext(Protocol):
    """A worker's view of its model and of the current batch."""

    manifest: Mapping[str, Mapping[str, object]]
    system_properties: Mapping[str, object]
    metrics: TorchServeMetrics | None

    def get_request_header(self, idx: int, key: str) -> str | None:
        """Return a header of one request of the batch."""
        ...

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the HTTP status of one request of the batch."""
        ...

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the content type of one answer of the batch."""
        ...
