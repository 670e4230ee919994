"""The lives of the project speech: trainings that wait for a whole node, a store that is stopped, a paused schedule."""

from rollcall_demo.life import Ending, Life, PodPlay, PodShape, Resume, Scale, Suspend, UntilEnded, Wait
from rollcall_demo.resources import CRONJOB, JOB, POD, PYTORCHJOB, REPLICASET, STATEFULSET

_TRAIN = "registry.example/speech/train:3.3"
_PROJECT = "speech"
_WHOLE_NODE = PodShape(image=_TRAIN, args=("--model", "tts"), gpus=8, cpu="64", memory="512Gi", pool="h100")

LIVES = (
    Life(
        kind=JOB,
        namespace=_PROJECT,
        name="train-tts",
        pod=_WHOLE_NODE,
        plays={"": (PodPlay(run=45),)},
        script=(UntilEnded(keep=20),),
        priority="build",
        user="hana@example.com",
        shows=("Creating", "Running", "Completed"),
    ),
    Life(
        kind=JOB,
        namespace=_PROJECT,
        name="train-vocoder",
        # Waits until the node that the one above holds is free.
        pod=_WHOLE_NODE,
        plays={"": (PodPlay(run=30),)},
        script=(UntilEnded(keep=10),),
        priority="build",
        user="hana@example.com",
        begins_after=4,
        rest=3,
        shows=("Creating", "Pending", "Running", "Completed"),
    ),
    Life(
        kind=PYTORCHJOB,
        namespace=_PROJECT,
        name="train-asr",
        pod=PodShape(image=_TRAIN, args=("--model", "asr"), gpus=2, pool="a100", has_init=True),
        workers=1,
        plays={"": (PodPlay(init=3, run=40),)},
        script=(UntilEnded(keep=20),),
        user="ivan@example.com",
        begins_after=7,
        shows=("Creating", "Initializing", "Running", "Completed"),
    ),
    Life(
        kind=PYTORCHJOB,
        namespace=_PROJECT,
        name="train-diarizer",
        pod=PodShape(image=_TRAIN, args=("--model", "diarizer"), gpus=1, memory="8Gi"),
        plays={"": (PodPlay(run=25, ending=Ending.EXIT, exit_code=4),)},
        script=(UntilEnded(keep=30),),
        user="ivan@example.com",
        begins_after=11,
        shows=("Creating", "Running", "Failed"),
    ),
    Life(
        kind=JOB,
        namespace=_PROJECT,
        name="align-audio",
        pod=PodShape(image="registry.example/speech/align:1", gpus=1),
        spec={"parallelism": 2, "completions": 4},
        plays={"": (PodPlay(run=18),)},
        script=(UntilEnded(keep=15),),
        user="jun@example.com",
        begins_after=5,
        shows=("Creating", "Running", "Completed"),
    ),
    Life(
        kind=STATEFULSET,
        namespace=_PROJECT,
        name="feature-store",
        pod=PodShape(image="registry.example/speech/features:2", cpu="4", memory="32Gi", restart_policy="Always"),
        spec={"replicas": 2},
        plays={"": (PodPlay(ready=2, stop=3),)},
        script=(Wait(30), Scale(3), Wait(25), Scale(0), Wait(20), Scale(2), Wait(30)),
        shows=("Creating", "Running", "Updating", "Running", "Stopping", "Stopped", "Running"),
    ),
    Life(
        kind=REPLICASET,
        namespace=_PROJECT,
        name="transcriber",
        pod=PodShape(image="registry.example/speech/transcribe:8", gpus=1, restart_policy="Always"),
        spec={"replicas": 2},
        # The second of its pods loses its readiness now and then.
        plays={"": (PodPlay(ready=3), PodPlay(ready=3, run=20, ending=Ending.UNREADY, unready=8), PodPlay(ready=3))},
        script=(Wait(120),),
        priority="inference",
        user="jun@example.com",
        begins_after=3,
        shows=("Creating", "Running", "Degraded", "Running"),
    ),
    Life(
        kind=POD,
        namespace=_PROJECT,
        name="probe-gpu",
        pod=PodShape(image="registry.example/tools/probe:1", command=("nvidia-smi",), gpus=1),
        plays={"": (PodPlay(run=8),)},
        script=(UntilEnded(keep=20),),
        user="hana@example.com",
        shows=("Running", "Completed"),
    ),
    Life(
        kind=CRONJOB,
        namespace=_PROJECT,
        name="measure-word-errors",
        pod=PodShape(image="registry.example/speech/measure:1"),
        plays={"": (PodPlay(run=15),)},
        # Not at once where the last run goes on: a suspended schedule stops no run.
        script=(Wait(20), Suspend(), Wait(60), Resume(), Wait(90)),
        shows=("Stopped", "Running"),
    ),
)
