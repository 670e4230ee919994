"""The ladder alone: each rule fires, and the one above it wins."""

from datetime import timedelta

import pytest
from support.observed import CREATED, NOW, pod

from rollcall.domain.ladder import RULE_SENTENCES, decide
from rollcall.domain.pods import judge
from rollcall.domain.records import Phase, RememberedPod
from rollcall.domain.signals import Signals, Verdict
from rollcall.domain.situation import Context

RAN = CREATED + timedelta(minutes=2)
NEVER = RememberedPod()
ONCE_READY = RememberedPod(ready_at=RAN)


def decided(signals, *states, memory=None, **context):
    pods = tuple(
        judge(pod(f"w-{number}", state), now=NOW, remembered=memory, grace_seconds=120)
        for number, state in enumerate(states)
    )
    outcome, _ = decide(signals, pods, Context(now=NOW, **({"created_at": CREATED} | context)))
    return outcome


def case(name, rule, phase, signals, *states, **context):
    return pytest.param(rule, phase, signals, states, context, id=name)


THREE = Signals(required=3)

FIRING = [
    case("1 deletion", "1", Phase.DELETING, THREE, "ready", deleting=True, finalizers=("foreground",)),
    case("2 failure", "2", Phase.FAILED, Signals(failed=Verdict(message="BackoffLimitExceeded"))),
    case("2 latched failure", "2", Phase.FAILED, THREE, "ready", ended=Phase.FAILED),
    case("3 success", "3", Phase.COMPLETED, Signals(completed=Verdict())),
    case("3 latched success", "3", Phase.COMPLETED, THREE, "unscheduled", ended=Phase.COMPLETED),
    case("4 stop with live pods", "4", Phase.STOPPING, Signals(stop="suspended"), "releasing"),
    case("4 stop with pods in the status", "4", Phase.STOPPING, Signals(stop="suspended", existing=2)),
    case("5 stop without pods", "5", Phase.STOPPED, Signals(stop="suspended"), "succeeded"),
    case("5 held by a queue", "5", Phase.PENDING, Signals(stop="waiting for quota", queued=True)),
    case("6 resuming", "6", Phase.RESUMING, Signals(resuming="resumed", required=1)),
    case("7 not observed", "7", Phase.CREATING, Signals(unobserved="not observed", required=1)),
    case("8 no pod", "8", Phase.CREATING, Signals(required=3, existing=0, ready=0)),
    case("9 missing", "9", Phase.PENDING, THREE, "ready", "ready"),
    case("9 gated", "9", Phase.PENDING, THREE, "ready", "ready", "gated"),
    case("9 unscheduled", "9", Phase.PENDING, THREE, "ready", "ready", "unscheduled"),
    case("9 by its own word", "9", Phase.PENDING, Signals(waiting="no run yet")),
    case("10 fatal", "10", Phase.FAILED, THREE, "image", "image", "not_ready"),
    case("10 fatal, though it ran", "10", Phase.FAILED, THREE, "crash", "crash", "crash", running_since=RAN),
    case("11 surplus", "11", Phase.UPDATING, Signals(required=2, surplus="3 pods"), "ready", "ready", "creating"),
    case("11 surplus before it ran", "11", Phase.UPDATING, Signals(required=2, surplus="3"), "ready", "creating"),
    case("11 behind", "11", Phase.UPDATING, Signals(required=1, behind="0 of 1"), "ready", running_since=RAN),
    case("11 not observed", "11", Phase.UPDATING, Signals(required=1, unobserved="old"), "ready", running_since=RAN),
    case("11 resize", "11", Phase.UPDATING, THREE, "ready", "creating", running_since=RAN, resized=True),
    case("12 not ready", "12", Phase.DEGRADED, THREE, "ready", "ready", "not_ready", running_since=RAN),
    case("12 missing", "12", Phase.DEGRADED, THREE, "ready", "ready", running_since=RAN),
    case("12 evicted", "12", Phase.DEGRADED, THREE, "ready", "ready", "evicted", running_since=RAN),
    case("12 fatal beside enough", "12", Phase.DEGRADED, Signals(required=1), "ready", "image", running_since=RAN),
    case("12 hint, latched or not", "12", Phase.DEGRADED, Signals(required=1, degraded="old serves"), "ready"),
    case("12 framework", "12", Phase.DEGRADED, Signals(required=1, not_ready="why"), "ready", running_since=RAN),
    case("13 nothing serves", "13", Phase.INITIALIZING, THREE, "not_ready", "creating", running_since=RAN),
    case("13 nothing scheduled", "13", Phase.PENDING, THREE, "unscheduled", running_since=RAN),
    case("14 starting", "14", Phase.INITIALIZING, THREE, "ready", "not_ready", "creating"),
    case("14 framework", "14", Phase.INITIALIZING, Signals(required=1, not_ready="why"), "ready"),
    case("15 all ready", "15", Phase.RUNNING, THREE, "ready", "ready", "ready"),
    case("15 idle", "15", Phase.RUNNING, Signals(idle="idle")),
    case("15 counts", "15", Phase.RUNNING, Signals(required=3, existing=3, ready=3)),
    case("15 its word", "15", Phase.RUNNING, Signals(says_ready=True)),
    case("15 succeeded pods", "15", Phase.RUNNING, Signals(required=2, success_satisfies=True), "ready", "succeeded"),
    case("16 unreadable", "16", Phase.UNKNOWN, Signals(unreadable="spec.replicas is no count")),
]


@pytest.mark.parametrize(("rule", "phase", "signals", "states", "context"), FIRING)
def test_each_rule_fires(rule, phase, signals, states, context):
    outcome = decided(signals, *states, **context)
    assert (outcome.rule, outcome.phase) == (rule, phase)


def test_every_rule_of_the_table_has_a_case():
    assert {param.values[0] for param in FIRING} == set(RULE_SENTENCES)


FAILED = Verdict(message="failed")
STOPPED_AND_FAILED = Signals(stop="suspended", failed=FAILED)

PRECEDENCE = [
    case("deletion over failure", "1", Phase.DELETING, Signals(failed=FAILED), deleting=True),
    case("failure over success", "2", Phase.FAILED, Signals(failed=FAILED, completed=Verdict())),
    case("success over stop", "3", Phase.COMPLETED, Signals(completed=Verdict(), stop="suspended"), "ready"),
    case("failure over stop", "2", Phase.FAILED, STOPPED_AND_FAILED, "releasing"),
    case("stopping over stopped", "4", Phase.STOPPING, Signals(stop="s"), "ready"),
    case("stop over resuming", "5", Phase.STOPPED, Signals(stop="s", resuming="r")),
    case("resuming over not observed", "6", Phase.RESUMING, Signals(resuming="r", unobserved="u")),
    case("not observed over no pod", "7", Phase.CREATING, Signals(unobserved="u", required=1, existing=0)),
    case("pods over not observed", "9", Phase.PENDING, Signals(unobserved="u", required=1), "unscheduled"),
    case("pending over fatal", "9", Phase.PENDING, Signals(required=2), "image", "unscheduled"),
    case("hint over pending", "12", Phase.DEGRADED, Signals(required=2, degraded="d"), "ready", "unscheduled"),
    case("fatal over updating", "12", Phase.DEGRADED, Signals(required=1, surplus="2"), "ready", "image"),
    case("updating over degraded", "11", Phase.UPDATING, Signals(required=2, behind="b"), "ready", running_since=RAN),
    case("fatal over restarting", "10", Phase.FAILED, Signals(required=1), "crash", running_since=RAN),
    case("unlatched missing is pending", "9", Phase.PENDING, Signals(required=2), "ready"),
    case("latched missing is degraded", "12", Phase.DEGRADED, Signals(required=2), "ready", running_since=RAN),
    case("pods over the object's counts", "14", Phase.INITIALIZING, Signals(required=1, ready=1), "not_ready"),
    case("pods over its word", "14", Phase.INITIALIZING, Signals(says_ready=True), "not_ready"),
]


@pytest.mark.parametrize(("rule", "phase", "signals", "states", "context"), PRECEDENCE)
def test_the_upper_rule_wins(rule, phase, signals, states, context):
    outcome = decided(signals, *states, **context)
    assert (outcome.rule, outcome.phase) == (rule, phase)


def test_a_fatal_pod_in_its_grace_keeps_the_workload_initializing_and_is_looked_at_again():
    assert decided(Signals(required=1), "image", memory=NEVER).phase is Phase.INITIALIZING
    latched = decided(Signals(required=1), "image", memory=ONCE_READY, running_since=RAN)
    assert (latched.phase, latched.rule) == (Phase.INITIALIZING, "13")


def test_a_pending_gang_leads_with_the_pod_that_cannot_pull():
    message = decided(Signals(required=2), "unscheduled", "image").message or ""
    assert message.index("ImagePullBackOff") < message.index("Insufficient")


def test_a_resize_ends_where_a_pod_that_was_ready_is_lost():
    lost = decided(THREE, "ready", "not_ready", memory=ONCE_READY, running_since=RAN, resized=True)
    assert lost.phase is Phase.DEGRADED


def test_creating_says_so_after_two_minutes():
    young = decided(Signals(required=1, existing=0), created_at=NOW - timedelta(seconds=119))
    old = decided(Signals(required=1, existing=0), created_at=NOW - timedelta(seconds=120))
    assert young.revisit_at == NOW + timedelta(seconds=1)
    assert old.revisit_at is None
    assert young.message != old.message
    assert "quota" in (decided(Signals(required=1, holdup="exceeded quota")).message or "")


def test_the_failed_message_keeps_what_the_pods_said_before_they_were_cleaned_up():
    signals = Signals(failed=Verdict(message="BackoffLimitExceeded"), required=1)
    first = decided(signals, "failed")
    later = decided(signals, last_phase=Phase.FAILED, last_message=first.message)
    assert "exit code 2" in (first.message or "")
    assert later.message == first.message
