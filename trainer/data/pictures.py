"""A snapshot's pictures as vectors of the bundle, and texts of items that have none.

N  items      P  width of a vector
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from recommender.bundle import Bundle
from recommender.catalogue.catalogue import Catalogue
from recommender.config import PictureEncoderConfig
from recommender.encoder.picture_encoder import UnreadablePicture, open_picture
from recommender.retrieval.picture_vectors import (
    PictureVectors,
    no_vectors,
    set_vector,
    with_means,
    with_more_items,
)
from trainer.data.dataset import SnapshotError, read_items
from trainer.data.encoding_team import EncodingTeam
from trainer.data.picture_encoding import PictureEncoding
from trainer.data.start import CannotStart

TABLE, FOLDER = "pictures.parquet", "pictures"
_TEXTS_AT_ONCE = 65_536
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPictures:
    """The pictures of some items by id, None for those that have none any more; and their files."""

    of_items: Mapping[str, str | None]
    folder: Path
    items_file: Path | None = None  # the items that the snapshot adds or changes

    def content(self, sha256: str) -> bytes | None:
        """Return a thumbnail; None if it can't be read."""
        try:
            content = (self.folder / f"{sha256}.jpg").read_bytes()
            open_picture(content)
        except (OSError, UnreadablePicture) as error:
            log.warning("picture left out", extra={"sha256": sha256, "why": str(error)})
            return None
        return content


def read_pictures(snapshot: Path) -> SnapshotPictures:
    """Read the pictures of a snapshot, which may have none; raise SnapshotError."""
    path, of_items = snapshot / TABLE, dict[str, str | None]()
    if path.exists():
        try:
            table = pq.read_table(path, columns=["item_id", "thumbnail"]).to_pydict()
        except (OSError, pa.ArrowException, KeyError) as error:
            raise SnapshotError(f"{path}: not a valid file of pictures ({error})") from error
        of_items = dict(zip(table["item_id"], table["thumbnail"], strict=True))
    return SnapshotPictures(
        of_items=of_items, folder=snapshot / FOLDER, items_file=snapshot / "items.parquet"
    )


def with_pictures(
    bundle: Bundle,
    pictures: SnapshotPictures,
    config: PictureEncoderConfig,
    *,
    cache: Path,
    team: EncodingTeam | None = None,
) -> Bundle:
    """Return the bundle with the vectors of changed pictures; raise CannotStart or EncoderError.

    `bundle` is new, or the parent's with more items, whose other pictures stay as they are. Where
    the encoder reads texts, items without a picture have the vectors of their texts.
    """
    known = bundle.manifest.picture_encoder
    if bundle.folder is not None and known != config:
        raise CannotStart(
            f"the configuration asks for {config}, but the live bundle has {known}; "
            "train with mode full"
        )
    manifest = replace(bundle.manifest, picture_encoder=config)
    rows = _rows_of(bundle, pictures)
    wanted = sorted({sha256 for sha256 in rows.values() if sha256 is not None})
    if config.model is None or not (wanted or bundle.pictures is not None):
        return replace(bundle, manifest=manifest)
    encoding = PictureEncoding(bundle=bundle, config=config, cache=cache, team=team)
    vectors = encoding.of_pictures(wanted, pictures.content)
    grown = _grown(bundle, vectors)
    for row, sha256 in rows.items():
        vector_P = vectors.get(sha256) if sha256 is not None else None
        set_vector(grown, row, vector_P, of_text=False)
    if config.texts and encoding.reads_texts:
        changed: Sequence[int] = range(len(bundle.catalogue))
        if bundle.pictures is not None:
            changed = sorted({*rows, *_rows_of_items(bundle, pictures.items_file)})
        _set_texts(bundle.catalogue, grown, changed, encoding)
    return replace(
        bundle,
        manifest=replace(
            manifest, picture_digest=encoding.digest, pictures_read_texts=encoding.reads_texts
        ),
        pictures=with_means(grown, keep_pictures=bundle.pictures is not None),
        picture_encoder=encoding.encoder,
    )


def _set_texts(
    catalogue: Catalogue, vectors: PictureVectors, rows: Sequence[int], encoding: PictureEncoding
) -> None:
    """Set the vectors of those items without a picture by their texts, in place; zero without."""
    for first in range(0, len(rows), _TEXTS_AT_ONCE):
        part = [row for row in rows[first : first + _TEXTS_AT_ONCE] if not vectors.has_N[row]]
        texts = [catalogue.text(row) for row in part]
        found = encoding.of_texts({text for text in texts if text is not None})
        for row, text in zip(part, texts, strict=True):
            set_vector(vectors, row, found[text] if text is not None else None, of_text=True)


def _rows_of_items(bundle: Bundle, file: Path | None) -> Iterator[int]:
    """Yield the rows of the items that a snapshot adds or changes; raise SnapshotError."""
    for item in read_items(file) if file is not None else ():
        row = bundle.catalogue.row(item.item_id)
        if row is not None:
            yield row


def _rows_of(bundle: Bundle, pictures: SnapshotPictures) -> dict[int, str | None]:
    """Return the pictures by row, without those of items that the catalogue lacks."""
    rows: dict[int, str | None] = {}
    for item_id, sha256 in pictures.of_items.items():
        row = bundle.catalogue.row(item_id)
        if row is not None:
            rows[row] = sha256
    return rows


def _grown(bundle: Bundle, vectors: Mapping[str, torch.Tensor]) -> PictureVectors:
    if bundle.pictures is not None:
        return with_more_items(bundle.pictures, len(bundle.catalogue))
    width = len(next(iter(vectors.values()))) if vectors else 1
    return no_vectors(len(bundle.catalogue), width)
