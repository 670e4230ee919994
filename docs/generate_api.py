"""Write the part of ``docs/api.md`` that follows from the OpenAPI document: every endpoint, with examples that run.

Run by ``make docs`` after ``generate.py``. What stands outside the two marks is written by hand and stays.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "api.md"
DOCUMENT = DOCS / "reference" / "openapi.json"

BEGIN = "<!-- Written by `make docs` from openapi.json and docs/generate_api.py; do not edit. -->"
END = "<!-- End of what `make docs` writes. -->"

ADDRESS = "http://127.0.0.1:8080"
WORKLOAD = "497f6eca-6276-4993-bfeb-53cbbbba6f08"
POD = "6c1f1a3c-27b0-4b4e-9f0e-0f5d8f7f7a10"
CLUSTER = "71f69d83-ba66-4822-adf5-55ce55efd210"
JOB_TYPE = "ec1f1518-fe65-59e8-b726-68d199a6062d"
TRAIN_CATEGORY = "a058f54b-0c30-5308-9bb0-f0c28528feaf"
HOUR = "start=2026-01-31T12:00:00Z&end=2026-01-31T13:00:00Z"

CLIENT = f"""\
from datetime import datetime, timezone

from runai.api_client import ApiClient
from runai.configuration import Configuration
from runai.runai_client import RunaiClient

configuration = Configuration(client_id="any", client_secret="any", runai_base_url="{ADDRESS}")
client = RunaiClient(ApiClient(configuration))
workload, pod = "{WORKLOAD}", "{POD}"
cluster = "{CLUSTER}"
noon, one = (datetime(2026, 1, 31, hour, tzinfo=timezone.utc) for hour in (12, 13))
hour = {{"start": noon, "end": one}}"""

JSON_BODY = '{"grantType": "app_token", "clientId": "my-app", "clientSecret": "its-secret"}'
FORM = "grant_type=client_credentials&client_id=my-app&client_secret=its-secret"

EXAMPLES: dict[str, tuple[str, str]] = {
    "get_workloads": (
        f"curl '{ADDRESS}/api/v1/workloads?filterBy=phase%3D%3DRunning&sortBy=allocatedGPU&sortOrder=desc&limit=5'",
        'workloads.workloads.get_workloads(filter_by=["phase==Running"], sort_by="allocatedGPU", limit=5)',
    ),
    "count_workloads": (
        f"curl '{ADDRESS}/api/v1/workloads/count?deleted=true'",
        "workloads.workloads.count_workloads(deleted=True)",
    ),
    "get_workload": (
        f"curl '{ADDRESS}/api/v1/workloads/{WORKLOAD}'",
        "workloads.workloads.get_workload(workload)",
    ),
    "get_workloads_telemetry": (
        f"curl '{ADDRESS}/api/v1/workloads/telemetry?telemetryType=GPU_ALLOCATION&groupBy=ProjectId,Phase'",
        'workloads.workloads.get_workloads_telemetry(telemetry_type="GPU_ALLOCATION", group_by=["Phase"])',
    ),
    "get_workload_metrics": (
        f"curl '{ADDRESS}/api/v1/workloads/{WORKLOAD}/metrics?metricType=POD_COUNT,GPU_ALLOCATION&{HOUR}'",
        'workloads.workloads.get_workload_metrics(workload, metric_type=["POD_COUNT"], **hour)',
    ),
    "list_pods": (
        f"curl '{ADDRESS}/api/v1/workloads/pods?filterBy=nodeName%3D%3Dgpu-1&completed=all'",
        'workloads.pods.list_pods(filter_by=["nodeName==gpu-1"], completed="all")',
    ),
    "count_pods": (f"curl '{ADDRESS}/api/v1/workloads/pods/count'", "workloads.pods.count_pods()"),
    "get_workload_pods": (
        f"curl '{ADDRESS}/api/v1/workloads/{WORKLOAD}/pods'",
        "workloads.pods.get_workload_pods(workload)",
    ),
    "get_workload_pod_metrics": (
        f"curl '{ADDRESS}/api/v1/workloads/{WORKLOAD}/pods/{POD}/metrics?metricType=GPU_UTILIZATION_PER_GPU&{HOUR}'",
        'workloads.pods.get_workload_pod_metrics(workload, pod, metric_type=["CPU_USAGE_CORES"], **hour)',
    ),
    "get_workload_events": (
        f"curl '{ADDRESS}/api/v1/workloads/{WORKLOAD}/events?limit=20'",
        "workloads.events.get_workload_events(workload, limit=20)",
    ),
    "get_workload_history": (
        f"curl '{ADDRESS}/api/v1/workloads/{WORKLOAD}/history'",
        "workloads.events.get_workload_history(workload)",
    ),
    "get_clusters": (f"curl '{ADDRESS}/api/v1/clusters'", "organizations.clusters.get_clusters()"),
    "get_cluster_by_uuid": (
        f"curl '{ADDRESS}/api/v1/clusters/{CLUSTER}?verbosity=metadata'",
        'organizations.clusters.get_cluster_by_uuid(cluster, verbosity="metadata")',
    ),
    "get_nodepools": (f"curl '{ADDRESS}/api/v1/node-pools?filterBy=phase%3D%3DReady'", ""),
    "count_nodepools": (f"curl '{ADDRESS}/api/v1/node-pools/count'", ""),
    "get_projects": (
        f"curl '{ADDRESS}/api/v1/org-unit/projects?sortBy=name&limit=5'",
        'organizations.projects.get_projects(sort_by="name", limit=5)',
    ),
    "count_projects": (f"curl '{ADDRESS}/api/v1/org-unit/projects/count'", ""),
    "get_project": (
        f"curl '{ADDRESS}/api/v1/org-unit/projects/team-007'",
        'organizations.projects.get_project("team-007")',
    ),
    "get_departments": (
        f"curl '{ADDRESS}/api/v1/org-unit/departments'",
        "organizations.departments.get_departments(limit=5)",
    ),
    "count_departments": (f"curl '{ADDRESS}/api/v1/org-unit/departments/count'", ""),
    "get_department": (
        f"curl '{ADDRESS}/api/v1/org-unit/departments/default'",
        'organizations.departments.get_department("default")',
    ),
    "get_tenant_nodes": (f"curl '{ADDRESS}/api/v1/nodes?filterBy=status%3D%3DReady,nodePool%3D%3Dbig'", ""),
    "count_tenant_nodes": (f"curl '{ADDRESS}/api/v1/nodes/count?search=a100'", ""),
    "get_node_telemetry": (
        f"curl '{ADDRESS}/api/v1/nodes/telemetry?telemetryType=FREE_GPUS&groupBy=Nodepool'",
        'organizations.nodes.get_node_telemetry(telemetry_type="FREE_GPUS", group_by=["Nodepool"])',
    ),
    "get_nodes": (
        f"curl '{ADDRESS}/api/v1/clusters/{CLUSTER}/nodes?nodeName=gpu-1'",
        'organizations.nodes.get_nodes(cluster, node_name="gpu-1")',
    ),
    "count_nodes": (f"curl '{ADDRESS}/api/v1/clusters/{CLUSTER}/nodes/count'", ""),
    "list_workload_types": (f"curl '{ADDRESS}/api/v1/workload-types?filterBy=group%3D%3Dbatch'", ""),
    "get_workload_type": (f"curl '{ADDRESS}/api/v1/workload-types/{JOB_TYPE}'", ""),
    "list_categories": (f"curl '{ADDRESS}/api/v1/workload-categories'", ""),
    "get_category_by_id": (f"curl '{ADDRESS}/api/v1/workload-categories/{TRAIN_CATEGORY}'", ""),
    "get_workload_priorities": (f"curl '{ADDRESS}/api/v1/workload-priorities?sortBy=value&sortOrder=desc'", ""),
    "create_token": (f"curl -H 'Content-Type: application/json' -d '{JSON_BODY}' '{ADDRESS}/api/v1/token'", ""),
    "create_oauth2_token": (f"curl -d '{FORM}' '{ADDRESS}/api/v2/token'", ""),
}
"""By operation, as ``curl`` asks and as the official client does, which asks for a token by itself.

Empty where not every version of it has the method.
"""

_MOST_WORDS = 14


def api_page() -> str:
    """The page, with the part of the document's written anew."""
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has lost the marks between which the endpoints stand")
    return f"{before}{BEGIN}\n\n{chr(10).join(_endpoints())}\n{END}{after}"


def _endpoints() -> Iterator[str]:
    yield "With the official client, where nobody is asked:"
    yield from ("", "```python", CLIENT, "```", "")
    for path, methods in json.loads(DOCUMENT.read_text())["paths"].items():
        for method, operation in methods.items():
            yield from _endpoint(f"{method.upper()} {path}", operation)


def _endpoint(request: str, operation: Mapping[str, Any]) -> Iterator[str]:
    if operation["operationId"] not in EXAMPLES:
        raise ValueError(f"{request}: give {operation['operationId']} an example in EXAMPLES of docs/generate_api.py")
    curl, python = EXAMPLES[operation["operationId"]]
    yield from (f"### {operation['summary']}", "", f"`{request}`", "", operation["description"].strip(), "")
    parameters = operation.get("parameters", ())
    if parameters:
        yield from ("| parameter | values | default | what it does |", "| --- | --- | --- | --- |")
        for found in parameters:
            name = f"`{found['name']}`" + (" (required)" if found.get("required") else "")
            cells = (name, _values(found["schema"]), _default(found["schema"]), _cell(found["description"]))
            yield f"| {' | '.join(cells)} |"
        yield ""
    yield f"Answers {', '.join(sorted(operation['responses']))}."
    yield from ("", "```sh", curl, "```", "")
    if python:
        yield from ("```python", f"answer = client.{python}", "print(answer.data)", "```", "")


def _values(schema: Mapping[str, Any]) -> str:
    if schema.get("type") == "array":
        return f"{_values(schema['items'])}; several with commas"
    if "enum" in schema:
        words = [f"`{word}`" for word in schema["enum"]]
        shown = ", ".join(words[:_MOST_WORDS])
        return shown if len(words) <= _MOST_WORDS else f"{shown} and {len(words) - _MOST_WORDS} more in openapi.json"
    if schema.get("type") == "boolean":
        return "`true`, `false`"
    if schema.get("type") == "integer":
        return f"{schema['minimum']} to {schema['maximum']}"
    if "pattern" in schema:
        return "a [term](#filters)"
    return {"uuid": "a UUID", "date-time": "an instant"}.get(schema.get("format", ""), "text")


def _default(schema: Mapping[str, Any]) -> str:
    return f"`{json.dumps(schema['default']).strip(chr(34))}`" if "default" in schema else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(api_page())
