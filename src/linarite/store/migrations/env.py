"""What Alembic runs: migrations on the connection it is given, inside its transaction."""

from __future__ import annotations

from alembic import context

from linarite.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
