"""Lives of kinds that Kubernetes has by itself, beside the samples: its own controllers do all the work."""

from support.kind_lives.life import Life, Step, template

from rollcall.domain.facts import KindKey

LIVES = (
    Life(
        key=KindKey(group="apps", kind="ReplicaSet"),
        version="v1",
        spec={"replicas": 2, "selector": {"matchLabels": {"app": "w"}}, "template": template(labels={"app": "w"})},
        begins=None,
        steps=(
            Step(phase="Running", gpus=2, running=2, via=("Initializing",)),
            Step(patch={"spec": {"replicas": 0}}, phase="Stopped", gpus=0, running=0),
            Step(patch={"spec": {"replicas": 1}}, phase="Running", gpus=1, running=1),
        ),
    ),
)
