"""Texts that are made of wordings: true, different, and an editor's where a folder has some."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import get_args

import pytest

from copywriter.brief import Language
from copywriter.tuning.invented import invent_item
from copywriter.tuning.made_texts import SHIPPED_WORDINGS, load_wordings, make_texts
from copywriter.verifier.check import check
from copywriter.writing.writer import WriterError

LANGUAGES = get_args(Language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_verifier_accepts_every_made_text(language: Language) -> None:
    texts = make_texts([language], each=150, seed=5)
    assert all(one.brief.language == language for one in texts)
    assert all(check(one.text, one.brief).is_accepted for one in texts)
    assert len({one.text for one in texts}) > 140
    assert {one.brief.kind for one in texts} > {"reason_line", "item_blurb", "newsletter"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_shipped_wording_is_used(tmp_path: Path, language: Language) -> None:
    """A wording that the verifier always rejects is an editor's mistake."""
    wordings = load_wordings(language)
    for kind, of_kind in wordings.items():
        for reason, texts in of_kind.items():
            for text in texts:
                file = f'[{kind}]\n{reason} = ["""{text}"""]\n'
                (tmp_path / f"{language}.toml").write_text(file, encoding="utf-8")
                assert len(make_texts([language], each=2, seed=1, folder=tmp_path)) == 2


def test_the_same_seed_makes_the_same_texts() -> None:
    assert make_texts(["zh"], each=20, seed=1) == make_texts(["zh"], each=20, seed=1)
    assert make_texts(["zh"], each=20, seed=1) != make_texts(["zh"], each=20, seed=2)


def test_a_wording_that_states_no_fact_is_refused(tmp_path: Path) -> None:
    lie = '[reason_line]\npopular = ["{title} won three prizes."]\n'
    (tmp_path / "en.toml").write_text(lie)
    with pytest.raises(WriterError, match=r"reason_line\.popular: the verifier rejects"):
        make_texts(["en"], each=1, seed=0, folder=tmp_path)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("[reason_line]\nnear = 3\n", "can't be read as wordings"),
        ('[reason_line]\nnear = ["{plot}"]\n', "no such slot"),
        ('[row_title]\nnone = ["{title}"]\n', "none of a kind and reason"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, file: str, message: str) -> None:
    (tmp_path / "en.toml").write_text(file)
    with pytest.raises(WriterError, match=message):
        make_texts(["en"], each=1, seed=0, folder=tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WriterError, match=str(SHIPPED_WORDINGS)):
        make_texts(["zh"], each=1, seed=0, folder=tmp_path)


def test_invented_titles_differ_in_form() -> None:
    draw = Random(0)
    items = [invent_item(draw) for _ in range(200)]
    assert len({one.title for one in items}) > 150
    assert len({len(one.title.split()) for one in items}) > 3
