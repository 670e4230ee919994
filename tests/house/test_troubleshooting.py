"""What an admin may see has its entry on the page of troubles, in the words that are seen."""

import inspect
import re
from pathlib import Path

import psycopg
import pytest

from rollcall.settings import DatabaseSettings
from rollcall.store import engine, schema
from rollcall_api import health, refusals, rights
from rollcall_operator import running

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "troubleshooting.md").read_text()
RULES = (ROOT / "charts" / "rollcall" / "templates" / "monitoring.yaml").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES)
SAID = {
    "the operator is not ready": [
        *re.findall(r'_stage = "(.+?)"', inspect.getsource(running)),
        *re.findall(r'return f?"(.+?)[{"]', inspect.getsource(running.Operator._unready_because)),  # noqa: SLF001 - its words
        "standing by for the Lease",
    ],
    "the operator ends": re.findall(r'ClusterError\(f?"(.+?)[{"]', inspect.getsource(running.Operator)),
    "the API is not ready": re.findall(r'return f?"(.+?)[{"]', inspect.getsource(health._unready_because)),  # noqa: SLF001 - same
    "of the database": re.findall(r'raise StoreUnavailable\("(.+? in time\.|.+? busy\.)"\)', inspect.getsource(engine)),
    "of the schema": re.findall(r'f?"(The (?:schema|database) .+?)[{;"]', inspect.getsource(schema)),
    "of callers": re.findall(r'FORBIDDEN, "(.+?)"', inspect.getsource(rights)),
    "of reviews": re.findall(r'message = "(The Kubernetes .+?)"', inspect.getsource(refusals)),
}
"""Sentences, or how they begin."""


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_has_its_section(alert: str) -> None:
    assert f"\n### {alert}\n" in PAGE


@pytest.mark.parametrize(("where", "sentence"), [(where, one) for where in SAID for one in SAID[where]])
def test_what_is_said_is_explained(where: str, sentence: str) -> None:
    assert sentence.strip() in PAGE, where


def test_no_sentence_has_gone_unread() -> None:
    """The expressions above still find what is in the sources."""
    assert {where: len(found) for where, found in SAID.items()} == {
        "the operator is not ready": 6,
        "the operator ends": 2,
        "the API is not ready": 2,
        "of the database": 2,
        "of the schema": 3,
        "of callers": 2,
        "of reviews": 1,
    }


@pytest.mark.parametrize("statement", re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL))
def test_the_sql_runs(database: DatabaseSettings, statement: str) -> None:
    with psycopg.connect(database.dsn.get_secret_value()) as connection:
        connection.execute(statement)


def test_links_within_the_page_lead_somewhere() -> None:
    titles = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors
