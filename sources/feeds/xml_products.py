"""Products of XML feeds: RSS 2.0 and Atom, with Google's namespace `g` or without it.

The parser is expat, which keeps only the product that it reads. A document type declaration is
refused where it begins, so there are no entities to expand or to fetch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NoReturn
from xml.parsers import expat

from sources.feeds.product import MAX_PRODUCT_CHARS, FeedError, FeedProduct, field_name

_GOOGLE, _ATOM = "http://base.google.com/ns/1.0", "http://www.w3.org/2005/Atom"
_NO_NAMESPACE = ""
_ROOTS = {(_NO_NAMESPACE, "rss"), (_ATOM, "feed"), (_NO_NAMESPACE, "feed")}
_PRODUCTS = {(_NO_NAMESPACE, "item"), (_ATOM, "entry"), (_NO_NAMESPACE, "entry")}
# Of RSS and Atom themselves. Their other elements are about the entry, not about the product.
_OF_FEED = {"summary": "description", "content": "description"}
_IGNORED = {
    _NO_NAMESPACE: {"author", "category", "comments", "enclosure", "guid", "pubDate", "source"},
    _ATOM: {"author", "category", "contributor", "published", "rights", "source", "updated"},
}
_MAX_DEPTH = 64
_TOO_LARGE = (f"over {MAX_PRODUCT_CHARS:,} characters", "a product of at most that many")


def xml_products(blocks: Iterable[bytes]) -> Iterator[FeedProduct]:
    """Yield the products of a feed; raise FeedError when it is not well-formed, or not a feed."""
    reader = _ProductParser()
    for block in blocks:
        yield from reader.read(block, is_last=False)
    yield from reader.read(b"", is_last=True)


class _ProductParser:
    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._add_text
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.EntityDeclHandler = self._refuse_doctype
        self._parser.ExternalEntityRefHandler = self._refuse_doctype
        self._depth = 0
        self._whole: list[FeedProduct] = []
        self._product: _OpenProduct | None = None

    def read(self, block: bytes, *, is_last: bool) -> Sequence[FeedProduct]:
        """Return the products that end in a block."""
        try:
            self._parser.Parse(block, is_last)
        except expat.ExpatError as error:
            raise FeedError(
                line=error.lineno,
                found=f"what is not well-formed XML ({expat.ErrorString(error.code)})",
                expected="a whole feed; fetch or send it again",
            ) from error
        except FeedError:
            raise
        except (LookupError, ValueError) as error:  # of Python's codecs
            raise FeedError(
                line=1, found=f"an encoding that can't be read ({error})", expected="UTF-8"
            ) from error
        products, self._whole = self._whole, []
        return products

    def _refuse_doctype(self, *_: object) -> NoReturn:
        raise FeedError(
            line=self._parser.CurrentLineNumber,
            found="a document type declaration",
            expected="a feed without one, since it may define entities",
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        element = _element(name)
        if self._depth == 0 and element not in _ROOTS:
            raise FeedError(
                line=self._parser.CurrentLineNumber,
                found=f"the element {element[1][:64]!a}",
                expected="rss or feed, the first element of a product feed",
            )
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise FeedError(
                line=self._parser.CurrentLineNumber,
                found=f"over {_MAX_DEPTH} elements inside each other",
                expected="a product feed",
            )
        if self._product is not None:
            self._product.start(element, attributes)
        elif element in _PRODUCTS:
            self._product = _OpenProduct(self._parser.CurrentLineNumber)

    def _end(self, _: str) -> None:
        self._depth -= 1
        if self._product is not None and self._product.end():
            self._whole.append(self._product.product())
            self._product = None

    def _add_text(self, text: str) -> None:
        if self._product is not None:
            self._product.add_text(text)


class _OpenProduct:
    """A product of which a part was read."""

    def __init__(self, line: int) -> None:
        self._line = line
        self._num_chars = 0
        self._google: dict[str, list[str]] = {}
        self._plain: dict[str, list[str]] = {}
        self._path: list[tuple[str, str]] = []  # the elements that are open inside the product
        self._href = ""
        self._text: list[str] = []
        self._parts: list[str] = []  # of a group such as `shipping`

    def start(self, element: tuple[str, str], attributes: dict[str, str]) -> None:
        if not self._path:
            self._href = attributes.get("href", "") if _is_own_link(attributes) else ""
            self._num_chars += len(self._href)
            self._parts = []
        self._path.append(element)
        self._text = []

    def end(self) -> bool:
        """Close the innermost element; return whether that was the product itself."""
        if not self._path:
            return True
        element, text = self._path.pop(), "".join(self._text).strip()
        self._text = []
        if self._path:
            if text:
                self._parts.append(text)
        else:
            self._add_field(element, ":".join(self._parts) or text or self._href)
        return False

    def add_text(self, text: str) -> None:
        self._num_chars += len(text)
        if self._num_chars <= MAX_PRODUCT_CHARS:
            self._text.append(text)

    def product(self) -> FeedProduct:
        problem = _TOO_LARGE if self._num_chars > MAX_PRODUCT_CHARS else None
        return FeedProduct(line=self._line, fields=self._plain | self._google, problem=problem)

    def _add_field(self, element: tuple[str, str], value: str) -> None:
        namespace, name = element
        fields = self._google if namespace == _GOOGLE else self._plain
        is_ours = namespace in (_GOOGLE, _ATOM, _NO_NAMESPACE)
        is_of_feed = name in _IGNORED.get(namespace, ())
        if value and is_ours and not is_of_feed:
            plain = field_name(name)
            own = plain if namespace == _GOOGLE else _OF_FEED.get(plain, plain)
            fields.setdefault(own, []).append(value)


def _element(name: str) -> tuple[str, str]:
    """Return namespace and local name."""
    namespace, _, local = name.rpartition(" ")
    return namespace, local


def _is_own_link(attributes: dict[str, str]) -> bool:
    return attributes.get("rel", "alternate") == "alternate"
