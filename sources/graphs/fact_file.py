"""A file of facts, one per line, read as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from sources.cells.values import id_of
from sources.files.blocks import Blocks
from sources.files.folders import DataFolder
from sources.graphs.n_triples import read_n_triple
from sources.graphs.triple_tables import Places, places_of, read_row
from sources.interactions import record_id
from sources.source import RawRecord, Reject, SourceError
from sources.tables.rows import no_good_row, text_lines

N_TRIPLES = (".nt", ".nt.gz")
LINK = ".link"
# RecBole 1.2.1's `ml-100k.link`
_WRONG_LINK = "524dca2c3d62619688ab99b3ec53ea2acb9b64d38eafec3e02bdd0dc6bb7d948"
WRONG_LINK = (
    "RecBole's ml-100k.link has the ids of MovieLens 1M, so these facts are about other films; "
    "ingest the graph of `python -m deploy.machine.demo_graph` instead"
)
EXPECTED_FACT = "head, relation and tail, none of them empty"
Triple = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactFile:
    """The facts of a file, which is read again at each iteration.

    `items` are the ids of the items that entities stand for. `places` are the columns of a table,
    and None for N-Triples.
    """

    folder: DataFolder
    file: str
    places: Places | None
    items: Mapping[str, str]
    sha256: str = ""
    num_facts: int = 0
    rejects: tuple[Reject, ...] = ()
    warnings: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[RawRecord]:
        for line, triple in self._triples(Blocks(self.folder, self.file)):
            if triple is not None:
                head, relation, tail = triple
                yield {
                    "event_id": record_id(self.sha256, line),
                    "head": self.items.get(head, head),
                    "relation": relation,
                    "tail": self.items.get(tail, tail),
                }

    def check_facts(self) -> FactFile:
        """Return the file with the number of its facts; raise SourceError if it has none."""
        blocks, num_facts, rejects = Blocks(self.folder, self.file), 0, list[Reject]()
        for line, triple in self._triples(blocks):
            if triple is None:
                rejects.append(Reject(file=self.file, line=line, reason=EXPECTED_FACT))
            else:
                num_facts += 1
        if num_facts == 0:
            raise no_good_row(self.folder, self.file, rejects, "at least one fact")
        return replace(self, sha256=blocks.sha256, num_facts=num_facts, rejects=tuple(rejects))

    def _triples(self, blocks: Blocks) -> Iterator[tuple[int, Triple | None]]:
        """Yield the line and the triple of each row; None for a row that is not a fact."""
        read = _reader(self.places)
        for line, text in enumerate(text_lines(blocks), start=1):
            row = text.strip("\r\n")
            is_header = self.places is not None and line == 1
            if is_header or not row.strip() or (self.places is None and row[0] == "#"):
                continue
            yield line, _whole(read(row))


def is_fact_file(folder: DataFolder, file: str) -> bool:
    """Return whether a file's name or header says that it has facts."""
    if file.lower().endswith(N_TRIPLES):
        return True
    return places_of(file, folder.first_line(file)) is not None


def read_facts(folder: DataFolder, file: str) -> FactFile:
    """Open a file of facts, and the file beside it that links items; raise SourceError."""
    places = None
    if not file.lower().endswith(N_TRIPLES):
        header = folder.first_line(file)
        places = places_of(file, header)
        if places is None:
            raise SourceError(
                folder.path_of(file),
                line=1,
                found=repr(header[:80]),
                expected="a header with the columns head, relation and tail",
            )
    items, is_wrong = _linked_items(folder, file)
    facts = FactFile(
        folder=folder,
        file=file,
        places=places,
        items=items,
        warnings=(WRONG_LINK,) if is_wrong else (),
    )
    return facts.check_facts()


def _whole(triple: Triple | None) -> Triple | None:
    """Return a triple of ids; None if one of them is none."""
    if triple is None:
        return None
    head, relation, tail = map(id_of, triple)
    return (head, relation, tail) if head and relation and tail else None


def _reader(places: Places | None) -> Callable[[str], Triple | None]:
    if places is None:
        return read_n_triple
    return lambda row: read_row(row, places)


def _linked_items(folder: DataFolder, file: str) -> tuple[Mapping[str, str], bool]:
    """Return the item of each entity, from `.link` beside the file, and whether it is wrong."""
    link = folder.sole(file.lower().removesuffix(".gz").rpartition(".")[0] + LINK)
    if link is None:
        return {}, False
    header = [name.partition(":")[0].strip() for name in folder.first_line(link).split("\t")]
    if not {"item_id", "entity_id"} <= set(header):
        raise SourceError(
            folder.path_of(link),
            line=1,
            found=repr("\t".join(header)[:80]),
            expected="a header with the columns item_id and entity_id",
        )
    item_at, entity_at = header.index("item_id"), header.index("entity_id")
    items: dict[str, str] = {}
    blocks = Blocks(folder, link)
    for line, text in enumerate(text_lines(blocks), start=1):
        cells = text.rstrip("\r\n").split("\t")
        if line > 1 and len(cells) == len(header):
            items[cells[entity_at].strip()] = cells[item_at].strip()
    return items, blocks.sha256 == _WRONG_LINK
