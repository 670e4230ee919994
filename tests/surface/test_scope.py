"""Callers with rights in none, one, three and all of five hundred namespaces see exactly theirs, everywhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from support.api_process import ApiProcess
from support.filled_view import KEPT_SECONDS, PROJECTS, Project
from support.reviewing_server import CLUSTER_WIDE, ReviewingServer
from support.scope_matrix import SCOPED, fault_of
from support.surface import Operation

CALLERS: dict[str, tuple[Project, ...]] = {
    "none": (),
    "one": (PROJECTS[7],),
    "three": (PROJECTS[3], PROJECTS[250], PROJECTS[499]),
    "all of them": PROJECTS,
    "everywhere": PROJECTS,
}


@contextmanager
def asking(api: ApiProcess, token: str) -> Iterator[httpx.Client]:
    """A client with this token."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=api.address, headers=headers, timeout=30, trust_env=False) as client:
        yield client


def token_of(name: str) -> str:
    return f"token-of-{name.replace(' ', '-')}-namespaces"


@pytest.fixture(scope="module", autouse=True)
def callers(api_server: ReviewingServer) -> None:
    """Every caller is known, with their rights."""
    for name, projects in CALLERS.items():
        places = [CLUSTER_WIDE] if name == "everywhere" else [found.namespace for found in projects]
        api_server.let_in(token_of(name), name, *places)


@pytest.mark.parametrize("operation", SCOPED, ids=str)
@pytest.mark.parametrize("name", CALLERS)
def test_a_caller_sees_theirs_and_nothing_else(asking_api: ApiProcess, operation: Operation, name: str) -> None:
    with asking(asking_api, token_of(name)) as ask:
        assert fault_of(ask, operation, CALLERS[name]) == ""


def statuses(ask: httpx.Client, project: Project) -> dict[str, int]:
    """How each operation answers for a project."""
    return {str(found): ask.get(found.target(project.ids())).status_code for found in SCOPED}


@pytest.mark.parametrize("withdrawn", ["right", "token"])
def test_what_is_withdrawn_is_gone_when_it_is_asked_for_again(
    asking_api: ApiProcess, api_server: ReviewingServer, withdrawn: str
) -> None:
    token, name = f"token-whose-{withdrawn}-is-withdrawn", f"{withdrawn} withdrawn"
    project = PROJECTS[42]
    api_server.let_in(token, name, project.namespace)
    api_server.may_list_nodes.add(name)
    with asking(asking_api, token) as ask:
        assert set(statuses(ask, project).values()) == {200}
        if withdrawn == "right":
            api_server.rights.discard((name, project.namespace))
            api_server.may_list_nodes.discard(name)
        else:
            api_server.users[token] = {}
        # After it nothing is kept that was found out before; how long it takes to ask anew is not what this is about.
        time.sleep(KEPT_SECONDS)
        wanted = 403 if withdrawn == "right" else 401
        assert set(statuses(ask, project).values()) == {wanted}
