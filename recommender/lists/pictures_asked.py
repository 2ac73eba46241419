"""Whether a release can answer a question about pictures, and what a text asks of them.

P  width of a picture's vector
"""

from __future__ import annotations

from torch import Tensor

from recommender.ranking.picture_search import PictureSearch
from recommender.ranking.ranker import Ranker
from recommender.requests.wire import BadRequest


def pictures_of(ranker: Ranker, *, field: str) -> PictureSearch:
    """Return the pictures of the release; raise BadRequest if it has none."""
    if ranker.pictures is None:
        expected = (
            "another question: no item of this release has a picture that is encoded; if the "
            "setting train.pictures.model names an encoder, the next release has what is fetched"
        )
        raise BadRequest(field, found="a question by picture", expected=expected)
    return ranker.pictures


def vector_of_text(ranker: Ranker, text: str | None) -> Tensor | None:
    """Return the vector_P that pictures are compared with; None for the picture of an item.

    Raise BadRequest if the release has no pictures, or its encoder reads no texts.
    """
    pictures = pictures_of(ranker, field="by")
    if text is None:
        return None
    if not pictures.reads_texts:
        expected = "the id of a known item: the picture encoder of this release reads no texts"
        raise BadRequest("by", found="picture, for a text", expected=expected)
    return pictures.text_vectors([text])[0]
