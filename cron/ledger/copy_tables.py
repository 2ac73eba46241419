"""The ledger's tables of texts about items, as `cron.ledger.schema` names them."""

from __future__ import annotations

import sqlalchemy as sa

from cron.ledger.experiment_tables import metadata

# what became of a brief (its digest) with a writer (its digest); text: null where the template is
# shown; rejected: JSON of what the verifier did not accept; content: JSON of the brief
copy_texts = sa.Table(
    "copy_texts",
    metadata,
    sa.Column("brief", sa.Text, primary_key=True),
    sa.Column("writer", sa.Text, primary_key=True),
    sa.Column("text", sa.Text),
    sa.Column("rejected", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("made_at", sa.Text, nullable=False),
)
sa.Index("copy_texts_made", copy_texts.c.made_at)

# what an editor decided on the text of a brief, whoever writes; text: null for a ban; content: JSON
# of the brief
copy_edits = sa.Table(
    "copy_edits",
    metadata,
    sa.Column("brief", sa.Text, primary_key=True),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("edited_at", sa.Text, nullable=False),
    sa.Column("edited_by", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False, server_default=""),
)

# writers by digest; version and archive: of those that TorchServe serves
copy_writers = sa.Table(
    "copy_writers",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Integer),
    sa.Column("archive", sa.Text),
    sa.Column("verdict", sa.Text),
    sa.Column("added_at", sa.Text, nullable=False),
    sa.Column("live_at", sa.Text),
)

# what writing cost, by hour since 1970
copy_hours = sa.Table(
    "copy_hours",
    metadata,
    sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("cost", sa.Float, nullable=False),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    sa.Column("num_written", sa.BigInteger, nullable=False),
    sa.Column("num_templates", sa.BigInteger, nullable=False),
)

# how many texts answers had, by hour since 1970 and by who wrote them
copy_shown = sa.Table(
    "copy_shown",
    metadata,
    sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("num_texts", sa.BigInteger, nullable=False),
)

# how many texts broke a rule of the verifier
copy_rules = sa.Table(
    "copy_rules",
    metadata,
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("num_texts", sa.BigInteger, nullable=False),
)

# briefs that were shown without a text of a writer, and how often; content: JSON of the brief
copy_wanted = sa.Table(
    "copy_wanted",
    metadata,
    sa.Column("brief", sa.Text, primary_key=True),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("num_wanted", sa.BigInteger, nullable=False),
    sa.Column("wanted_at", sa.Text, nullable=False),
)
