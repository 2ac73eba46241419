"""What pictures show, in words that the text encoder reads after an item's own text.

The words are kept by the digest of the thumbnail, and the model is loaded only for new ones. In
the catalogue they follow the item's own text after a mark, so that either can change alone.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.config import PictureEncoderConfig
from trainer.data.captioner import Captioner, load_captioner
from trainer.data.pictures import SnapshotPictures
from trainer.machine.durable_files import replacing

MARK = " \x1f "  # a control character that no tokenizer has a word for
_AT_ONCE = 256  # captions between two writes of the cache
log = logging.getLogger(__name__)


class _CaptionFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of captions by the sha256 of thumbnails, and the digest of the model."""

    digest: str = ""
    captions: dict[str, str] = {}


def with_captions(
    items: Iterable[CatalogueItem],
    pictures: SnapshotPictures,
    config: PictureEncoderConfig,
    *,
    parent: Catalogue,
    cache: Path,
) -> Iterable[CatalogueItem]:
    """Return the items of a snapshot with what their pictures show; raise EncoderError.

    Items of the parent whose pictures alone changed are added too. A picture that can't be read
    has no caption.
    """
    if config.captions is None:
        return items
    wanted = sorted({sha256 for sha256 in pictures.of_items.values() if sha256 is not None})
    captions = _captions_of(pictures, wanted, config.captions, config.caption_tokens, cache)
    of_items: dict[str, str | None] = {}
    for item_id, sha256 in pictures.of_items.items():
        of_items[item_id] = captions.get(sha256) if sha256 is not None else None
    return _captioned_items(items, of_items, parent)


def _captioned_items(
    items: Iterable[CatalogueItem], captions: Mapping[str, str | None], parent: Catalogue
) -> Iterator[CatalogueItem]:
    """Yield the items with their captions, and those of the parent whose captions changed."""
    left = dict(captions)
    for item in items:
        row = parent.row(item.item_id)
        known = _caption(parent[row]) if row is not None else None
        yield _with_caption(item, left.pop(item.item_id, known))
    for item_id, caption in left.items():
        row = parent.row(item_id)
        if row is not None:
            yield _with_caption(parent[row], caption)


def _caption(item: CatalogueItem) -> str | None:
    return (item.text or "").partition(MARK)[2] or None


def _with_caption(item: CatalogueItem, caption: str | None) -> CatalogueItem:
    own = (item.text or "").partition(MARK)[0] or None
    return replace(item, text=f"{own or ''}{MARK}{caption}" if caption else own)


def _captions_of(
    pictures: SnapshotPictures, wanted: list[str], model: str, max_tokens: int, cache: Path
) -> Mapping[str, str]:
    """Return the captions of thumbnails; those that are not kept are written now."""
    name = hashlib.sha256(f"{model} {max_tokens}".encode()).hexdigest()
    path = cache / f"captions-{name}.json"
    kept, captioner = _read(path), None
    missing = [sha256 for sha256 in wanted if sha256 not in kept.captions]
    if missing:
        captioner = load_captioner(model, max_tokens=max_tokens)
        if kept.digest != captioner.digest:  # other weights under the same name
            kept, missing = _CaptionFile(digest=captioner.digest), wanted
    for start in range(0, len(missing), _AT_ONCE):
        assert captioner is not None
        fresh = _write_captions(captioner, pictures, missing[start : start + _AT_ONCE])
        kept = _CaptionFile(digest=kept.digest, captions={**kept.captions, **fresh})
        with replacing(path, durable=False) as unfinished:
            unfinished.write_bytes(msgspec.json.encode(kept))
    return kept.captions


def _write_captions(
    captioner: Captioner, pictures: SnapshotPictures, digests: list[str]
) -> dict[str, str]:
    read = {sha256: pictures.content(sha256) for sha256 in digests}
    contents = {sha256: one for sha256, one in read.items() if one is not None}
    captions = captioner.captions(list(contents.values()))
    return dict(zip(contents, captions, strict=True))


def _read(path: Path) -> _CaptionFile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_CaptionFile)
    except FileNotFoundError:
        return _CaptionFile()
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("captions are written again", extra={"path": str(path), "why": str(error)})
        return _CaptionFile()
