"""The curve of the stream: each line's NDCG@10 by window, as a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def draw(columns: Mapping[str, NDArray[np.float64]], fulls: Sequence[int], *, title: str, path: Path) -> None:
    """Draw all lines over all windows; `full` has a point for each of its windows only."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, values_W in columns.items():
        windows = [window + 1 for window in fulls] if name == "full" else range(1, len(values_W) + 1)
        axes.plot(windows, values_W, label=f"{name}, mean {values_W.mean():.4f}", linewidth=2.5 if name == "update" else 1.3)
    axes.set(title=title, xlabel="window of the stream", ylabel="NDCG@10 of its events, before they are learned", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120, metadata={"Software": None})
