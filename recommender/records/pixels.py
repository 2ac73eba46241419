"""The pixels of an opened picture: upright, in colours, and without transparency."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_HAVE_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")


def upright_colours(picture: Image) -> Image:
    """Return a picture upright, in colours; those that may be transparent keep that."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(picture)
    if upright.mode in _HAVE_ALPHA or "transparency" in upright.info:
        return upright.convert("RGBA")
    return upright.convert("RGB")


def on_white(picture: Image) -> Image:
    """Return what `upright_colours` made without transparency, on white."""
    from PIL import Image

    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    return white
