"""Items that look like a picture, like the picture of an item, or like what a text says.

M  texts      N  items      P  width of a picture's vector
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from recommender.bundle import Bundle
from recommender.encoder.picture_encoder import PictureEncoder
from recommender.retrieval.picture_vectors import (
    PictureVectors,
    cosines_with_text,
    picture_cosines,
)


class PictureSearch:
    """The pictures of a bundle. The encoder is loaded with the first question that needs it.

    `reads_texts`: texts find pictures.
    """

    def __init__(self, bundle: Bundle, vectors: PictureVectors) -> None:
        self._bundle = bundle
        self._vectors = vectors
        self._encoder = bundle.picture_encoder
        self.reads_texts = bundle.manifest.pictures_read_texts

    def vector_of(self, picture: bytes) -> Tensor:
        """Return the vector_P of a picture; raise UnreadablePicture, or EncoderError."""
        return self._open_encoder().encode([picture])[0]

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        """Return the vectors_MP of texts, of a release that reads them; raise EncoderError."""
        return self._open_encoder().encode_texts(texts)

    def cosines_with_item(self, row: int) -> Tensor:
        """Return the cosine_N of the items' pictures with what an item has; NaN without one.

        That is its picture, or else its text.
        """
        vector_P = self._vectors.vectors_NP[row].float()
        if self._vectors.is_text_N[row]:
            return self.cosines_with_text(vector_P)
        return self.cosines(vector_P if self._vectors.has_N[row] else None)

    def cosines_with_text(self, text_P: Tensor) -> Tensor:
        """Return the cosine_N of the items' pictures with a text; NaN where one is missing."""
        return cosines_with_text(self._vectors, text_P)

    def cosines(self, vector_P: Tensor | None) -> Tensor:
        """Return the cosine_N of the items' pictures, or else texts, with a picture's vector.

        It is NaN where one is missing.
        """
        return picture_cosines(self._vectors, vector_P)

    def _open_encoder(self) -> PictureEncoder:
        if self._encoder is None:
            self._encoder = self._bundle.load_picture_encoder()
        return self._encoder


def picture_search(bundle: Bundle) -> PictureSearch | None:
    """Return the pictures of a bundle; None if it has none."""
    return None if bundle.pictures is None else PictureSearch(bundle, bundle.pictures)
