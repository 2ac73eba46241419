"""Lines of text from blocks of bytes, of which at most one line is held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sources.feeds.product import FeedError
from sources.files.decoding import as_text

MAX_LINE_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"


def text_lines(blocks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a text, with their line breaks, as UTF-8 or else as Windows-1252.

    Raise FeedError for a line of over 1 MiB.
    """
    rest, num_lines, is_first = b"", 0, True
    for block in blocks:
        text = rest + (block.removeprefix(_BOM) if is_first else block)
        is_first = False
        *whole, rest = text.split(b"\n")
        for line in whole:
            num_lines += 1
            yield as_text(line) + "\n"
        if len(rest) > MAX_LINE_BYTES:
            raise FeedError(
                line=num_lines + 1,
                found=f"a line of over {MAX_LINE_BYTES >> 20} MiB",
                expected="one item on each line",
            )
    if rest:
        yield as_text(rest)
