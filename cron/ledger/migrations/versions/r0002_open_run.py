"""The open run is found by an index: it is asked for at every look, and after a year there are a quarter of a million runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Index the runs that have no outcome; there is one at most."""
    is_open = sa.text("outcome IS NULL")
    op.create_index("open_runs", "runs", ["run_id"], sqlite_where=is_open, postgresql_where=is_open)
