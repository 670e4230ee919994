"""What the API says of itself: its document, the committed copy of it, and a /docs that needs no internet."""

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rollcall_api.events import EVENT_PARAMETERS
from rollcall_api.metric_queries import MetricType, PodMetricType, metrics_parameters
from rollcall_api.parameters import COUNT_PARAMETERS, LIST_PARAMETERS
from rollcall_api.pods import POD_LIST_PARAMETERS
from rollcall_api.telemetry import TELEMETRY_PARAMETERS

pytestmark = pytest.mark.anyio

DOCS = Path(__file__).resolve().parents[2] / "docs"
API_PAGE = (DOCS / "api.md").read_text()


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    """The document as it is served."""
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of everything that is served."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


async def test_the_committed_document_is_the_one_that_is_served(document: dict[str, Any]) -> None:
    """Run `make docs` where this fails."""
    text = (DOCS / "reference" / "openapi.json").read_text()
    assert json.loads(text) == document


async def test_make_docs_would_write_the_committed_document() -> None:
    specification = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    generate = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(generate)
    assert generate.PAGES["openapi.json"]() == (DOCS / "reference" / "openapi.json").read_text()


async def test_the_operations_have_the_contracts_names(document: dict[str, Any]) -> None:
    assert {(path, method, operation["operationId"]) for path, method, operation in operations(document)} == {
        ("/api/v1/workloads", "GET", "get_workloads"),
        ("/api/v1/workloads/count", "GET", "count_workloads"),
        ("/api/v1/workloads/telemetry", "GET", "get_workloads_telemetry"),
        ("/api/v1/workloads/pods", "GET", "list_pods"),
        ("/api/v1/workloads/pods/count", "GET", "count_pods"),
        ("/api/v1/workloads/{workloadId}/pods", "GET", "get_workload_pods"),
        ("/api/v1/workloads/{workloadId}", "GET", "get_workload"),
        ("/api/v1/workloads/{workloadId}/metrics", "GET", "get_workload_metrics"),
        ("/api/v1/workloads/{workloadId}/events", "GET", "get_workload_events"),
        ("/api/v1/workloads/{workloadId}/history", "GET", "get_workload_history"),
        ("/api/v1/workloads/{workloadId}/pods/{podId}/metrics", "GET", "get_workload_pod_metrics"),
        ("/api/v1/clusters", "GET", "get_clusters"),
        ("/api/v1/clusters/{clusterUuid}", "GET", "get_cluster_by_uuid"),
        ("/api/v1/node-pools", "GET", "get_nodepools"),
        ("/api/v1/node-pools/count", "GET", "count_nodepools"),
        ("/api/v1/org-unit/projects", "GET", "get_projects"),
        ("/api/v1/org-unit/projects/count", "GET", "count_projects"),
        ("/api/v1/org-unit/projects/{projectId}", "GET", "get_project"),
        ("/api/v1/org-unit/departments", "GET", "get_departments"),
        ("/api/v1/org-unit/departments/count", "GET", "count_departments"),
        ("/api/v1/org-unit/departments/{departmentId}", "GET", "get_department"),
        ("/api/v1/nodes", "GET", "get_tenant_nodes"),
        ("/api/v1/nodes/count", "GET", "count_tenant_nodes"),
        ("/api/v1/nodes/telemetry", "GET", "get_node_telemetry"),
        ("/api/v1/clusters/{clusterUuid}/nodes", "GET", "get_nodes"),
        ("/api/v1/clusters/{clusterUuid}/nodes/count", "GET", "count_nodes"),
        ("/api/v1/workload-types", "GET", "list_workload_types"),
        ("/api/v1/workload-types/{workloadTypeId}", "GET", "get_workload_type"),
        ("/api/v1/workload-categories", "GET", "list_categories"),
        ("/api/v1/workload-categories/{categoryId}", "GET", "get_category_by_id"),
        ("/api/v1/workload-priorities", "GET", "get_workload_priorities"),
        ("/api/v1/token", "POST", "create_token"),
        ("/api/v2/token", "POST", "create_oauth2_token"),
    }


async def test_every_error_that_is_promised_has_the_error_body(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        # OAuth 2 has an error body of its own.
        model = "OAuth2Error" if path == "/api/v2/token" else "Error"
        wanted = {"schema": {"$ref": f"#/components/schemas/{model}"}}
        faults = {status: found for status, found in operation["responses"].items() if int(status) >= 400}
        assert faults, path
        assert {status: found["content"]["application/json"] for status, found in faults.items()} == dict.fromkeys(
            faults, wanted
        )
        # The framework's own, which is never answered.
        assert "422" not in faults


async def test_its_references_are_its_schemas(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references == set(document["components"]["schemas"])


async def test_what_is_read_is_for_bearers_and_tokens_for_everyone(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, _, operation in operations(document):
        assert ("security" in operation) == (not path.endswith("/token"))


async def test_the_reference_page_names_every_path_and_parameter(document: dict[str, Any]) -> None:
    for path, method, _ in operations(document):
        assert f"`{method} {path}`" in API_PAGE
    told = (*LIST_PARAMETERS, *COUNT_PARAMETERS, *TELEMETRY_PARAMETERS, *EVENT_PARAMETERS, *POD_LIST_PARAMETERS)
    for parameter in told:
        assert f"`{parameter['name']}`" in API_PAGE


async def test_the_reference_page_names_every_metric() -> None:
    for kind in (*MetricType, *PodMetricType):
        assert f"`{kind}`" in API_PAGE
    for parameter in metrics_parameters(MetricType):
        assert f"`{parameter['name']}`" in API_PAGE


async def test_the_addresses_of_the_reference_page_answer(client: httpx.AsyncClient) -> None:
    found = re.findall(r"curl .*'http://127\.0\.0\.1:8080(/[^']*)'", API_PAGE.partition("## Examples")[2])
    assert len(found) >= 6
    for target in found:
        assert (await client.get(target)).status_code == 200, target


async def test_the_error_of_the_reference_page_is_the_one_that_is_answered(client: httpx.AsyncClient) -> None:
    (shown,) = re.findall(r"```json\n(.*)\n```", API_PAGE)
    assert (await client.get("/api/v1/workloads?limit=501")).json() == json.loads(shown)


async def test_docs_come_from_our_own_host_alone(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    assert answer.status_code == 200
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", answer.text, re.IGNORECASE) == []
    assert '"validatorUrl": null' in answer.text
    assert "/openapi.json" in answer.text
    linked = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert {Path(found).suffix for found in linked} == {".js", ".css", ".png"}
    for found in linked:
        part = await client.get(found)
        assert (part.status_code, len(part.content) > 1000) == (200, True), found


@pytest.mark.parametrize("path", ["/redoc", "/static-offline-docs/nothing.js", "/static-offline-docs/%2e%2e/core.py"])
async def test_there_is_nothing_beside_the_docs(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, 404)
