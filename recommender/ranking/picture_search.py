"""Items that look like a picture, or like the picture of an item.

N  items      P  width of a picture's vector
"""

from __future__ import annotations

from torch import Tensor

from recommender.bundle import Bundle
from recommender.retrieval.picture_vectors import PictureVectors, picture_cosines


class PictureSearch:
    """The pictures of a bundle. The encoder is loaded with the first picture that is sent."""

    def __init__(self, bundle: Bundle, vectors: PictureVectors) -> None:
        self._bundle = bundle
        self._vectors = vectors
        self._encoder = bundle.picture_encoder

    def vector_of(self, picture: bytes) -> Tensor:
        """Return the vector_P of a picture; raise UnreadablePicture, or EncoderError."""
        if self._encoder is None:
            self._encoder = self._bundle.load_picture_encoder()
        return self._encoder.encode([picture])[0]

    def vector_at(self, row: int) -> Tensor | None:
        """Return the vector_P of an item's picture; None if it has none."""
        if not self._vectors.has_N[row]:
            return None
        return self._vectors.vectors_NP[row].float()

    def cosines(self, vector_P: Tensor | None) -> Tensor:
        """Return the cosine_N of the items' pictures with a vector; NaN where one is missing."""
        return picture_cosines(self._vectors, vector_P)


def picture_search(bundle: Bundle) -> PictureSearch | None:
    """Return the pictures of a bundle; None if it has none."""
    return None if bundle.pictures is None else PictureSearch(bundle, bundle.pictures)
