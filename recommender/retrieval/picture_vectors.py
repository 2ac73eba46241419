"""The vectors of the items' pictures, and which items look most like a picture.

Where the encoder reads texts, an item without a picture has the vector of its text. Vectors are
compared without what all pictures of a catalogue share, such as a white background: the mean of
the first release is subtracted, from vectors of texts that of texts. So a picture is compared with
what distinguishes a text, and not with the space between texts and pictures, which models of both
leave in their common space (Liang et al. 2022).

N  items      P  width of a vector
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from recommender.arrays.bases import Bases
from recommender.arrays.layers import load_arrays, save_arrays

ROWS_AT_ONCE = 65_536
# of vectors that are compared: they stay in a processor's cache, which takes a tenth of the time
_COMPARED_AT_ONCE = 1_024
MIN_CENTRED = 10  # the mean of fewer pictures is mostly the pictures themselves
_MIN_LENGTH = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PictureVectors:
    """Unit vectors in half precision, zero where an item has none."""

    vectors_NP: Tensor
    has_N: Tensor  # bool: the vector is that of a picture
    is_text_N: Tensor  # bool: the vector is that of a text
    # subtracted before vectors are compared; they stay between full retrains
    mean_P: Tensor  # of the pictures
    text_mean_P: Tensor  # of the texts


def no_vectors(num_items: int, width: int) -> PictureVectors:
    """Return the vectors of items without pictures."""
    return vectors_of_pictures(
        torch.zeros(num_items, width, dtype=torch.half), torch.zeros(num_items, dtype=torch.bool)
    )


def vectors_of_pictures(vectors_NP: Tensor, has_N: Tensor) -> PictureVectors:
    """Return vectors of pictures alone, without their mean."""
    width = vectors_NP.shape[1]
    return PictureVectors(
        vectors_NP=vectors_NP,
        has_N=has_N,
        is_text_N=torch.zeros_like(has_N),
        mean_P=torch.zeros(width),
        text_mean_P=torch.zeros(width),
    )


def with_more_items(pictures: PictureVectors, num_items: int) -> PictureVectors:
    """Return a copy for a longer catalogue, whose new items have no picture."""
    more = no_vectors(num_items - len(pictures.has_N), pictures.vectors_NP.shape[1])
    return replace(
        pictures,
        vectors_NP=torch.cat([pictures.vectors_NP, more.vectors_NP]),
        has_N=torch.cat([pictures.has_N, more.has_N]),
        is_text_N=torch.cat([pictures.is_text_N, more.is_text_N]),
    )


def set_vector(
    pictures: PictureVectors, row: int, vector_P: Tensor | None, *, of_text: bool
) -> None:
    """Set the vector of an item in place, which is that of its picture or of its text, if any."""
    pictures.has_N[row] = vector_P is not None and not of_text
    pictures.is_text_N[row] = vector_P is not None and of_text
    pictures.vectors_NP[row] = 0.0 if vector_P is None else vector_P.half()


def with_means(pictures: PictureVectors, *, keep_pictures: bool = False) -> PictureVectors:
    """Return the vectors with the means that are subtracted, which are zero of too few.

    A mean of texts stays as it is, and that of pictures if it shall be kept.
    """
    mean_P, text_mean_P = pictures.mean_P, pictures.text_mean_P
    if not keep_pictures:
        mean_P = _mean_of(pictures, pictures.has_N)
    if not text_mean_P.any():
        text_mean_P = _mean_of(pictures, pictures.is_text_N)
    return replace(pictures, mean_P=mean_P, text_mean_P=text_mean_P)


def _mean_of(pictures: PictureVectors, chosen_N: Tensor) -> Tensor:
    num, sum_P = int(chosen_N.sum()), torch.zeros_like(pictures.mean_P)
    if num < MIN_CENTRED:
        return sum_P
    for start in range(0, len(chosen_N), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        sum_P += pictures.vectors_NP[rows][chosen_N[rows]].float().sum(0)
    return sum_P / num


def cosines_with_text(pictures: PictureVectors, text_P: Tensor) -> Tensor:
    """Return the cosine_N of the items' pictures with a text's vector; NaN without a picture.

    Texts lie apart from pictures in their common space, so what pictures share stays in.
    """
    no_mean_P = torch.zeros_like(pictures.mean_P)
    no_texts_N = torch.zeros_like(pictures.is_text_N)
    return picture_cosines(replace(pictures, mean_P=no_mean_P, is_text_N=no_texts_N), text_P)


def picture_cosines(pictures: PictureVectors, vector_P: Tensor | None) -> Tensor:
    """Return the cosine_N of the items' pictures, or else texts, with the vector of a picture.

    It is NaN for items without either, and for all without a vector.
    """
    cosine_N = torch.full((len(pictures.has_N),), math.nan)
    if vector_P is None:
        return cosine_N
    unit_P = torch.nn.functional.normalize(vector_P - pictures.mean_P, dim=0)
    for start in range(0, len(cosine_N), _COMPARED_AT_ONCE):
        rows = slice(start, start + _COMPARED_AT_ONCE)
        centred_XP = pictures.vectors_NP[rows].float() - pictures.mean_P
        is_text_X = pictures.is_text_N[rows]
        centred_XP[is_text_X] += pictures.mean_P - pictures.text_mean_P
        cosine_N[rows] = centred_XP @ unit_P / centred_XP.norm(dim=1).clamp(min=_MIN_LENGTH)
    return cosine_N.masked_fill(~(pictures.has_N | pictures.is_text_N), math.nan)


def save_picture_vectors(
    pictures: PictureVectors, file: Path, *, parent: Path | None, whole_bytes: int
) -> None:
    """Write the vectors; large ones as layers on those of the parent's file."""
    arrays = {name: getattr(pictures, name) for name in PictureVectors.__dataclass_fields__}
    is_there = parent is not None and parent.is_file()
    save_arrays(arrays, file, parent=parent if is_there else None, whole_bytes=whole_bytes)


def load_picture_vectors(file: Path, bases: Bases) -> PictureVectors:
    """Read what `save_picture_vectors` wrote; raise as `load_arrays`.

    Earlier releases wrote no vectors of texts.
    """
    arrays = load_arrays(file, bases)
    arrays.setdefault("is_text_N", torch.zeros_like(arrays["has_N"]))
    arrays.setdefault("text_mean_P", torch.zeros_like(arrays["mean_P"]))
    return PictureVectors(**arrays)
