"""The pod layer: each row of the pod table, grace, and what is told first."""

from datetime import timedelta

import pytest
from support.observed import CREATED, NOW, pod

from rollcall.domain import messages
from rollcall.domain.pod_table import Severity
from rollcall.domain.pods import judge
from rollcall.domain.records import PodState, RememberedPod


def judged(state, *, remembered=None, now=NOW, grace=120, **more):
    return judge(pod(state=state, **more), now=now, remembered=remembered, grace_seconds=grace)


@pytest.mark.parametrize(
    ("state", "wanted", "severity", "said"),
    [
        ("ready", PodState.READY, Severity.NONE, None),
        ("gated", PodState.GATED, Severity.GATED, "kueue.x-k8s.io/admission"),
        ("unscheduled", PodState.UNSCHEDULED, Severity.UNSCHEDULED, "Insufficient nvidia.com/gpu"),
        ("no_condition", PodState.UNSCHEDULED, Severity.UNSCHEDULED, "not scheduled yet"),
        ("preempting", PodState.UNSCHEDULED, Severity.UNSCHEDULED, "gpu-7"),
        ("creating", PodState.INITIALIZING, Severity.CREATING, "ContainerCreating"),
        ("pulling", PodState.FATAL, Severity.IMAGE, "ImagePullBackOff"),
        ("image", PodState.FATAL, Severity.IMAGE, "ImagePullBackOff"),
        ("invalid_image", PodState.FATAL, Severity.IMAGE, "InvalidImageName"),
        ("config", PodState.FATAL, Severity.CONFIG, 'secret "token" not found'),
        ("crash", PodState.FATAL, Severity.CRASH, "exit code 1"),
        ("oom_loop", PodState.FATAL, Severity.OUT_OF_MEMORY, "OOMKilled"),
        ("restarting", PodState.RESTARTING, Severity.CRASH, "exit code 1"),
        ("looping", PodState.FATAL, Severity.CRASH, "exit code 1"),
        ("done_restarting", PodState.RESTARTING, Severity.NOT_READY, "is being restarted"),
        ("not_ready", PodState.NOT_READY, Severity.NOT_READY, "containers not ready"),
        ("succeeded", PodState.SUCCEEDED, Severity.NONE, None),
        ("failed", PodState.FAILED, Severity.CRASH, "exit code 2"),
        ("evicted", PodState.FAILED_INFRA, Severity.INFRA, "low on resource"),
        ("rejected", PodState.FAILED_INFRA, Severity.INFRA, "OutOfnvidia.com/gpu"),
        ("disrupted", PodState.FAILED_INFRA, Severity.INFRA, "PreemptionByScheduler"),
        ("releasing", PodState.RELEASING, Severity.NONE, "is being deleted"),
        ("lost", PodState.UNKNOWN, Severity.INFRA, "gpu-1"),
    ],
)
def test_each_row_of_the_pod_table(state, wanted, severity, said):
    found = judged(state)
    assert (found.state, found.severity) == (wanted, severity)
    assert found.message is None if said is None else said in (found.message or "")


def test_an_end_that_is_never_restarted_is_a_failed_pod_before_its_phase_says_so():
    assert judged("lagging", restart_policy="Never").state is PodState.FAILED
    assert judged("lagging", restart_policy="OnFailure").state is PodState.RESTARTING


def test_a_pod_on_a_node_that_does_not_report_is_unknown():
    found = judge(pod(), now=NOW, remembered=None, grace_seconds=120, node_is_ready=False)
    assert found.state is PodState.UNKNOWN


def test_a_finished_pod_that_is_being_deleted_stays_finished():
    assert judged("succeeded", deletionTimestamp="2026-03-01T12:00:00Z").state is PodState.SUCCEEDED


def test_an_init_container_that_runs_is_named():
    spec = {"initContainers": [{"name": "fetch", "image": "fetcher"}]}
    found = judged("creating", spec=spec)
    assert found.state is PodState.INITIALIZING


class TestGrace:
    """A fatal state counts only once it has lasted."""

    def test_counts_from_the_pods_start_when_it_was_never_seen_before(self):
        assert judged("image").past_grace
        assert not judged("image", started_at=NOW - timedelta(seconds=119)).past_grace

    def test_counts_from_first_sight_when_the_pod_was_known(self):
        fresh = judged("image", remembered=RememberedPod())
        assert fresh.fatal_since == NOW
        assert fresh.grace_ends_at == NOW + timedelta(seconds=120)
        assert not fresh.past_grace

    def test_ends_exactly_with_its_last_second(self):
        memory = RememberedPod(fatal_since=NOW - timedelta(seconds=120))
        assert judged("image", remembered=memory).past_grace
        assert not judged("image", remembered=memory, now=NOW - timedelta(seconds=1)).past_grace

    def test_goes_on_while_the_reason_alternates_or_the_container_restarts(self):
        memory = RememberedPod(fatal_since=CREATED)
        for state in ("image", "pulling", "crash", "looping", "restarting", "not_ready"):
            assert judged(state, remembered=memory).fatal_since == CREATED, state

    def test_starts_anew_once_the_pod_was_ready(self):
        assert judged("ready", remembered=RememberedPod(fatal_since=CREATED)).fatal_since is None

    def test_is_none_for_what_waiting_cannot_mend(self):
        assert judged("invalid_image", remembered=RememberedPod()).past_grace


class TestMessages:
    """Stable, each said once, capped."""

    def test_the_two_words_of_a_failing_pull_are_one(self):
        assert judged("pulling").message == judged("image").message

    def test_the_worst_comes_first_and_equal_ones_are_counted(self):
        states = {"c": "unscheduled", "b": "crash", "a": "unscheduled", "d": "config"}
        pods = [judged(state, name=name) for name, state in states.items()]
        said = messages.of_pods(pods)
        assert said == messages.of_pods(reversed(pods))
        assert said is not None
        assert said.index("CreateContainerConfigError") < said.index("CrashLoopBackOff") < said.index("2 pods: 0/4")

    def test_ties_go_by_role_then_name(self):
        first = judge(pod("z", "crash"), now=NOW, remembered=None, grace_seconds=0, role="master", role_rank=0)
        other = judge(pod("a", "oom_loop"), now=NOW, remembered=None, grace_seconds=0, role="worker", role_rank=1)
        assert (messages.of_pods([other, first]) or "").startswith("pod a")  # out of memory is worse than a crash
        image = judge(pod("a", "invalid_image"), now=NOW, remembered=None, grace_seconds=0, role_rank=1)
        master = judge(pod("z", "image"), now=NOW, remembered=None, grace_seconds=0, role_rank=0)
        assert (messages.of_pods([image, master]) or "").startswith("pod z")

    @pytest.mark.parametrize("text", ["x" * 5000, "ü" * 5000, "\U0001f600" * 5000])
    def test_never_longer_than_a_kibibyte(self, text):
        capped = messages.cap(text)
        assert len(capped.encode()) <= messages.MESSAGE_BYTES
        assert capped.endswith("…")

    def test_a_lone_surrogate_becomes_sayable(self):
        assert messages.cap("a\ud800b").encode() == b"a?b"
