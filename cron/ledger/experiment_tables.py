"""The ledger's tables of experiments, as `cron.ledger.schema` names them."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()  # of all tables

# experiments; draft: JSON of what was asked for; range_begin: the begin of their part of the layer;
# measured: JSON of the arms' sums when they were last computed
experiments = sa.Table(
    "experiments",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("draft", sa.Text, nullable=False),
    sa.Column("range_begin", sa.Float, nullable=False),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("started_by", sa.Text, nullable=False),
    sa.Column("after_seq", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.Text),
    sa.Column("ended_by", sa.Text),
    sa.Column("why", sa.Text),
    sa.Column("winner", sa.Text),
    sa.Column("measured_at", sa.Text),
    sa.Column("measured", sa.Text),
)

# what the visitors of experiments were shown and did, by day since 1970 and arm; first_us: their
# first list of the day
experiment_visitors = sa.Table(
    "experiment_visitors",
    metadata,
    sa.Column("experiment", sa.Text, primary_key=True),
    sa.Column("visitor_key", sa.Text, primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("arm", sa.Text, primary_key=True),
    sa.Column("first_us", sa.BigInteger),
    sa.Column("num_lists", sa.BigInteger, nullable=False),
    sa.Column("num_fallbacks", sa.BigInteger, nullable=False),
    sa.Column("num_shown", sa.BigInteger, nullable=False),
    sa.Column("num_rare", sa.BigInteger, nullable=False),
    sa.Column("reward", sa.Float, nullable=False),
    sa.Column("revenue", sa.Float, nullable=False),
    sa.Column("before", sa.Float, nullable=False),
)
sa.Index("experiment_visitor_keys", experiment_visitors.c.visitor_key)

# the last journal number that was measured of an experiment
experiment_progress = sa.Table(
    "experiment_progress",
    metadata,
    sa.Column("experiment", sa.Text, primary_key=True),
    sa.Column("through_seq", sa.BigInteger, nullable=False),
)

# the days of experiments that were read; segments: JSON of the files of slates; shown: JSON of the
# items by arm, each with how often it was shown, compressed
experiment_days = sa.Table(
    "experiment_days",
    metadata,
    sa.Column("experiment", sa.Text, primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("segments", sa.Text, nullable=False),
    sa.Column("shown", sa.LargeBinary, nullable=False),
)

# what the gateways answered in the arms of experiments; seconds_2: the sum of squares
arm_answers = sa.Table(
    "arm_answers",
    metadata,
    sa.Column("experiment", sa.Text, primary_key=True),
    sa.Column("arm", sa.Text, primary_key=True),
    sa.Column("num_answers", sa.BigInteger, nullable=False),
    sa.Column("num_errors", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("seconds_2", sa.Float, nullable=False),
)

# what exploring costs, by placement (empty: lists without one) and policy; price: JSON
exploration_prices = sa.Table(
    "exploration_prices",
    metadata,
    sa.Column("placement", sa.Text, primary_key=True),
    sa.Column("policy", sa.Text, primary_key=True),
    sa.Column("measured_at", sa.Text, nullable=False),
    sa.Column("price", sa.Text, nullable=False),
)
