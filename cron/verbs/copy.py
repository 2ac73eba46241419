"""`copy`: texts about items: what was written, an editor's decisions, writers."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Literal, cast

import msgspec

from copywriter.verifier.check import check
from cron.copy.live_writer import awaits_release
from cron.copy.release_writer import WriterRelease, release_writer
from cron.copy.serving import roll_back_and_load
from cron.copy.writer_gate import WriterScores, WriterVerdict
from cron.cycle.signing_key import signing_key
from cron.ledger import copy_cost_rows, copy_rows, wanted_rows, writer_rows
from cron.ledger.copy_rows import StoredCopy
from cron.ledger.ledger import Ledger
from cron.ledger.writer_rows import KnownWriter
from cron.metrics.copy_report import copy_report
from cron.settings.file import Loaded
from cron.settings.places import var_folder
from cron.settings.tree import Settings
from cron.verbs.actions import add_action
from cron.verbs.copy_tuning import add_tuning, tune_model, write_texts
from cron.verbs.numbers import whole_number
from cron.verbs.person import person_name
from cron.verbs.table import clock, show_json, table
from cron.wiring import open_artifacts, open_copy_server, open_ledger

SUMMARY = "release writers of texts about items, and pin, edit or ban what they wrote"

_HEADER = ("brief", "written (UTC)", "by", "text")
_DAY_H = 24
_DECIDED = {
    "pin": "the text stays, whoever writes later",
    "edit": "your text is shown",
    "ban": "no writer's text is shown for this brief; its template is",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = add_action(actions, "list", "list the newest texts of the live writer")
    listing.add_argument(
        "--only", choices=("all", "rejected", "edited"), default="all", help="default: all"
    )
    listing.add_argument("--num", type=whole_number, default=20, help="how many (default: 20)")
    listing.add_argument("--json", action="store_true", help="print JSON")
    for name, summary in (
        ("pin", "keep a text as it is, whoever writes later"),
        ("ban", "never show a text for this brief; its template is shown"),
        ("undo", "delete what an editor decided"),
    ):
        deciding = add_action(actions, name, summary)
        deciding.add_argument("brief", metavar="BRIEF", help="a brief's digest, as in `copy list`")
    editing = add_action(actions, "edit", "show your own text for a brief, whoever writes later")
    editing.add_argument("brief", metavar="BRIEF", help="a brief's digest, as in `copy list`")
    editing.add_argument("text", metavar="TEXT", help="your text")
    writers = add_action(actions, "writers", "list the writers and what they cost")
    writers.add_argument("--json", action="store_true", help="print JSON")
    releasing = add_action(actions, "release", "judge the writer of the settings, and make it live")
    releasing.add_argument("--model", help="a model in place of copy.model, as `copy tune` made")
    add_tuning(actions)
    add_action(actions, "rollback", "make the writer before the live one live again")


def run(arguments: argparse.Namespace, loaded: Loaded) -> int:
    """Do one action."""
    settings = loaded.settings
    ledger = open_ledger(settings.store.ledger)
    match arguments.action:
        case "list":
            _list(arguments, ledger)
        case "writers":
            _list_writers(ledger, settings, as_json=arguments.json)
        case "release":
            verdict = release_writer(_release_of(settings, ledger, model=arguments.model))
            print(f"the writer is live: {verdict.why}\n{_scores_line(verdict.scores)}")
        case "rollback":
            _roll_back(ledger, settings)
        case "tune":
            tune_model(arguments, settings, ledger)
        case "accepted":
            write_texts(arguments, settings, ledger)
        case _:
            _decide(arguments, ledger)
    return 0


def _release_of(settings: Settings, ledger: Ledger, *, model: str | None) -> WriterRelease:
    var = var_folder(settings)
    return WriterRelease(
        settings=settings.copy if model is None else replace(settings.copy, model=model),
        ledger=ledger,
        artifacts=open_artifacts(settings.store.artifacts),
        open_server=lambda: open_copy_server(settings),
        var=var,
        signing_key=signing_key(var) if settings.release.sign_archives else None,
    )


def _roll_back(ledger: Ledger, settings: Settings) -> None:
    done = roll_back_and_load(
        ledger,
        lambda: open_copy_server(settings),
        open_artifacts(settings.store.artifacts),
    )
    if done.live is None:
        print("templates alone are shown now")
        return
    print(f"the writer {done.live.name} is live")
    if done.not_loaded is not None:
        print(f"its stored texts are shown; the worker loads it later: {done.not_loaded}")


def _decide(arguments: argparse.Namespace, ledger: Ledger) -> None:
    digest = arguments.brief
    if arguments.action == "undo":
        copy_rows.undo(ledger, digest)
        print("the editor's decision is deleted; the live writer's text or the template is shown")
        return
    text = arguments.text if arguments.action == "edit" else None
    action = cast(Literal["pin", "edit", "ban"], arguments.action)
    copy_rows.decide(ledger, digest, action, text, by=person_name())
    print(_DECIDED[action])
    if text is not None:
        for violation in check(text, copy_rows.brief_of(ledger, digest)).violations:
            print(f"  the verifier objects ({violation.rule}): {violation.words}")


def _list(arguments: argparse.Namespace, ledger: Ledger) -> None:
    only = cast(Literal["all", "rejected", "edited"], arguments.only)
    found = copy_rows.newest(ledger, arguments.num, only=only)
    if arguments.json:
        show_json([_as_json(one) for one in found])
        return
    if not found:
        print("no text yet; texts are written after a list was asked for with copy=true")
        return
    print(table(_HEADER, [row for one in found for row in _rows(one)]))


def _rows(one: StoredCopy) -> list[list[str]]:
    """Return a row for what is shown, and one for each rejected text with its reasons."""
    by = one.action or one.source
    made_at = "" if one.made_at is None else clock(one.made_at)
    rows = [[one.digest, made_at, by, one.shown_text or "–"]]
    for rejected in one.rejected:
        reasons = ", ".join(f"{broken.rule}: {broken.words}" for broken in rejected.violations)
        rows.append(["", "", "rejected", f"{rejected.text} ({reasons})"])
    return rows


def _as_json(one: StoredCopy) -> dict[str, object]:
    return {
        "brief": one.digest,
        "content": msgspec.to_builtins(one.brief),
        "text": one.text,
        "rejected": msgspec.to_builtins(one.rejected),
        "made_at": None if one.made_at is None else one.made_at.isoformat(),
        "action": one.action,
        "edited_text": one.edited_text,
    }


def _list_writers(ledger: Ledger, settings: Settings, *, as_json: bool) -> None:
    writers, live = writer_rows.every(ledger), writer_rows.live(ledger)
    cost, rules = copy_cost_rows.last_hours(ledger, _DAY_H), copy_cost_rows.by_rule(ledger)
    if as_json:
        show_json(
            {
                "writers": [_writer_json(one, live) for one in writers],
                "last_24_h": msgspec.to_builtins(cost),
                "rules": dict(rules),
                "num_wanted": wanted_rows.count(ledger),
            }
        )
        return
    for one in writers:
        mark = "live" if live is not None and one.digest == live.digest else "    "
        version = "" if one.version is None else f" version {one.version}"
        print(f"{mark}  {one.name}{version}  {one.digest[:12]}  {clock(one.added_at)}")
        if one.verdict is not None:
            print(f"      {_scores_line(_verdict(one.verdict).scores)}")
    if not writers:
        print("no writer yet; set copy.writer, then run: python -m cron copy release")
    print(
        f"last 24 h: {cost.num_written} texts and {cost.num_templates} templates in "
        f"{cost.seconds:.0f} s, {cost.prompt_tokens + cost.output_tokens} tokens, cost "
        f"{cost.cost:.4f}; {wanted_rows.count(ledger)} briefs wait"
    )
    if live is not None:
        awaits = awaits_release(settings.copy, ledger)
        print(copy_report(ledger, settings.copy, awaits_release=awaits).writing_line)
    for rule, number in rules.items():
        print(f"  broke the rule {rule}: {number} texts")


def _scores_line(scores: WriterScores) -> str:
    return (
        f"on {scores.num_briefs} briefs: {scores.precision:.0%} accepted at once, "
        f"{scores.fallback_share:.0%} templates, {scores.distinct_share:.0%} distinct, "
        f"{scores.mean_chars:.0f} characters, {scores.texts_per_s:.2f} texts/s"
    )


def _writer_json(one: KnownWriter, live: KnownWriter | None) -> dict[str, object]:
    verdict = None if one.verdict is None else msgspec.to_builtins(_verdict(one.verdict))
    return {
        "digest": one.digest,
        "name": one.name,
        "version": one.version,
        "added_at": one.added_at.isoformat(),
        "is_live": live is not None and one.digest == live.digest,
        "verdict": verdict,
    }


def _verdict(text: str) -> WriterVerdict:
    return msgspec.json.decode(text, type=WriterVerdict)
