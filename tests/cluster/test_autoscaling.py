"""HorizontalPodAutoscalers as a real API server has them: their bounds come to a record and go with them."""

from collections.abc import Callable
from typing import Any

from kubernetes import client
from support.cluster_objects import a_deployment
from support.operator_process import OperatorProcess
from support.rows import Rows, eventually

Apply = Callable[..., None]
OperatorOf = Callable[..., OperatorProcess]


def an_autoscaler(namespace: str, name: str, least: int | None, most: int) -> dict[str, Any]:
    """An autoscaler of a Deployment; its least may be left to the API server."""
    bounds = {"maxReplicas": most} | ({} if least is None else {"minReplicas": least})
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"scaleTargetRef": target, **bounds},
    }


def test_the_bounds_come_and_go(
    operator_of: OperatorOf, project: str, apply: Apply, rows: Rows, api: client.ApiClient
) -> None:
    scaling: Any = client.AutoscalingV2Api(api)

    def until(wanted: tuple[int | None, ...]) -> None:
        def bounds() -> tuple[int | None, ...]:
            asked = (rows.live(project, "serves").get("details") or {}).get("requestedPods") or {}
            return tuple(asked.get(word) for word in ("number", "min", "max"))

        eventually(bounds, lambda found: found == wanted)

    apply(an_autoscaler(project, "serves", None, 3))
    with operator_of():
        apply(a_deployment(project, "serves", replicas=2))
        until((2, 1, 3))
        apply(an_autoscaler(project, "serves", 2, 5))
        until((2, 2, 5))
        scaling.delete_namespaced_horizontal_pod_autoscaler("serves", project)
        until((2, None, None))
        apply(an_autoscaler(project, "serves", 2, 4))
        until((2, 2, 4))
    scaling.delete_namespaced_horizontal_pod_autoscaler("serves", project)
    with operator_of():
        until((2, None, None))
