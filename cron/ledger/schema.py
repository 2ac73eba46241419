"""The ledger's tables as queries use them. A change also needs a step in `migrations`.

SQLAlchemy Core, so that the same statements run on SQLite (one machine) and PostgreSQL (several).
Times are aware UTC in ISO 8601, which sorts as text; structured values are JSON text.
"""

from __future__ import annotations

import sqlalchemy as sa

from cron.ledger import copy_tables, experiment_tables, picture_tables

metadata = experiment_tables.metadata
arm_answers = experiment_tables.arm_answers
experiment_days = experiment_tables.experiment_days
experiment_progress = experiment_tables.experiment_progress
experiment_visitors = experiment_tables.experiment_visitors
experiments = experiment_tables.experiments
exploration_prices = experiment_tables.exploration_prices
copy_edits = copy_tables.copy_edits
copy_hours = copy_tables.copy_hours
copy_rules = copy_tables.copy_rules
copy_shown = copy_tables.copy_shown
copy_texts = copy_tables.copy_texts
copy_wanted = copy_tables.copy_wanted
copy_writers = copy_tables.copy_writers
item_pictures = picture_tables.item_pictures
more_pictures = picture_tables.more_pictures
picture_place = picture_tables.picture_place
pictures = picture_tables.pictures

Row = sa.Row[tuple[object, ...]]

segments = sa.Table(
    "segments",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("first_seq", sa.BigInteger, nullable=False, unique=True),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    sa.Column("num_events", sa.BigInteger, nullable=False),
    sa.Column("num_items", sa.BigInteger, nullable=False),
    sa.Column("last_at", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False, server_default="0"),
)

# one row, id 1: the present state
desk = sa.Table(
    "desk",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("log_cursor", sa.Text, nullable=False, server_default=""),
    # stays when segments are dropped
    sa.Column("last_seq", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("next_version", sa.Integer, nullable=False, server_default="1"),  # 0 is the baseline
    sa.Column("live", sa.Integer),
    sa.Column("switching_to", sa.Integer),
    sa.Column("switch_kind", sa.Text),
    sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
    sa.Column("hold_reason", sa.Text),
    sa.Column("hold_since", sa.Text),
    sa.Column("exploration_measured_at", sa.Text),
)

# one row, id 1
lease = sa.Table(
    "lease",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False, server_default=""),
    sa.Column("token", sa.Integer, nullable=False, server_default="0"),
    sa.Column("expires_at", sa.Text, nullable=False, server_default=""),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("mode", sa.Text),
    sa.Column("outcome", sa.Text),
    sa.Column("reasons", sa.Text, nullable=False, server_default="[]"),
    sa.Column("figures", sa.Text, key="metrics", nullable=False, server_default="{}"),
    sa.Column("supersedes", sa.Integer),
    sa.Column("version", sa.Integer),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("ended_at", sa.Text),
    sa.Column("count", sa.Integer, nullable=False, server_default="1"),
    sa.Column("device_s", sa.Float),
    sa.Column("cost", sa.Float),
)
_IS_OPEN = runs.c.outcome.is_(None)
sa.Index("open_runs", runs.c.run_id, sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN)

# machines of worker.machines, around trainings; price: of a machine and hour
rentals = sa.Table(
    "rentals",
    metadata,
    sa.Column("rental_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.Integer, nullable=False),
    sa.Column("machines", sa.Text, nullable=False),
    sa.Column("num_asked", sa.Integer, nullable=False),
    sa.Column("num_joined", sa.Integer, nullable=False, server_default="0"),
    sa.Column("price", sa.Float, nullable=False, server_default="0"),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("joined_at", sa.Text),
    sa.Column("stopped_at", sa.Text),
)

steps = sa.Table(
    "steps",
    metadata,
    sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("output", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
)

# every archive that was put into the store; it is a release once published_at is set
releases = sa.Table(
    "releases",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("published_at", sa.Text),
    sa.Column("rolled_back_at", sa.Text),
    sa.Column("archive_gone", sa.Boolean, nullable=False, server_default=sa.false()),
)

RELEASED = releases.c.published_at.is_not(None)
_NUM_NAMED = 20  # versions that a message lists

excluded = sa.Table(
    "excluded",
    metadata,
    sa.Column("first_seq", sa.BigInteger, primary_key=True),
    sa.Column("last_seq", sa.BigInteger, primary_key=True),
)

quality = sa.Table(
    "quality",
    metadata,
    sa.Column("run_id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer),
    sa.Column("ndcg", sa.Float, nullable=False),
    sa.Column("rmse", sa.Float),
    sa.Column("num_users", sa.Integer, nullable=False),
    sa.Column("num_events", sa.Integer, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)

# counters and gauges that outlive a process: missed ticks, failed switches, seconds of the last
# rollback; the table and the column of runs are called "figures"
metrics = sa.Table(
    "figures",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
)

# drawn once per installation; never shown, and needed for as long as the ledger exists
secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# users who asked to be forgotten, by the hash of `cron.user_keys`; erased_at: when the last of
# their events was erased from the journal
forgotten = sa.Table(
    "forgotten",
    metadata,
    sa.Column("user_key", sa.Text, primary_key=True),
    sa.Column("up_to_us", sa.BigInteger, nullable=False),
    sa.Column("through_seq", sa.BigInteger, nullable=False),
    sa.Column("asked_at", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("erased_at", sa.Text),
    sa.Column("num_erased", sa.BigInteger, nullable=False, server_default="0"),
)
_NOT_ERASED = forgotten.c.erased_at.is_(None)
sa.Index("not_erased", forgotten.c.user_key, sqlite_where=_NOT_ERASED, postgresql_where=_NOT_ERASED)

# the gateway's keys, each by its SHA-256; a revoked one keeps its row
api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("origins", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("revoked_at", sa.Text),
)

# what people decided about what is live
decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("version", sa.Integer),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("why", sa.Text),
)

# placements that were written over the gateway's API; the newest change of a name applies
placement_changes = sa.Table(
    "placement_changes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("before", sa.Text),  # JSON; null for no placement
    sa.Column("after", sa.Text),
)

# how many events were collected, by hour since 1970; num_named: those that name a list
event_hours = sa.Table(
    "event_hours",
    metadata,
    sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("num_events", sa.BigInteger, nullable=False),
    sa.Column("num_named", sa.BigInteger, nullable=False),
)

# how many events name a list of recommendations that a release made
list_events = sa.Table(
    "list_events",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("num_events", sa.BigInteger, nullable=False),
)

# files of slates; a dropped one keeps its row until its file is deleted; explored: JSON, null if
# not counted yet
slate_segments = sa.Table(
    "slate_segments",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("first_at", sa.Text, nullable=False),
    sa.Column("last_at", sa.Text, nullable=False),
    sa.Column("num_slates", sa.BigInteger, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("is_dropped", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("explored", sa.Text),
)

# how many slates were collected, by hour since 1970
slate_hours = sa.Table(
    "slate_hours",
    metadata,
    sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("num_slates", sa.BigInteger, nullable=False),
    sa.Column("num_fallbacks", sa.BigInteger, nullable=False),
)

# choices of the Personalizer calls that wait for their rewards; slot_id is empty where there is
# one choice alone
ranked_events = sa.Table(
    "ranked_events",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("slot_id", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("reward", sa.Float),
    sa.Column("example", sa.LargeBinary, nullable=False),
)
_IS_REWARDED = ranked_events.c.reward.is_not(None)
sa.Index("ranked_at", ranked_events.c.at)
sa.Index(
    "rewarded",
    ranked_events.c.event_id,
    sqlite_where=_IS_REWARDED,
    postgresql_where=_IS_REWARDED,
)

# the model that learns from them, and what its choices were worth (JSON)
contextual_models = sa.Table(
    "contextual_models",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("num_learned", sa.BigInteger, nullable=False),
    sa.Column("weights", sa.LargeBinary, nullable=False),
    sa.Column("totals", sa.Text, nullable=False),
)

# versions that stay loaded beside the live one, and what needs each
side_versions = sa.Table(
    "side_versions",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("needed_by", sa.Text, primary_key=True),
    sa.Column("since", sa.Text, nullable=False),
)

# candidates that answer users, or in the background, before they are live; after_seq: the journal's
# last number at the start; measured: JSON of the arms' sums when they were last computed; verdict
# and why before ended_at: how a person wants it to end
trials = sa.Table(
    "trials",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("run_id", sa.Integer, nullable=False),
    sa.Column("live", sa.Integer, nullable=False),
    sa.Column("canary_share", sa.Float, nullable=False),
    sa.Column("shadow_share", sa.Float, nullable=False),
    sa.Column("after_seq", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("ended_at", sa.Text),
    sa.Column("verdict", sa.Text),
    sa.Column("why", sa.Text),
    sa.Column("measured_at", sa.Text),
    sa.Column("measured", sa.Text),
)

# lists that a candidate made in the background, beside those of the live release
shadow_answers = sa.Table(
    "shadow_answers",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("num_compared", sa.BigInteger, nullable=False),
    sa.Column("num_errors", sa.BigInteger, nullable=False),
    sa.Column("num_dropped", sa.BigInteger, nullable=False),
    sa.Column("overlap", sa.Float, nullable=False),
    sa.Column("rank_overlap", sa.Float, nullable=False),
    sa.Column("live_seconds", sa.Float, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
)

# what shown items earned, as sums; num_lists and num_rewards count all that were ever read;
# cursor: the place in the log up to which they were, at read_at; item_ids: a JSON list
posteriors = sa.Table(
    "posteriors",
    metadata,
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("cursor", sa.Text, nullable=False),
    sa.Column("read_at", sa.Text, nullable=False),
    sa.Column("num_lists", sa.BigInteger, nullable=False),
    sa.Column("num_rewards", sa.BigInteger, nullable=False),
    sa.Column("num_items", sa.BigInteger, nullable=False),
    sa.Column("item_ids", sa.Text, nullable=False),
    sa.Column("sums", sa.LargeBinary, nullable=False),
)


def newest_versions(connection: sa.Connection) -> list[int]:
    """Return the newest versions that are or were live, ascending, as many as a message lists."""
    newest = (
        sa.select(releases.c.version)
        .where(RELEASED)
        .order_by(releases.c.version.desc())
        .limit(_NUM_NAMED)
    )
    return sorted(connection.execute(newest).scalars())
