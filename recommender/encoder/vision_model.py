"""Loads a model that reads pictures, and its processor, or refuses a damaged one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from recommender.encoder.encoder_model import in_one_line, silence_loading, weights_missing
from recommender.encoder.encoder_source import EncoderError, EncoderSource


@contextmanager
def refuse_damaged(name: str, source: EncoderSource) -> Iterator[None]:
    """Raise EncoderError with a model's name for whatever its files make transformers raise."""
    silence_loading()
    try:
        yield
    except _WeightsMissing as error:
        raise EncoderError(f"{name}: {error}") from error
    except Exception as error:  # a damaged file may raise anything
        raise EncoderError(
            f"{name}: can't load it from {source.folder} ({in_one_line(error)}); name a wheel, a "
            "local folder or a hub model"
        ) from error


def load_processor(source: EncoderSource) -> Any:
    """Return the model's processor, which cuts and scales by Pillow on every machine."""
    from transformers import AutoImageProcessor

    processors: Any = AutoImageProcessor
    return processors.from_pretrained(source.folder, backend="pil")


def load_network(kind: Any, source: EncoderSource, *, dtype: torch.dtype | str) -> Any:
    """Return a model of a kind (`AutoModel` or the like) on the CPU, with all its weights."""
    network, found = kind.from_pretrained(source.folder, dtype=dtype, output_loading_info=True)
    why = weights_missing(network, found["missing_keys"])
    if why is not None:
        raise _WeightsMissing(why)
    return network.eval()


class _WeightsMissing(ValueError):
    """The file of a model lacks weights."""
