"""Thumbnails: a picture of any common format becomes a small JPEG of a fixed greatest size."""

from __future__ import annotations

import io

from PIL import Image, UnidentifiedImageError

from cron.errors import BadPicture
from recommender.records.excerpt import shorten
from recommender.records.images import FORMATS
from recommender.records.pixels import on_white, upright_colours

_QUALITY = 85
_MAX_ERROR_CHARS = 200


def thumbnail_of(content: bytes, *, side_px: int, max_pixels: int) -> bytes:
    """Return a picture as a JPEG that fits into a square; raise BadPicture.

    Its size is read before anything is unpacked, so a decompression bomb is refused. Of several
    frames the first counts. Small pictures keep their size, and transparent ones become white.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            size = f"{picture.width:,} × {picture.height:,}"
            if picture.width * picture.height > max_pixels:
                raise BadPicture(f"it has {size} pixels, which is more than {max_pixels:,}")
            return _small(picture, side_px)
    except BadPicture:
        raise
    except UnidentifiedImageError as error:  # its text names an object of the program
        known = ", ".join(FORMATS)
        raise BadPicture(
            f"its {len(content):,} bytes are not a picture that can be read (none of {known})"
        ) from error
    except Exception as error:  # a damaged picture may raise anything
        text = shorten(" ".join(str(error).split()), _MAX_ERROR_CHARS)
        raise BadPicture(
            f"its {len(content):,} bytes are not a picture that can be read ({text})"
        ) from error


def _small(picture: Image.Image, side_px: int) -> bytes:
    picture.draft("RGB", (2 * side_px, 2 * side_px))  # a JPEG is unpacked no larger than needed
    small = upright_colours(picture)
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    on_white(small).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
