"""The pictures of a snapshot as vectors of the bundle, with a cache before the encoder.

M  pictures      N  items      P  width of a vector
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from recommender.bundle import Bundle
from recommender.config import PictureEncoderConfig
from recommender.encoder.picture_encoder import (
    PictureEncoder,
    UnreadablePicture,
    load_picture_encoder,
    open_picture,
)
from recommender.retrieval.picture_vectors import (
    PictureVectors,
    mean_of,
    no_vectors,
    with_more_items,
)
from trainer.data.dataset import SnapshotError
from trainer.data.start import CannotStart
from trainer.data.text_cache import KEY_BYTES, Keys, TextCache

TABLE, FOLDER = "pictures.parquet", "pictures"
_LEAST_AT_ONCE = 4_096  # pictures between two writes of the cache, if it has few yet
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPictures:
    """The pictures of some items by id, None for those that have none any more; and their files."""

    of_items: Mapping[str, str | None]
    folder: Path

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
    return SnapshotPictures(of_items=of_items, folder=snapshot / FOLDER)


def with_pictures(
    bundle: Bundle, pictures: SnapshotPictures, config: PictureEncoderConfig, *, cache: Path
) -> Bundle:
    """Return the bundle with the vectors of changed pictures; raise CannotStart or EncoderError.

    `bundle` is new, or the parent's with more items, whose other pictures stay as they are.
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
    encoding = _Encoding(bundle=bundle, config=config, cache=cache)
    vectors = encoding.vectors_of(pictures, wanted) if wanted else {}
    grown = _grown(bundle, vectors)
    for row, sha256 in rows.items():
        vector_P = vectors.get(sha256) if sha256 is not None else None
        grown.has_N[row] = vector_P is not None
        grown.vectors_NP[row] = 0.0 if vector_P is None else vector_P.half()
    if bundle.pictures is None:
        grown = replace(grown, mean_P=mean_of(grown))
    return replace(
        bundle,
        manifest=replace(
            manifest, picture_digest=encoding.digest, pictures_read_texts=encoding.reads_texts
        ),
        pictures=grown,
        picture_encoder=encoding.encoder,
    )


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


class _Encoding:
    """The encoder of a bundle, loaded only if a picture is not in the cache or it is unknown."""

    def __init__(self, *, bundle: Bundle, config: PictureEncoderConfig, cache: Path) -> None:
        self._config = config
        self._cache = cache
        self._folder = bundle.picture_encoder_folder
        self._known = bundle.manifest.picture_digest
        self._known_reads_texts = bundle.manifest.pictures_read_texts
        self.encoder: PictureEncoder | None = None

    @property
    def digest(self) -> str:
        """Return the encoder's digest."""
        return self._known if self._known is not None else self._load().digest

    @property
    def reads_texts(self) -> bool:
        """Return whether the encoder reads texts too."""
        return self._known_reads_texts if self._known is not None else self._load().reads_texts

    def vectors_of(
        self, pictures: SnapshotPictures, wanted: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Return the vector_P of each picture by sha256, without those that can't be read."""
        path = self._cache / f"pictures-{self.digest}.safetensors"
        cache, place = TextCache.read(path), 0
        missing = _missing_from(cache, wanted)
        while place < len(missing):
            at_once = max(_LEAST_AT_ONCE, len(cache.keys_K) // 2 if cache is not None else 0)
            part = missing[place : place + at_once]
            place += at_once
            read = {sha256: pictures.content(sha256) for sha256 in part}
            contents = {sha256: one for sha256, one in read.items() if one is not None}
            if not contents:
                continue
            fresh_MP = self._load().encode(list(contents.values()))
            if cache is None:
                cache = TextCache(keys_K=_keys(list(contents)), vectors_KR=fresh_MP)
            else:
                cache = cache.with_added(_keys(list(contents)), fresh_MP)
            cache.write(path)
        if cache is None:
            return {}
        places = cache.places(_keys(wanted)).tolist()
        found = zip(wanted, places, strict=True)
        return {sha256: cache.vectors_KR[at] for sha256, at in found if at >= 0}

    def _load(self) -> PictureEncoder:
        """Load the encoder once; raise CannotStart when it is not the parent bundle's."""
        if self.encoder is None:
            self.encoder = load_picture_encoder(self._config, self._folder)
            if self._known not in (None, self.encoder.digest):
                raise CannotStart(
                    f"picture encoder {self._config.model} is not the one of the live bundle; "
                    "train with mode full"
                )
        return self.encoder


def _missing_from(cache: TextCache | None, wanted: Sequence[str]) -> list[str]:
    if cache is None:
        return list(wanted)
    places = cache.places(_keys(wanted)).tolist()
    return [sha256 for sha256, place in zip(wanted, places, strict=True) if place < 0]


def _keys(digests: Sequence[str]) -> Keys:
    content = b"".join(map(bytes.fromhex, digests))
    return np.frombuffer(bytearray(content), np.uint8).reshape(-1, KEY_BYTES)
