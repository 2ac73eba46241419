"""A file of facts alone: RecBole's `.kg`, a CSV or TSV of triples, or N-Triples."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sources.files.folders import DataFolder
from sources.gathering import Gathering
from sources.graphs.fact_file import N_TRIPLES, is_fact_file, read_facts
from sources.graphs.triple_tables import RECBOLE, TABLES
from sources.source import Source
from sources.tables.rows import raw_rows

FILES = "facts.csv or NAME.nt"
_INTER = (".inter", ".inter.gz")
_EVENTS = "events."  # of own tables


def sets_in(folder: DataFolder) -> list[str]:
    """Return the chosen file of facts, or those of a folder that belong to no other data set."""
    if folder.chosen is not None:
        return [folder.chosen] if _may_have_facts(folder, folder.chosen) else []
    if any(_has_events(name.lower()) for name in folder.names):
        return []  # the facts beside them are read with them
    names = [name for name in sorted(folder.names) if _is_named_for_facts(name)]
    return [name for name in names if _may_have_facts(folder, name)]


def read_source(folder: DataFolder, file: str) -> Source:
    """Read a file of facts; raise SourceError when it can't be read or has no fact."""
    facts = read_facts(folder, file)
    return Source(
        name=f"facts ({file})",
        items=(),
        num_items=0,
        items_file="",
        events_path=folder.path_of(file),
        called={},
        events=Gathering().interactions(file, facts.sha256)[0],
        facts=facts,
        num_facts=facts.num_facts,
        facts_file=file,
        rejects=facts.rejects,
        warnings=facts.warnings,
        read_rejects=partial(raw_rows, folder),
    )


def with_facts(source: Source, folder: DataFolder, file: str | None) -> Source:
    """Return a data set with the facts of a file beside it; raise SourceError."""
    if file is None:
        return source
    facts = read_facts(folder, file)
    return replace(
        source,
        name=f"{source.name.removesuffix(')')}, {file})",
        facts=facts,
        num_facts=facts.num_facts,
        facts_file=file,
        rejects=(*source.rejects, *facts.rejects),
        warnings=(*source.warnings, *facts.warnings),
    )


def _has_events(name: str) -> bool:
    return name.endswith(_INTER) or name.startswith(_EVENTS)


def _is_named_for_facts(name: str) -> bool:
    lower = name.lower()
    is_table = lower.endswith(TABLES) and lower.startswith("facts.")
    return is_table or lower.endswith((*RECBOLE, *N_TRIPLES))


def _may_have_facts(folder: DataFolder, name: str) -> bool:
    is_named = name.lower().endswith((*RECBOLE, *TABLES, *N_TRIPLES))
    return is_named and is_fact_file(folder, name)
