"""Rendered pictures of a made-up shop's items, and their thumbnails.

The shop has 12 kinds of items, each with a shape, a colour and a letter that its pictures share.
Place, size, background and shade differ from picture to picture.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from cron.pictures.thumbnails import thumbnail_of

SHAPES = ("circle", "square", "triangle")
COLOURS = ((200, 40, 40), (40, 90, 200))
LETTERS = ("A", "M")
SIDE_PX = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the pictures of one kind of item share."""

    shape: str
    colour: tuple[int, int, int]
    letter: str


KINDS = tuple(
    Kind(shape=shape, colour=colour, letter=letter)
    for shape in SHAPES
    for colour in COLOURS
    for letter in LETTERS
)


def render_picture(kind: Kind, draw_of: random.Random) -> bytes:
    """Return a JPEG of an item: its place, size, shade and background are drawn."""
    back = tuple(draw_of.randint(150, 255) for _ in range(3))
    picture = Image.new("RGB", (SIDE_PX, SIDE_PX), back)
    draw = ImageDraw.Draw(picture)
    size = draw_of.randint(140, 280)
    left, top = (draw_of.randint(10, SIDE_PX - size - 10) for _ in range(2))
    box = (left, top, left + size, top + size)
    shade = tuple(min(255, max(0, part + draw_of.randint(-35, 35))) for part in kind.colour)
    if kind.shape == "circle":
        draw.ellipse(box, fill=shade)
    elif kind.shape == "square":
        draw.rectangle(box, fill=shade)
    else:
        corners = [(left, top + size), (left + size, top + size), (left + size // 2, top)]
        draw.polygon(corners, fill=shade)
    font = ImageFont.load_default(size // 3)
    middle = (left + size // 2, top + size * 5 // 8)
    draw.text(middle, kind.letter, fill="white", font=font, anchor="mm")
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def rendered_pictures(num: int, *, seed: int = 0) -> list[bytes]:
    """Return pictures of items, whose kinds take turns: item 0 is of `KINDS[0]`, and so on."""
    draw_of = random.Random(seed)
    return [render_picture(KINDS[number % len(KINDS)], draw_of) for number in range(num)]


def thumbnails_of(pictures: list[bytes]) -> list[bytes]:
    """Return the thumbnails that a worker with default settings would keep."""
    return [thumbnail_of(one, side_px=256, max_pixels=50_000_000) for one in pictures]
