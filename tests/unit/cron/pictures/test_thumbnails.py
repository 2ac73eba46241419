"""Thumbnails: every common format, and what is no picture or too large a one."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cron.errors import BadPicture
from cron.pictures.thumbnails import thumbnail_of
from tests.pictures import render

MAX_PIXELS = 1_000_000


def small(content: bytes, side_px: int = 32) -> Image.Image:
    made = thumbnail_of(content, side_px=side_px, max_pixels=MAX_PIXELS)
    return Image.open(io.BytesIO(made), formats=["JPEG"])


def encoded_as(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_common_format_becomes_a_small_jpeg(kind: str) -> None:
    made = small(render("red", kind=kind))
    red, green, _ = made.getpixel((16, 16))  # type: ignore[misc]
    assert made.size == (32, 32)
    assert (red > 200, green > 60) == (True, False)


def test_a_picture_keeps_its_shape_and_is_never_enlarged() -> None:
    assert small(encoded_as(Image.new("RGB", (200, 50)))).size == (32, 8)
    assert small(encoded_as(Image.new("L", (5, 7)))).size == (5, 7)


def test_what_is_transparent_becomes_white() -> None:
    assert (
        small(encoded_as(Image.new("RGBA", (40, 40), (0, 0, 0, 0)))).getpixel((9, 9)) == (255,) * 3
    )


def test_a_picture_that_was_taken_sideways_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn it to the right
    assert small(encoded_as(Image.new("RGB", (60, 30)), "JPEG", exif=exif)).size == (16, 32)


def test_a_decompression_bomb_is_refused_unopened() -> None:
    """A PNG of a few kilobytes that claims 3.6 thousand million pixels."""
    size = struct.pack(">II5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + size + struct.pack(">I", zlib.crc32(b"IHDR" + size))
    with pytest.raises(BadPicture):
        small(b"\x89PNG\r\n\x1a\n" + chunk + b"\0" * 100)
    with pytest.raises(BadPicture, match="1,001 × 1,000 pixels, which is more than 1,000,000"):
        small(encoded_as(Image.new("L", (1_001, 1_000))))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>not found</html>",
        render()[:60],
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded_as(Image.new("RGB", (9, 9)), "TIFF"),
    ],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(BadPicture, match="not a picture that can be read") as raised:
        small(content)
    assert " object at 0x" not in str(raised.value), "the log is read by people"


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 400), byte=st.integers(0, 255), kind=st.sampled_from(["PNG", "GIF"]))
def test_a_damaged_picture_is_read_or_refused(place: int, byte: int, kind: str) -> None:
    content = bytearray(render(kind=kind, side_px=24))
    content[place % len(content)] = byte
    try:
        made = small(bytes(content))
    except BadPicture:
        return
    assert max(made.size) <= 32
