"""Lines of N-Triples (W3C, RDF 1.1): a subject, a property and an object.

A resource is the entity with its IRI as id. A literal is a tail of its text. Labels in English, or
without a language, become the relation `name`; labels in other languages keep their property.
"""

from __future__ import annotations

import re

NAME = "name"  # as in `recommender.records.facts`
_LABELS = frozenset(
    {
        "http://www.w3.org/2000/01/rdf-schema#label",
        "http://www.w3.org/2004/02/skos/core#prefLabel",
        "http://schema.org/name",
        "https://schema.org/name",
        "http://xmlns.com/foaf/0.1/name",
    }
)
_LINE = re.compile(
    r"\s*(?:<(?P<subject>[^<>\"{}|^`\\\s]+)>|(?P<blank>_:\S+))"
    r"\s*<(?P<property>[^<>\"{}|^`\\\s]+)>"
    r"\s*(?:<(?P<object>[^<>\"{}|^`\\\s]+)>|(?P<blank_object>_:[^\s.]\S*?)"
    r'|"(?P<literal>(?:[^"\\]|\\.)*)"(?:@(?P<language>[A-Za-z0-9-]+)|\^\^<[^<>\s]*>)?)'
    r"\s*\.\s*(?:#.*)?"
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_BLANKS = {"t": " ", "n": " ", "r": " ", "b": " ", "f": " "}


def read_n_triple(line: str) -> tuple[str, str, str] | None:
    """Return the triple of a line; None if it is not one."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    head = found["subject"] or found["blank"]
    relation = found["property"]
    literal = found["literal"]
    if literal is None:
        return head, relation, found["object"] or found["blank_object"]
    is_english = found["language"] is None or found["language"].lower().split("-")[0] == "en"
    if relation in _LABELS and is_english:
        relation = NAME
    return head, relation, " ".join(_ESCAPE.sub(_unescape, literal).split())


def _unescape(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    if code is None:
        return _BLANKS.get(found[3], found[3])
    number = int(code, 16)
    return chr(number) if number <= 0x10FFFF else ""
