"""The lives of the project serving: Deployments that are rolled out, scaled, stopped, and that cannot start."""

from rollcall_demo.life import Ending, Life, PodPlay, PodShape, Roll, Scale, Wait
from rollcall_demo.resources import DEPLOYMENT, STATEFULSET

_PROJECT = "serving"
_SERVE = PodPlay(ready=4, stop=3)
_CRASH = PodPlay(ready=None, run=3, ending=Ending.EXIT, exit_code=1)


def _image(name: str, tag: str = "1") -> str:
    return f"registry.example/serving/{name}:{tag}"


def _shape(name: str, *, gpus: int = 1, memory: str = "32Gi") -> PodShape:
    return PodShape(image=_image(name), args=("--port", "8000"), gpus=gpus, memory=memory, restart_policy="Always")


LIVES = (
    Life(
        kind=DEPLOYMENT,
        namespace=_PROJECT,
        name="chat-7b",
        pod=_shape("chat"),
        spec={"replicas": 3},
        plays={"": (_SERVE,)},
        script=(Wait(40), Roll(_image("chat", "2"), (_SERVE,)), Wait(60)),
        priority="inference",
        shows=("Creating", "Initializing", "Running", "Updating", "Running"),
    ),
    Life(
        kind=DEPLOYMENT,
        namespace=_PROJECT,
        name="embedder",
        pod=_shape("embed"),
        spec={"replicas": 4},
        plays={"": (_SERVE, PodPlay(ready=4, run=22, ending=Ending.UNREADY, unready=10, stop=5), _SERVE)},
        script=(Wait(110),),
        priority="inference",
        foreground=True,
        begins_after=1,
        shows=("Creating", "Initializing", "Running", "Degraded", "Running", "Deleting"),
    ),
    Life(
        kind=DEPLOYMENT,
        namespace=_PROJECT,
        name="reranker",
        pod=_shape("rerank"),
        plays={"": (_CRASH,)},
        script=(Wait(110),),
        priority="inference",
        shows=("Creating", "Initializing", "Failed"),
    ),
    Life(
        kind=DEPLOYMENT,
        namespace=_PROJECT,
        name="gateway",
        pod=_shape("gateway", gpus=0),
        spec={"replicas": 2},
        plays={"": (PodPlay(ready=2, stop=5),)},
        script=(Wait(30), Scale(0), Wait(20), Scale(2), Wait(30)),
        priority="inference",
        shows=("Creating", "Running", "Stopping", "Stopped", "Running"),
    ),
    Life(
        kind=DEPLOYMENT,
        namespace=_PROJECT,
        name="vision-api",
        pod=_shape("vision"),
        spec={"replicas": 2},
        plays={"": (_SERVE,)},
        # A release whose image is missing, taken back.
        script=(
            Wait(25),
            Roll(_image("vision", "no-such-tag"), (PodPlay(ending=Ending.IMAGE_MISSING),)),
            Wait(75),
            Roll(_image("vision"), (_SERVE,)),
            Wait(20),
        ),
        priority="inference",
        shows=("Creating", "Running", "Updating", "Degraded", "Running"),
    ),
    Life(
        kind=DEPLOYMENT,
        namespace=_PROJECT,
        name="batch-scorer",
        pod=_shape("score", gpus=0),
        plays={"": (PodPlay(ending=Ending.CONFIG_MISSING),)},
        script=(Wait(90),),
        begins_after=2,
        shows=("Creating", "Initializing", "Failed"),
    ),
    Life(
        kind=DEPLOYMENT,
        namespace=_PROJECT,
        name="translator",
        pod=_shape("translate"),
        spec={"progressDeadlineSeconds": 25},
        # Never ready, until a better release comes.
        plays={"": (PodPlay(ready=None),)},
        script=(Wait(55), Roll(_image("translate", "2"), (_SERVE,)), Wait(40)),
        priority="inference",
        shows=("Creating", "Initializing", "Failed", "Running"),
    ),
    Life(
        kind=DEPLOYMENT,
        namespace=_PROJECT,
        name="autoscaled",
        pod=_shape("autoscaled"),
        plays={"": (_SERVE,)},
        script=(Wait(20), Scale(3), Wait(30), Scale(1), Wait(25)),
        priority="inference",
        begins_after=6,
        shows=("Creating", "Running", "Updating", "Running", "Updating", "Running"),
    ),
    Life(
        kind=DEPLOYMENT,
        namespace=_PROJECT,
        name="summariser",
        pod=_shape("summarise", memory="8Gi"),
        spec={"replicas": 2},
        # One of two pods asks for more memory than it may have, again and again.
        plays={"": (_SERVE, PodPlay(ready=4, run=9, ending=Ending.OUT_OF_MEMORY))},
        script=(Wait(120),),
        priority="inference",
        begins_after=4,
        shows=("Creating", "Running", "Degraded"),
    ),
    Life(
        kind=DEPLOYMENT,
        namespace=_PROJECT,
        name="exporter",
        pod=_shape("export", gpus=0),
        spec={"replicas": 2},
        # One pod is evicted, another takes its place.
        plays={"": (_SERVE, PodPlay(ready=3, run=25, ending=Ending.EVICTED), _SERVE)},
        script=(Wait(90),),
        begins_after=5,
        shows=("Creating", "Running", "Degraded", "Running"),
    ),
    Life(
        kind=STATEFULSET,
        namespace=_PROJECT,
        name="session-cache",
        pod=_shape("cache", gpus=0, memory="16Gi"),
        spec={"replicas": 3},
        plays={"": (PodPlay(ready=2),), "1": (PodPlay(ready=2, run=20, ending=Ending.OUT_OF_MEMORY, steady_after=1),)},
        script=(Wait(80),),
        begins_after=3,
        shows=("Creating", "Running", "Degraded", "Running"),
    ),
)
