"""An index finds the open run.

Every look reads it, and after a year there are a quarter of a million runs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Index the runs without an outcome; there is at most one."""
    is_open = sa.text("outcome IS NULL")
    op.create_index("open_runs", "runs", ["run_id"], sqlite_where=is_open, postgresql_where=is_open)
