"""The kubelets: each bound pod plays its play, and each pod that is to go is ended."""

from datetime import timedelta

from rollcall_demo import pod_statuses, recorder
from rollcall_demo.agenda import Act
from rollcall_demo.life import Ending, PodPlay
from rollcall_demo.objects import Json
from rollcall_demo.resources import NODE, POD
from rollcall_demo.world import Ref, World, controller_uid, ref_of, stamp

GRACE_SECONDS = 30
"""What the API server writes for a pod that says nothing else."""

FIRST_BACK_OFF_SECONDS = 10
LONGEST_BACK_OFF_SECONDS = 40
"""Of a container that keeps ending; a kubelet's is 300 unless configured."""

PULL_BACK_OFFS = (5.0, 10.0, 20.0)
SIGTERM_CODE = 143
SIGKILL_CODE = 137
_STEADY = PodPlay()


def begin(world: World, ref: Ref) -> None:
    """Play a pod that was just given a node."""
    pod = world.get(ref)
    if pod is not None:
        play = world.plays[pod["metadata"]["uid"]] = _play_for(world, pod)
        world.agenda.begin(_key(pod), _play(world, ref, play))


def delete_pod(world: World, ref: Ref) -> None:
    """Ask for a pod's deletion; it stays until its containers have ended and nothing holds it."""
    pod = world.get(ref)
    if pod is None or "deletionTimestamp" in pod["metadata"]:
        return
    held = bool(pod["metadata"].get("finalizers"))
    idle = "nodeName" not in pod["spec"] or pod_statuses.is_terminal(pod)
    if idle and not held:
        world.agenda.end(_key(pod))
        world.delete(ref)
        return
    grace = 0 if idle else GRACE_SECONDS
    with world.editing(ref) as edited:
        edited["metadata"]["deletionTimestamp"] = stamp(world.now + timedelta(seconds=grace))
        edited["metadata"]["deletionGracePeriodSeconds"] = grace
    if not idle:
        _say(world, ref, "Killing", f"Stopping container {_container(pod)}")
    play = world.plays.get(pod["metadata"]["uid"], _STEADY)
    world.agenda.begin(_key(pod), _release(world, ref, 0.0 if idle else world.about(play.stop)))


def _key(pod: Json) -> str:
    return f"pod {pod['metadata']['uid']}"


def _play_for(world: World, pod: Json) -> PodPlay:
    cast = world.casts.get(world.top_uid(pod))
    if cast is None:
        return _STEADY
    place = place_of(pod)
    if place not in cast.plays:
        place = ""
    plays = cast.plays[place]
    number = cast.begun[place]
    cast.begun[place] += 1
    return plays[number % len(plays) if cast.cycles else min(number, len(plays) - 1)]


def place_of(pod: Json) -> str:
    """The pod's place in its workload: ``worker-1``, an ordinal, or nothing."""
    labels = pod["metadata"].get("labels", {})
    role = labels.get("training.kubeflow.org/replica-type")
    if role is not None:
        return f"{role}-{labels['training.kubeflow.org/replica-index']}"
    return str(labels.get("apps.kubernetes.io/pod-index", ""))


def _play(world: World, ref: Ref, play: PodPlay) -> Act:
    with world.editing(ref) as pod:
        node = world.get(Ref(NODE, None, pod["spec"]["nodeName"]))
        host_ip = "" if node is None else node["status"]["addresses"][0]["address"]
        pod_statuses.accept(pod, at=world.stamp(), host_ip=host_ip)
        image = pod["spec"]["containers"][0]["image"]
    yield world.about(play.start)
    if play.ending is Ending.IMAGE_MISSING:
        yield from _pull_for_ever(world, ref, image)
    elif play.ending is Ending.IMAGE_INVALID:
        text = f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": '
        _hold(world, ref, "InvalidImageName", f"{text}invalid reference format")
        _warn(world, ref, "InspectFailed", f"{text}invalid reference format")
    elif play.ending is Ending.CONFIG_MISSING:
        _hold(world, ref, "CreateContainerConfigError", 'configmap "server-config" not found')
        _warn(world, ref, "Failed", 'Error: configmap "server-config" not found')
    else:
        yield from _initialise(world, ref, play)
        yield from _run(world, ref, play)


def _pull_for_ever(world: World, ref: Ref, image: str) -> Act:
    text = (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}":'
        f' failed to resolve reference "{image}": {image}: not found'
    )
    attempts = 0
    while True:
        _say(world, ref, "Pulling", f'Pulling image "{image}"')
        _hold(world, ref, "ErrImagePull", text)
        _warn(world, ref, "Failed", f'Failed to pull image "{image}": {text}')
        yield world.about(2)
        _hold(world, ref, "ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {text}')
        _warn(world, ref, "BackOff", f'Back-off pulling image "{image}"')
        yield PULL_BACK_OFFS[min(attempts, len(PULL_BACK_OFFS) - 1)]
        attempts += 1


def _hold(world: World, ref: Ref, reason: str, message: str) -> None:
    with world.editing(ref) as pod:
        pod_statuses.hold(pod["status"]["containerStatuses"], reason, message)
        pod_statuses.settle(pod, at=world.stamp())


def _initialise(world: World, ref: Ref, play: PodPlay) -> Act:
    pod = world.get(ref)
    for number in range(len(pod["spec"].get("initContainers", ())) if pod is not None else 0):
        with world.editing(ref) as edited:
            pod_statuses.run(
                edited, edited["status"]["initContainerStatuses"][number:][:1], at=world.stamp(), ready=False
            )
            pod_statuses.settle(edited, at=world.stamp())
        yield world.about(play.init)
        with world.editing(ref) as edited:
            status = edited["status"]["initContainerStatuses"][number]
            pod_statuses.end([status], 0, "Completed", at=world.stamp())
            status["ready"] = True
            pod_statuses.settle(edited, at=world.stamp())


def _run(world: World, ref: Ref, play: PodPlay) -> Act:
    restarts = 0
    while True:
        _start(world, ref, ready=play.ready == 0)
        if play.ready is not None and play.ready > 0:
            yield world.about(play.ready)
            _set_ready(world, ref, ready=True)
        if play.run is None or (play.steady_after is not None and restarts >= play.steady_after):
            return
        yield world.about(play.run)
        while play.ending is Ending.UNREADY:
            _set_ready(world, ref, ready=False)
            yield world.about(play.unready)
            _set_ready(world, ref, ready=True)
            yield world.about(play.run)
        if _is_over(world, ref, play):
            return
        restarts += 1
        yield from _restart(world, ref, play, restarts)


def _start(world: World, ref: Ref, *, ready: bool) -> None:
    with world.editing(ref) as pod:
        image, name = pod["spec"]["containers"][0]["image"], _container(pod)
        pod_statuses.run(pod, pod["status"]["containerStatuses"], at=world.stamp(), ready=ready)
        pod_statuses.settle(pod, at=world.stamp())
    _say(world, ref, "Pulled", f'Container image "{image}" already present on machine')
    _say(world, ref, "Created", f"Created container: {name}")
    _say(world, ref, "Started", f"Started container {name}")


def _set_ready(world: World, ref: Ref, *, ready: bool) -> None:
    with world.editing(ref) as pod:
        for status in pod["status"]["containerStatuses"]:
            status["ready"] = ready
        pod_statuses.settle(pod, at=world.stamp())


def _is_over(world: World, ref: Ref, play: PodPlay) -> bool:
    """End the pod for good, where its ending and its restart policy mean that."""
    pod = world.get(ref)
    policy = "Never" if pod is None else pod["spec"]["restartPolicy"]
    if play.ending is Ending.EVICTED:
        _evict(world, ref)
    elif play.ending is Ending.SUCCEED and policy != "Always":
        _finish(world, ref, "Succeeded", 0, "Completed")
    elif play.ending is not Ending.SUCCEED and policy == "Never":
        _finish(world, ref, "Failed", *_exit_of(play))
    else:
        return False
    return True


def _exit_of(play: PodPlay) -> tuple[int, str]:
    match play.ending:
        case Ending.OUT_OF_MEMORY:
            return SIGKILL_CODE, "OOMKilled"
        case Ending.SUCCEED:
            return 0, "Completed"
        case _:
            return play.exit_code, "Error"


def _finish(world: World, ref: Ref, phase: str, exit_code: int, reason: str) -> None:
    with world.editing(ref) as pod:
        pod_statuses.end(pod["status"]["containerStatuses"], exit_code, reason, at=world.stamp())
        pod["status"]["phase"] = phase
        pod_statuses.settle(pod, at=world.stamp())


def _evict(world: World, ref: Ref) -> None:
    message = (
        "The node was low on resource: ephemeral-storage. Threshold quantity: 107374182400, available: 98461572Ki."
        " Container main was using 212486600Ki, request is 0, has larger consumption of ephemeral-storage. "
    )
    _warn(world, ref, "Evicted", message)
    with world.editing(ref) as pod:
        status = pod["status"]
        pod_statuses.end(status["containerStatuses"], SIGKILL_CODE, "Error", at=world.stamp())
        status.update(phase="Failed", reason="Evicted", message=message)
        pod_statuses.settle(pod, at=world.stamp())
        pod_statuses.set_pod_condition(
            status["conditions"],
            "DisruptionTarget",
            "True",
            at=world.stamp(),
            reason="TerminationByKubelet",
            message=message,
        )


def _restart(world: World, ref: Ref, play: PodPlay, restarts: int) -> Act:
    exit_code, reason = _exit_of(play)
    with world.editing(ref) as pod:
        pod_statuses.end(pod["status"]["containerStatuses"], exit_code, reason, at=world.stamp())
        pod_statuses.settle(pod, at=world.stamp())
    yield 1.0
    if restarts > 1:
        # The first restart is at once, each further one waits twice as long.
        seconds = min(FIRST_BACK_OFF_SECONDS * 2 ** (restarts - 2), LONGEST_BACK_OFF_SECONDS)
        with world.editing(ref) as pod:
            metadata = pod["metadata"]
            name = pod["spec"]["containers"][0]["name"]
            where = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            text = f"back-off {seconds}s restarting failed container={name} pod={where}"
            pod_statuses.hold(pod["status"]["containerStatuses"], "CrashLoopBackOff", text)
            pod_statuses.settle(pod, at=world.stamp())
        _warn(world, ref, "BackOff", f"Back-off restarting failed container {name} in pod {where}")
        yield float(seconds)
    with world.editing(ref) as pod:
        for status in pod["status"]["containerStatuses"]:
            status["restartCount"] = restarts


def _say(world: World, ref: Ref, reason: str, message: str) -> None:
    pod = world.get(ref)
    if pod is not None:
        recorder.normal(world, pod, recorder.KUBELET, reason, message)


def _warn(world: World, ref: Ref, reason: str, message: str) -> None:
    pod = world.get(ref)
    if pod is not None:
        recorder.warning(world, pod, recorder.KUBELET, reason, message)


def _container(pod: Json) -> str:
    return str(pod["spec"]["containers"][0]["name"])


def _release(world: World, ref: Ref, seconds: float) -> Act:
    yield seconds
    pod = world.get(ref)
    if pod is not None and "containerStatuses" in pod["status"] and not pod_statuses.is_terminal(pod):
        _finish(world, ref, "Failed", SIGTERM_CODE, "Error")
    while (pod := world.get(ref)) is not None and pod["metadata"].get("finalizers"):
        owner = controller_uid(pod)
        above = None if owner is None else world.by_uid(owner)
        if owner is None or above is None or "deletionTimestamp" in above["metadata"]:
            # Whoever would have counted it is gone, or counts no more.
            release_finalizers(world, pod)
            break
        world.wake(owner)
        yield 0.2
    world.delete(ref)


def release_finalizers(world: World, pod: Json) -> None:
    """Nothing holds the pod any more."""
    with world.editing(ref_of(POD, pod)) as edited:
        edited["metadata"].pop("finalizers", None)
