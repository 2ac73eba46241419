"""What we use of TorchServe's context, as types. Only the type checker reads this: TorchServe allows one class in `recommend.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Metric(Protocol):
    """A Prometheus counter or histogram of TorchServe's."""

    def add_or_update(self, value: float, dimension_values: list[str]) -> None:
        """Add to the counter, or observe, with these label values."""
        ...


class Metrics(Protocol):
    """The worker's metrics."""

    def add_metric_to_cache(
        self, metric_name: str, unit: str, dimension_names: list[str], metric_type: object = ...
    ) -> Metric:
        """Make a metric, a counter by default; the server shows it when its metrics configuration declares the same."""
        ...


class TorchServeContext(Protocol):
    """One worker's view of its model and of the batch in hand."""

    manifest: Mapping[str, Mapping[str, object]]
    system_properties: Mapping[str, object]
    metrics: Metrics | None

    def get_request_header(self, idx: int, key: str) -> str | None:
        """Return a header of one request of the batch."""
        ...

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the HTTP status of one request of the batch."""
        ...

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the content type of one answer of the batch."""
        ...
