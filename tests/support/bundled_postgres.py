"""The chart's bundled PostgreSQL, as its image makes it at its first start: a role, its password, and its database."""

from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from rollcall.store.embedded import EmbeddedPostgres

ROLE = DATABASE = "rollcall"


class BundledPostgres:
    """A server with the role and the database of `POSTGRES_USER` and `POSTGRES_DB`; who wants in gives the password.

    ``folder`` is that of its socket, ``programs`` that of `pg_dump` and its like.
    """

    def __init__(self, server: EmbeddedPostgres, password: str) -> None:
        self.password = password
        self._address = URL.create("postgresql", username=ROLE, database=DATABASE, query=make_url(server.dsn()).query)
        self.folder = str(self._address.query["host"])
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            role = sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}")
            connection.execute(role.format(sql.Identifier(ROLE), sql.Literal(password)))
            connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(ROLE)))
            (place,) = connection.execute("SHOW hba_file").fetchone() or ("",)
            rules = Path(place)
            # The first line that fits counts.
            rules.write_text(f"local {DATABASE} all scram-sha-256\n{rules.read_text()}")
            connection.execute("SELECT pg_reload_conf()")
            (programs,) = connection.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'").fetchone() or ("",)
            self.programs = Path(programs)

    @property
    def dsn(self) -> str:
        """How it is reached here, without the password: that comes as the chart says."""
        return self._address.render_as_string()
