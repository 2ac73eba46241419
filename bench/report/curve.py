"""The curve of the stream: NDCG@10 of each line by window, as a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def draw(
    columns: Mapping[str, NDArray[np.float64]], fulls: Sequence[int], *, title: str, path: Path
) -> None:
    """Draw all lines over all windows.

    Full retrains that were made before some windows only are points, without a mean.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    picture = Figure(figsize=(9, 4.5), layout="constrained")
    axes = picture.add_subplot()
    num_windows = len(columns["static"])
    for name, values_W in columns.items():
        if len(values_W) < num_windows:
            axes.plot([window + 1 for window in fulls], values_W, "o", label=name)
        else:
            windows = range(1, num_windows + 1)
            axes.plot(
                windows,
                values_W,
                label=f"{name}, mean {values_W.mean():.4f}",
                linewidth=2.5 if name == "update" else 1.3,
            )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(
        title=title,
        xlabel="window of the stream",
        ylabel="NDCG@10 of its events, before they are learned",
        ylim=(0, None),
    )
    axes.grid(alpha=0.3)
    axes.legend()
    picture.savefig(path, dpi=120, metadata={"Software": None})
