"""The digest of the rules changes with any rule or word, and with nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import copywriter
from copywriter.verifier.rules_digest import digest_of_rules, rules_digest


def test_the_digest_changes_with_a_word(tmp_path: Path) -> None:
    package = Path(copywriter.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    for room in ("verifier", "wording", "templates"):
        shutil.copytree(package / room, tmp_path / room, ignore=ignored)
    assert digest_of_rules(tmp_path) == rules_digest()
    with (tmp_path / "templates" / "english.py").open("a") as stream:
        stream.write("# other\n")
    assert digest_of_rules(tmp_path) == rules_digest()
    with (tmp_path / "wording" / "phrasing_english.py").open("a") as stream:
        stream.write("# other\n")
    assert digest_of_rules(tmp_path) != rules_digest()
