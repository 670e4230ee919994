"""What the simulated controllers write, in the shapes that the real ones write."""

from datetime import UTC, datetime

import pytest

from rollcall_demo.life import Ending, Life, PodPlay, PodShape, Resume, Roll, Scale, Suspend, UntilEnded, Wait
from rollcall_demo.objects import Objects
from rollcall_demo.player import Player
from rollcall_demo.resources import (
    CRONJOB,
    DEPLOYMENT,
    JOB,
    POD,
    PYTORCHJOB,
    REPLICASET,
    STATEFULSET,
    Resource,
)
from rollcall_demo.world import ref_of

BEGINS_AT = datetime(2026, 3, 1, 12, 0, 17, tzinfo=UTC)
BY_ITSELF = PodPlay(run=10)
FOR_EVER = (Wait(10_000),)


class Stage:
    """One life in a cluster of its own."""

    def __init__(self, kind: Resource, *, plays=(BY_ITSELF,), script=FOR_EVER, policy="Never", **changes) -> None:
        self.kind = kind
        self.objects = Objects(history=100_000)
        life = Life(
            kind=kind,
            namespace="vision",
            name="w",
            pod=PodShape(image="registry.example/w:1", gpus=1, restart_policy=policy, has_init=True),
            plays={"": plays},
            script=script,
            shows=(),
            **changes,
        )
        self.player = Player(self.objects, seed=1, begins_at=BEGINS_AT, lives=(life,))

    def after(self, seconds: float) -> dict:
        """The object at that second."""
        self.player.world.agenda.play_until(seconds)
        (found,) = self.objects.all(self.kind)
        return found

    def pods(self) -> list[dict]:
        return self.objects.all(POD)

    def statuses(self) -> list[dict]:
        """Every status that the object ever had."""
        changes = self.objects.changes_since(self.kind, 0)
        return [change.object["status"] for change in changes if change.type != "DELETED"]


def conditions(obj: dict) -> dict[str, tuple[str, str | None]]:
    found = obj["status"].get("conditions", [])
    assert len({one["type"] for one in found}) == len(found)
    return {one["type"]: (one["status"], one.get("reason")) for one in found}


class Test_a_job:  # noqa: N801 - the sentence reads on
    """batch/v1 Job."""

    def test_is_created_unobserved_and_its_selector_names_its_own_uid(self):
        job = Stage(JOB).after(0.5)
        uid = job["metadata"]["uid"]
        assert job["status"] == {}
        assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        labels = job["spec"]["template"]["metadata"]["labels"]
        assert (labels["controller-uid"], labels["batch.kubernetes.io/job-name"]) == (uid, job["metadata"]["name"])

    def test_counts_its_running_pods_and_holds_them_by_a_finalizer(self):
        stage = Stage(JOB, spec={"parallelism": 2, "completions": 3})
        status = stage.after(9)["status"]
        assert (status["active"], status["ready"], status["terminating"]) == (2, 2, 0)
        assert status["uncountedTerminatedPods"] == {}
        assert status["startTime"] == "2026-03-01T12:00:18Z"
        assert {tuple(pod["metadata"]["finalizers"]) for pod in stage.pods()} == {("batch.kubernetes.io/job-tracking",)}

    def test_completes_in_two_steps_and_lets_go_of_its_pods(self):
        stage = Stage(JOB, spec={"parallelism": 2, "completions": 3})
        job = stage.after(60)
        assert conditions(job) == {
            "SuccessCriteriaMet": ("True", "CompletionsReached"),
            "Complete": ("True", "CompletionsReached"),
        }
        assert job["status"]["succeeded"] == 3
        assert "active" not in job["status"]
        assert job["status"]["completionTime"] > job["status"]["startTime"]
        assert all("finalizers" not in pod["metadata"] for pod in stage.pods())
        assert all(condition["lastProbeTime"] for condition in job["status"]["conditions"])

    def test_fails_past_its_back_off_limit_after_pauses_that_grow(self):
        stage = Stage(JOB, plays=(PodPlay(run=2, ending=Ending.EXIT, exit_code=3),), spec={"backoffLimit": 2})
        job = stage.after(120)
        assert conditions(job) == {
            "FailureTarget": ("True", "BackoffLimitExceeded"),
            "Failed": ("True", "BackoffLimitExceeded"),
        }
        assert job["status"]["failed"] == 3
        assert "completionTime" not in job["status"]
        first, second, third = sorted(pod["metadata"]["creationTimestamp"] for pod in stage.pods())
        gap, next_gap = (
            (datetime.fromisoformat(late) - datetime.fromisoformat(early)).total_seconds()
            for early, late in ((first, second), (second, third))
        )
        assert next_gap > gap + 8

    def test_is_suspended_and_resumed_without_counting_the_pods_it_gave_up(self):
        stage = Stage(JOB, plays=(PodPlay(run=30),), script=(Wait(15), Suspend(), Wait(20), Resume(), *FOR_EVER))
        suspended = stage.after(30)
        assert conditions(suspended) == {"Suspended": ("True", "JobSuspended")}
        assert "startTime" not in suspended["status"]
        assert stage.pods() == []
        done = stage.after(120)
        assert conditions(done)["Suspended"] == ("False", "JobResumed")
        assert conditions(done)["Complete"] == ("True", "CompletionsReached")
        assert "failed" not in done["status"]


class Test_a_cron_job:  # noqa: N801
    """batch/v1 CronJob."""

    def test_creates_a_job_at_the_full_minute_and_lists_it_while_it_runs(self):
        stage = Stage(CRONJOB)
        assert "lastScheduleTime" not in stage.after(42)["status"]
        cron = stage.after(48)
        assert cron["status"]["lastScheduleTime"] == "2026-03-01T12:01:00Z"
        (reference,), (job,) = cron["status"]["active"], stage.objects.all(JOB)
        assert (reference["uid"], reference["name"]) == (job["metadata"]["uid"], job["metadata"]["name"])
        assert job["metadata"]["name"] == "w-29539441"
        done = stage.after(75)
        assert "active" not in done["status"]
        assert done["status"]["lastSuccessfulTime"] == stage.objects.all(JOB)[0]["status"]["completionTime"]

    def test_keeps_two_that_succeeded_and_one_that_failed(self):
        plays = (BY_ITSELF, PodPlay(run=2, ending=Ending.EXIT))
        stage = Stage(CRONJOB, plays=plays)
        stage.after(600)
        ended = [conditions(job) for job in stage.objects.all(JOB)]
        assert [("Complete" in one, "Failed" in one) for one in ended].count((True, False)) == 2
        assert [("Complete" in one, "Failed" in one) for one in ended].count((False, True)) == 1
        assert len(stage.pods()) == 3


class Test_a_deployment:  # noqa: N801
    """apps/v1 Deployment and its ReplicaSets."""

    def test_serves_with_counts_and_two_conditions(self):
        stage = Stage(DEPLOYMENT, plays=(PodPlay(ready=1),), policy="Always", spec={"replicas": 3})
        deployment = stage.after(60)
        assert conditions(deployment) == {
            "Available": ("True", "MinimumReplicasAvailable"),
            "Progressing": ("True", "NewReplicaSetAvailable"),
        }
        counts = {key: value for key, value in deployment["status"].items() if key != "conditions"}
        assert counts == {
            "observedGeneration": 1,
            "replicas": 3,
            "updatedReplicas": 3,
            "readyReplicas": 3,
            "availableReplicas": 3,
        }
        (replica_set,) = stage.objects.all(REPLICASET)
        word = replica_set["metadata"]["labels"]["pod-template-hash"]
        assert replica_set["metadata"]["name"] == f"w-{word}"
        assert {pod["metadata"]["labels"]["pod-template-hash"] for pod in stage.pods()} == {word}
        assert replica_set["status"]["availableReplicas"] == 3

    def test_rolls_out_within_surge_and_availability_and_keeps_the_old_replica_set(self):
        rolled = Roll("registry.example/w:2", (PodPlay(ready=2),))
        script = (Wait(30), rolled, *FOR_EVER)
        stage = Stage(DEPLOYMENT, plays=(PodPlay(ready=1),), policy="Always", script=script, spec={"replicas": 4})
        deployment = stage.after(25)
        for seconds in range(26, 160):
            deployment = stage.after(seconds)
            assert deployment["status"]["availableReplicas"] >= 3
            active = [pod for pod in stage.pods() if "deletionTimestamp" not in pod["metadata"]]
            assert len(active) <= 5
        assert deployment["status"]["observedGeneration"] == 2 == deployment["metadata"]["generation"]
        assert deployment["status"]["updatedReplicas"] == 4
        revisions = {
            one["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: one["spec"]["replicas"]
            for one in stage.objects.all(REPLICASET)
        }
        assert revisions == {"1": 0, "2": 4}
        said = [{one["type"]: one["reason"] for one in status.get("conditions", ())} for status in stage.statuses()]
        assert "ReplicaSetUpdated" in [one.get("Progressing") for one in said]

    def test_says_when_its_progress_took_too_long(self):
        spec = {"progressDeadlineSeconds": 20}
        stage = Stage(DEPLOYMENT, plays=(PodPlay(ready=None),), policy="Always", spec=spec)
        assert conditions(stage.after(15))["Progressing"] == ("True", "ReplicaSetUpdated")
        assert conditions(stage.after(40)) == {
            "Available": ("False", "MinimumReplicasUnavailable"),
            "Progressing": ("False", "ProgressDeadlineExceeded"),
        }

    def test_that_is_deleted_takes_everything_with_it(self):
        stage = Stage(DEPLOYMENT, plays=(PodPlay(),), policy="Always", script=(Wait(20),), rest=1_000)
        stage.player.world.agenda.play_until(100)
        left = [stage.objects.all(kind) for kind in (DEPLOYMENT, REPLICASET, POD)]
        assert left == [[], [], []]
        assert stage.player.world.size()["owners"] == 0


def test_a_replica_set_scales_and_gives_up_the_pod_that_does_not_serve():
    plays = (PodPlay(), PodPlay(ready=None), PodPlay())
    script = (Wait(20), Scale(2), *FOR_EVER)
    stage = Stage(REPLICASET, plays=plays, policy="Always", script=script, spec={"replicas": 3})
    before = stage.after(15)["status"]
    assert (before["replicas"], before["readyReplicas"], before["fullyLabeledReplicas"]) == (3, 2, 3)
    after = stage.after(40)
    assert after["status"] == {
        "replicas": 2,
        "observedGeneration": 2,
        "fullyLabeledReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
    }


class Test_a_stateful_set:  # noqa: N801
    """apps/v1 StatefulSet."""

    def test_creates_one_pod_after_the_other_and_writes_no_conditions(self):
        stage = Stage(STATEFULSET, plays=(PodPlay(ready=2),), policy="Always", spec={"replicas": 3})
        for seconds in range(60):
            status = stage.after(seconds)["status"]
            names = [pod["metadata"]["name"] for pod in stage.pods()]
            assert names == ["w-0", "w-1", "w-2"][: len(names)]
            assert len(names) <= status.get("readyReplicas", 0) + 1
        revision = status["updateRevision"]
        assert status == {
            "observedGeneration": 1,
            "replicas": 3,
            "readyReplicas": 3,
            "availableReplicas": 3,
            "currentReplicas": 3,
            "updatedReplicas": 3,
            "currentRevision": revision,
            "updateRevision": revision,
            "collisionCount": 0,
        }

    def test_rolls_out_from_the_highest_ordinal_down_never_short_of_two(self):
        rolled = Roll("registry.example/w:2", (PodPlay(ready=2),))
        stage = Stage(
            STATEFULSET,
            plays=(PodPlay(ready=1),),
            policy="Always",
            script=(Wait(40), rolled, *FOR_EVER),
            spec={"replicas": 3},
        )
        old = stage.after(30)["status"]["currentRevision"]
        mixed: list[tuple[int, ...]] = []
        for seconds in range(31, 120):
            status = stage.after(seconds)["status"]
            assert status["readyReplicas"] >= 2
            new = tuple(
                int(pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"])
                for pod in stage.pods()
                if pod["metadata"]["labels"]["controller-revision-hash"] != old
            )
            if mixed[-1:] != [new]:
                mixed.append(new)
        assert mixed == [(), (2,), (1, 2), (0, 1, 2)]
        assert status["currentRevision"] == status["updateRevision"] != old


class Test_a_pytorch_job:  # noqa: N801
    """kubeflow.org/v1 PyTorchJob."""

    def test_runs_with_a_count_for_each_role_and_succeeds_with_its_master(self):
        stage = Stage(PYTORCHJOB, plays=(PodPlay(run=20),), workers=2)
        running = stage.after(15)
        assert conditions(running) == {
            "Created": ("True", "PyTorchJobCreated"),
            "Running": ("True", "PyTorchJobRunning"),
        }
        counts = {role: one.get("active") for role, one in running["status"]["replicaStatuses"].items()}
        assert counts == {"Master": 1, "Worker": 2}
        roles = {pod["metadata"]["labels"]["training.kubeflow.org/replica-type"] for pod in stage.pods()}
        assert roles == {"master", "worker"}
        done = stage.after(60)
        assert conditions(done)["Running"][0] == "False"
        assert conditions(done)["Succeeded"] == ("True", "PyTorchJobSucceeded")
        assert done["status"]["completionTime"]

    @pytest.mark.parametrize(("code", "wanted"), [(1, "Failed"), (137, "Succeeded")])
    def test_tries_again_after_a_signal_and_fails_after_any_other_code(self, code: int, wanted: str):
        plays = (PodPlay(run=6, ending=Ending.EXIT, exit_code=code), PodPlay(run=12))
        stage = Stage(PYTORCHJOB, plays=plays)
        done = stage.after(90)
        assert conditions(done)[wanted][0] == "True"
        words = {one["type"] for status in stage.statuses() for one in status.get("conditions", ())}
        assert ("Restarting" in words) == (wanted == "Succeeded")
        assert "Restarting" not in conditions(done)

    def test_is_suspended_and_resumed(self):
        script = (Wait(12), Suspend(), Wait(20), Resume(), UntilEnded(keep=1_000))
        stage = Stage(PYTORCHJOB, plays=(PodPlay(run=20),), script=script, workers=1)
        suspended = stage.after(28)
        assert conditions(suspended)["Suspended"] == ("True", "PyTorchJobSuspended")
        assert conditions(suspended)["Running"] == ("False", "PyTorchJobSuspended")
        assert stage.pods() == []
        done = stage.after(120)
        assert conditions(done)["Suspended"] == ("False", "PyTorchJobResumed")
        assert conditions(done)["Succeeded"][0] == "True"


class Test_a_pod:  # noqa: N801
    """What scheduler and kubelet write."""

    def test_goes_from_scheduled_to_ready_by_its_conditions(self):
        stage = Stage(POD, plays=(PodPlay(start=3, init=5, ready=4),), policy="Always")
        wanted = {
            2.0: {"PodScheduled": "True", "Initialized": "False", "Ready": "False"},
            13.0: {"PodScheduled": "True", "Initialized": "True", "Ready": "False"},
            30.0: {"PodScheduled": "True", "Initialized": "True", "Ready": "True"},
        }
        for seconds, statuses in wanted.items():
            found = conditions(stage.after(seconds))
            assert {kind: found[kind][0] for kind in statuses} == statuses
        assert stage.after(31)["status"]["podIP"].startswith("10.244.")

    def test_that_loops_waits_twice_as_long_each_time_and_keeps_its_last_end(self):
        stage = Stage(POD, plays=(PodPlay(ready=None, run=1, ending=Ending.EXIT, exit_code=7),), policy="Always")
        (container,) = stage.after(70)["status"]["containerStatuses"]
        assert container["restartCount"] >= 3
        waits = [
            one["state"]["waiting"]["message"].split()[1]
            for status in stage.statuses()
            for one in status.get("containerStatuses", ())
            if one["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
        ]
        assert list(dict.fromkeys(waits))[:3] == ["10s", "20s", "40s"]
        assert container["lastState"]["terminated"]["exitCode"] == 7

    def test_that_fits_nowhere_is_told_so_in_the_schedulers_words(self):
        stage = Stage(POD)
        with stage.player.world.editing(ref_of(POD, stage.after(0))) as pod:
            pod["spec"]["containers"][0]["resources"]["requests"]["nvidia.com/gpu"] = "9"
        found = stage.after(5)
        assert conditions(found)["PodScheduled"] == ("False", "Unschedulable")
        assert found["status"]["conditions"][0]["message"].startswith("0/8 nodes are available: ")
