"""What a sender can do to the gate, through the real cycle on planted data."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from cron.cycle import stages
from cron.cycle.cycle import run_cycle
from cron.errors import UnknownPanelKey
from cron.gate.tolerance import FEW_EVENTS
from cron.ledger import holds, metric_rows, release_rows, schema
from cron.ledger.ledger import open_ledger
from cron.lineage import Lease, Run
from cron.metrics.ledger_metrics import SANITY_ONLY
from cron.services import Services
from cron.settings.tree import GateSettings
from cron.snapshot.panel import PLAIN, Panel
from cron.snapshot.panel_key import own_panel, panel_by, panel_of
from recommender.records.events import Event, Item
from tests.workshop import (
    EASY,
    START,
    HereLauncher,
    event_records,
    send,
    with_gate,
)
from trainer.config import TrainConfig
from trainer.report import Evaluation, Scores, read_report, write_report

LATER = START + timedelta(days=30)


def live_panel(services: Services) -> Panel:
    live = release_rows.live(services.ledger)
    assert live is not None
    return panel_of(services.ledger, live.manifest)


def panel_user(services: Services, name: str) -> str:
    panel = live_panel(services)
    return next(
        user for user in (f"{name}-{number}" for number in range(1000)) if panel.holds(user)
    )


def test_an_event_without_choice_keeps_the_tolerance_tests(
    services: Services, lease: Lease
) -> None:
    """A panel user without choices sends one `dislike`: the gate judges as before."""
    gate = replace(EASY, min_users=13, min_events=60)
    services = with_gate(services, gate)
    shopper = panel_user(services, "shopper")
    send(
        services,
        [
            Event(event_id="cart", user_id=shopper, item_id="i5", type="dislike", at=LATER),
            Item(event_id="item", item_id="new", title="New", at=LATER),
        ],
    )
    run = run_cycle(services, lease)
    assert (run.mode, run.outcome) == ("items", "published")
    assert FEW_EVENTS not in {reason.name for reason in run.reasons}
    assert metric_rows.stored_metrics(services.ledger)[SANITY_ONLY] == 0
    assert run.metrics["panel_users"] >= gate.min_users


def test_a_too_small_panel_is_a_metric(services: Services, lease: Lease) -> None:
    assert metric_rows.stored_metrics(services.ledger)[SANITY_ONLY] == 0
    send(services, event_records(401, 500))
    assert run_cycle(with_gate(services, replace(EASY, min_users=1000)), lease).mode == "update"
    assert metric_rows.stored_metrics(services.ledger)[SANITY_ONLY] == 1


class Teller(HereLauncher):
    """Trains, then reports the candidate as good on the panel and as hopeless elsewhere."""

    def __init__(self, texts: Path, panel: Panel) -> None:
        super().__init__(texts)
        self._panel = panel

    def train(self, snapshot: Path, config: TrainConfig, out: Path, *, limit_s: float) -> Path:
        super().train(snapshot, config, out, limit_s=limit_s)
        users = tuple(f"user{number}" for number in range(60))
        none, flat = (None,) * len(users), (0.5,) * len(users)
        mine = tuple(0.5 * self._panel.holds(user) for user in users)
        models = {"candidate": mine, "live": flat, "popularity": (0.1,) * len(users)}
        told = Evaluation(
            user_ids=users,
            num_events=(10,) * len(users),
            num_ratings=(0,) * len(users),
            models={
                name: Scores(ndcg=ndcg, squared_error=none, coverage=0.5)
                for name, ndcg in models.items()
            },
        )
        file = out / "report.json"
        write_report(replace(read_report(file), panel=told, older=told), file)
        return out


def test_users_that_any_compared_model_saw_are_not_judged(services: Services, lease: Lease) -> None:
    """The live model knows the others by heart; what the candidate does for them does not count."""
    panel = live_panel(services)
    services = with_gate(services, replace(EASY, live_tolerance=0.01, older_tolerance=0.01))
    send(services, event_records(401, 500))
    run = run_cycle(replace(services, launcher=Teller(services.paths.texts, panel)), lease)
    assert (run.mode, run.outcome) == ("update", "published"), [
        reason.text for reason in run.reasons
    ]
    assert run.metrics["panel_users"] == sum(panel.holds(f"user{number}") for number in range(60))


def test_the_panel_key_stays_in_the_ledger(
    services: Services, lease: Lease, tmp_path: Path
) -> None:
    send(services, event_records(401, 500))
    assert run_cycle(services, lease).outcome == "published"
    panel = live_panel(services)
    assert panel.key == own_panel(services.ledger, share=1.0).key != PLAIN
    files = [
        file
        for name in ("var", "archives")
        for file in (tmp_path / "workshop" / name).rglob("*")
        if file.is_file()
    ]
    assert not any(panel.secret.encode() in file.read_bytes() for file in files), (
        "it is in the ledger alone"
    )
    with services.ledger.read() as connection:
        texts = [row.output for row in connection.execute(sa.select(schema.steps.c.output))]
        texts += [row.manifest for row in connection.execute(sa.select(schema.releases.c.manifest))]
    assert not any(panel.secret in text for text in texts)


def test_every_installation_has_a_secret_of_its_own(tmp_path: Path) -> None:
    ledgers = [open_ledger(f"sqlite:///{tmp_path}/{name}.db") for name in ("a", "b")]
    secrets = [own_panel(ledger, share=1.0).secret for ledger in ledgers]
    assert secrets[0] != secrets[1]
    assert min(map(len, secrets)) == 64
    for ledger in ledgers:
        ledger.close()
    again = open_ledger(f"sqlite:///{tmp_path}/a.db")
    assert own_panel(again, share=1.0).secret == secrets[0]
    again.close()


def test_a_panel_whose_key_is_not_ours_is_named(services: Services) -> None:
    with pytest.raises(
        UnknownPanelKey, match="the panel key 0123456789ab, and this ledger holds the key"
    ):
        panel_by(services.ledger, share=0.1, key="0123456789ab")


def test_a_plain_panel_stays_until_the_next_full_retrain(services: Services, lease: Lease) -> None:
    """Like after an upgrade: updates keep the plain hash, and the full retrain uses both."""
    with services.ledger.write() as connection:  # what a ledger from before the secret says
        row = connection.execute(
            sa.select(schema.releases.c.manifest).where(schema.releases.c.version == 1)
        ).one()
        manifest = {
            name: value for name, value in json.loads(row.manifest).items() if name != "panel_key"
        }
        connection.execute(
            schema.releases.update()
            .where(schema.releases.c.version == 1)
            .values(manifest=json.dumps(manifest))
        )
    send(services, event_records(401, 500))
    update = run_cycle(services, lease)
    assert update.outcome == "published"
    plain = live_panel(services)
    assert plain.key == PLAIN

    full = run_cycle(services, lease, force_full=True)
    assert (full.mode, full.outcome) == ("full", "published")
    keyed = live_panel(services)
    assert keyed.key == own_panel(services.ledger, share=1.0).key
    users = [f"user{number}" for number in range(60)]
    assert not _users(services, full, "events.parquet") & {
        user for user in users if plain.holds(user) or keyed.holds(user)
    }
    assert _users(services, full, "panel.parquet") <= {user for user in users if plain.holds(user)}

    send(services, event_records(501, 600))
    after = run_cycle(services, lease)
    assert (after.mode, after.outcome) == ("update", "published")
    assert _users(services, after, "panel.parquet") <= {user for user in users if keyed.holds(user)}


def _users(services: Services, run: Run, file: str) -> set[str]:
    return set(
        pq.read_table(stages.folder_of(services.paths, run) / "snapshot" / file)[
            "user_id"
        ].to_pylist()
    )


def test_many_events_of_one_user_do_not_make_an_item_popular(
    services: Services, lease: Lease
) -> None:
    live = release_rows.live(services.ledger)
    assert live is not None
    rare = live.manifest.popular[-1].item_id
    bot = next(
        user
        for user in (f"bot-{number}" for number in range(1000))
        if not live_panel(services).holds(user)
    )
    send(
        services,
        [
            Event(
                event_id=f"bot{n}",
                user_id=bot,
                item_id=rare,
                type="view",
                at=LATER + timedelta(seconds=n),
            )
            for n in range(800)
        ],
    )
    run = run_cycle(services, lease)
    assert (run.mode, run.outcome) == ("update", "published")
    after = release_rows.live(services.ledger)
    assert after is not None
    assert [item.item_id for item in after.manifest.popular].index(rare) > 10


def shifted_events(first: int, last: int) -> list[Event]:
    """Return events whose ratings are turned upside down."""
    return [
        replace(one, rating=7.0 - one.rating)
        for one in event_records(first, last)
        if isinstance(one, Event) and one.rating is not None
    ]


def test_a_shifted_mix_of_events_pauses_publishing(services: Services, lease: Lease) -> None:
    services = with_gate(services, replace(EASY, max_shift=0.5))
    send(services, event_records(401, 520))
    assert run_cycle(services, lease).outcome == "published", "more of the same is let through"
    assert metric_rows.stored_metrics(services.ledger)["data_shift:ratings"] < 0.2
    send(services, shifted_events(521, 660))
    run = run_cycle(services, lease)
    assert run.outcome == "held"
    hold = holds.current(services.ledger)
    assert hold is not None
    assert "the mix of ratings in events 561–700" in hold.reason
    assert "--exclude 561-700" in hold.reason
    assert metric_rows.stored_metrics(services.ledger)["data_shift:ratings"] > 0.5
    holds.resume(services.ledger)
    assert run_cycle(services, lease).outcome == "published", "who resumes has looked at them"


def test_a_shift_is_only_a_figure_by_default(services: Services, lease: Lease) -> None:
    assert GateSettings().max_shift is None
    send(services, shifted_events(401, 540))
    assert run_cycle(services, lease).outcome == "published"
    assert metric_rows.stored_metrics(services.ledger)["data_shift:ratings"] > 0.5
