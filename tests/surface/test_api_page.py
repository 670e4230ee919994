"""The page of the API is what the document says, and each of its examples runs as it is printed."""

import asyncio
import importlib.util
import re
import shlex
import subprocess
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from support.api_process import ApiProcess
from support.filled_view import CLUSTER
from support.runapy import VERSIONS, python_with
from support.surface import OPERATIONS, Operation
from support.workload_builders import START, a_pod, a_workload

from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.memory import touch_cluster
from rollcall.store.records import Batch
from rollcall.store.writes import write_batch

DOCS = Path(__file__).resolve().parents[2] / "docs"


def _generator() -> ModuleType:
    specification = importlib.util.spec_from_file_location("generate_api", DOCS / "generate_api.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


GENERATE = _generator()
PAGE = (DOCS / "api.md").read_text()


@pytest.fixture(scope="module", autouse=True)
def known(filled_database: DatabaseSettings) -> None:
    """What the examples name is there."""

    async def write() -> None:
        engine = create_engine(filled_database, application_name="test")
        batch = Batch(
            workloads=(a_workload("shown", uid=GENERATE.WORKLOAD),),
            pods=(a_pod("shown-0", uid=GENERATE.POD, workload_uid=GENERATE.WORKLOAD),),
        )
        async with engine.begin() as connection:
            await write_batch(connection, CLUSTER, batch, observed_at=START)
            await touch_cluster(connection, cluster_id=GENERATE.CLUSTER, name="shown", watches_observed_at=START)
        await engine.dispose()

    asyncio.run(write())


def section_of(operation: Operation) -> str:
    """What the page says of an operation."""
    found = re.search(rf"\n`{re.escape(str(operation))}`\n(.*?)\n(?:### |<!-- )", PAGE, re.DOTALL)
    assert found, f"{operation} is not on the page: run `make docs`"
    return found[1]


def test_the_page_is_the_one_that_make_docs_would_write() -> None:
    assert GENERATE.api_page() == PAGE


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_parameter_and_status_is_told(operation: Operation) -> None:
    section = section_of(operation)
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == operation.names("path") + operation.names("query")
    assert f"Answers {', '.join(sorted(operation.document['responses']))}." in section


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_its_curl_example_is_answered(api: ApiProcess, operation: Operation) -> None:
    (line,) = re.findall(r"```sh\n(.*?)\n```", section_of(operation), re.DOTALL)
    assert GENERATE.ADDRESS in line
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--noproxy", "*"]
    sent = shlex.split(line.replace(GENERATE.ADDRESS, api.address))
    assert sent[0] == "curl"
    done = subprocess.run([*command, *sent[1:]], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{done.stdout} {done.stderr}"
    path = httpx.URL(sent[-1]).path
    assert re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", operation.path), path), "it is an example of another operation"
    assert operation.method == ("POST" if "-d" in sent else "GET")


@pytest.mark.parametrize("version", VERSIONS)
def test_its_examples_of_the_official_client_run(api: ApiProcess, version: str) -> None:
    written = PAGE.partition(GENERATE.BEGIN)[2].partition(GENERATE.END)[0]
    opening, *calls = re.findall(r"```python\n(.*?)\n```", written, re.DOTALL)
    assert len(calls) == sum(bool(python) for _, python in GENERATE.EXAMPLES.values())
    program = "\n".join([opening.replace(GENERATE.ADDRESS, api.address), *calls])
    done = subprocess.run(
        [python_with(version), "-I", "-c", program], capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line[:1] not in "{["] == []
    assert len(done.stdout.splitlines()) == len(calls)
