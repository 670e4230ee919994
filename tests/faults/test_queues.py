"""What stands in queues: watched where it is served, on the row of its workload, forgotten when it goes."""

from collections.abc import Callable

from support.operator_process import OperatorProcess
from support.rows import Rows, eventually
from support.simulated_cluster import CREATED, RUNNING, SimulatedCluster, a_container, owned_by

from rollcall_demo.resources import CRD, JOB, KAI_POD_GROUP, KUEUE_WORKLOAD, POD

OperatorOf = Callable[..., OperatorProcess]

NO_QUOTA = (
    "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor a, 1 more needed"
)


def a_spec(*, suspend: bool) -> dict[str, object]:
    """A Job of one pod."""
    return {"template": {"spec": {"containers": [a_container()]}}, "parallelism": 1, "suspend": suspend}


def said(condition_type: str, status: str, reason: str, message: str = "") -> dict[str, object]:
    """A condition of Kueue's."""
    return {
        "type": condition_type,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": CREATED,
    }


def install(cluster: SimulatedCluster) -> None:
    """Serve Kueue's Workloads, and say so by the CRD's own watch."""
    cluster.do(cluster.server.faults.serve_without)
    names = {"plural": "workloads", "kind": "Workload"}
    cluster.create(CRD, "workloads.kueue.x-k8s.io", namespace=None, spec={"group": "kueue.x-k8s.io", "names": names})


def test_a_queue_comes_holds_lets_go_and_goes(cluster: SimulatedCluster, operator_of: OperatorOf, rows: Rows) -> None:
    cluster.do(cluster.server.faults.serve_without, KUEUE_WORKLOAD)
    operator = operator_of(operator__sweep_interval_seconds=1).start()
    uid = cluster.create(
        JOB, "train", spec=a_spec(suspend=True), status={"conditions": [said("Suspended", "True", "")]}
    )
    rows.until("lab", "train", phase="Stopped")
    install(cluster)
    held = {"conditions": [said("QuotaReserved", "False", "Pending", NO_QUOTA)]}
    owner = owned_by(JOB, "train", uid)
    cluster.create(KUEUE_WORKLOAD, "job-train", owner=owner, spec={"queueName": "team-a", "active": True}, status=held)
    row = rows.until("lab", "train", phase="Pending")
    assert row["phase_reason"] == "OverLimit"
    assert row["phase_message"] == f"waiting for quota in queue team-a: {NO_QUOTA}"
    assert row["details"]["schedulingMessages"] == [["default", "OverLimit", "Pending", "PROJECT", NO_QUOTA]]
    cluster.update(KUEUE_WORKLOAD, "job-train", spec={"queueName": "team-a", "active": False})
    rows.until("lab", "train", phase="Stopped")
    cluster.update(KUEUE_WORKLOAD, "job-train", spec={"queueName": "team-a", "active": True})
    rows.until("lab", "train", phase="Pending")
    let = {"conditions": [said("QuotaReserved", "True", "QuotaReserved"), said("Admitted", "True", "Admitted")]}
    cluster.update(KUEUE_WORKLOAD, "job-train", status=let)
    cluster.update(JOB, "train", spec=a_spec(suspend=False), status=RUNNING)
    row = rows.until("lab", "train", phase="Running")
    assert (row["phase_reason"], row["details"].get("schedulingMessages")) == (None, None)
    cluster.update(KUEUE_WORKLOAD, "job-train", status=held)
    cluster.update(JOB, "train", spec=a_spec(suspend=True), status={"conditions": [said("Suspended", "True", "")]})
    rows.until("lab", "train", phase="Pending")
    # What it said goes with it, though nobody tells.
    cluster.do(cluster.server.faults.serve_without, KUEUE_WORKLOAD)
    cluster.delete(CRD, "workloads.kueue.x-k8s.io", namespace="")
    rows.until("lab", "train", phase="Stopped", phase_reason=None)
    eventually(operator.readiness, lambda answer: answer == "ok")
    assert not rows.query("SELECT 1 FROM workloads WHERE kind = 'Workload'")


def test_a_gang_that_its_scheduler_refuses(cluster: SimulatedCluster, operator_of: OperatorOf, rows: Rows) -> None:
    operator_of().start()
    uid = cluster.create(JOB, "train", spec=a_spec(suspend=False), status={"startTime": CREATED, "active": 1})
    waiting = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no"}
    cluster.create(
        POD,
        "train-0",
        owner=owned_by(JOB, "train", uid),
        spec={"containers": [a_container()]},
        status={"phase": "Pending", "conditions": [waiting]},
    )
    rows.until("lab", "train", phase="Pending", phase_reason=None)
    refused = {
        "type": "UnschedulableOnNodePool",
        "nodePool": "default",
        "reason": "Unschedulable",
        "reasons": [{"reason": "NonPreemptibleOverQuota", "message": "team-a quota is 2 GPUs"}],
        "transitionID": "1",
        "status": "True",
    }
    group = {"owner": owned_by(JOB, "train", uid), "spec": {"queue": "team-a"}}
    cluster.create(KAI_POD_GROUP, "pg-train", **group, status={"schedulingConditions": [refused]})
    row = rows.until("lab", "train", phase_reason="NonPreemptibleOverQuota")
    assert row["phase_message"].startswith("NonPreemptibleOverQuota: team-a quota is 2 GPUs")
    cluster.delete(KAI_POD_GROUP, "pg-train")
    rows.until("lab", "train", phase="Pending", phase_reason=None)
