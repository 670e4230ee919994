"""Lives of workflows, pipelines, experiments and what starts them by a schedule."""

from typing import Any

from support.kind_lives.life import NOW, Life, Step, condition, conditions, deployment, job, made, pods

from rollcall.domain.facts import KindKey

_ARGO = "argoproj.io/v1alpha1"
_STEPS = {"entrypoint": "main", "templates": [{"name": "main", "container": {"image": "registry.example/step:1"}}]}


def _workflow_status(phase: str) -> dict[str, Any]:
    ended = {} if phase == "Running" else {"finishedAt": NOW}
    return conditions(condition("PodRunning", str(phase == "Running")), phase=phase, startedAt=NOW, **ended)


def _workflow() -> Life:
    return Life(
        key=KindKey(group="argoproj.io", kind="Workflow"),
        spec=_STEPS,
        steps=(
            Step(status={"phase": "Pending", "message": "waiting for a lock"}, phase="Pending", raw="Pending"),
            Step(
                makes=pods("w-main-1", labels={"workflows.argoproj.io/workflow": "w"}),
                status=_workflow_status("Running"),
                phase="Running",
                gpus=1,
                running=1,
                raw="Running",
            ),
            # A step that failed is retried: no failure of the whole.
            Step(ends={"w-main-1": "Failed"}, phase="Running", gpus=0, running=0),
            Step(status=_workflow_status("Failed"), phase="Failed", raw="Failed"),
        ),
    )


def _scheduled(group: str, kind: str, spec: dict[str, Any], active: dict[str, Any], idle: dict[str, Any]) -> Life:
    """What starts Workflows: Argo's own, and that of Kubeflow Pipelines."""
    return Life(
        key=KindKey(group=group, kind=kind),
        spec=spec,
        begins="Pending",
        steps=(
            Step(
                makes=(made(_ARGO, "Workflow", "w-1", _STEPS), *pods("w-1-main", owner="Workflow/w-1")),
                statuses={"Workflow/w-1": _workflow_status("Running")},
                status=active,
                phase="Running",
                gpus=1,
                running=1,
            ),
            Step(
                ends={"w-1-main": "Succeeded"},
                statuses={"Workflow/w-1": _workflow_status("Succeeded")},
                status=idle,
                phase="Running",
                gpus=0,
                running=0,
            ),
        ),
    )


def _schedules() -> tuple[Life, ...]:
    run = {"name": "w-1", "phase": "Running"}
    over = {"name": "w-1", "phase": "Succeeded"}
    trigger = {"trigger": {"lastTriggeredTime": NOW}}
    return (
        _scheduled(
            "argoproj.io",
            "CronWorkflow",
            {"schedule": "0 3 * * *", "workflowSpec": _STEPS},
            {"phase": "Active", "lastScheduledTime": NOW, "active": [{"kind": "Workflow", "name": "w-1"}]},
            {"phase": "Active", "lastScheduledTime": NOW, "active": []},
        ),
        _scheduled(
            "kubeflow.org",
            "ScheduledWorkflow",
            {"enabled": True, "trigger": {"cronSchedule": {"cron": "0 0 3 * * *"}}},
            conditions(condition("Enabled"), **trigger, workflowHistory={"active": [run]}),
            conditions(condition("Enabled"), **trigger, workflowHistory={"completed": [over]}),
        ),
    )


def _tekton() -> tuple[Life, ...]:
    def status(word: str, reason: str) -> dict[str, Any]:
        return conditions(condition("Succeeded", word, reason), startTime=NOW)

    step = pods("w-build-pod", labels={"tekton.dev/pipelineTask": "build"})
    task_run = made("tekton.dev/v1", "TaskRun", "w-build", {"taskRef": {"name": "build"}})
    return (
        Life(
            key=KindKey(group="tekton.dev", kind="TaskRun"),
            spec={"taskRef": {"name": "build"}},
            steps=(
                Step(status=status("Unknown", "Pending"), makes=step, phase="Running", gpus=1, running=1),
                Step(status=status("Unknown", "Running"), phase="Running", raw="Running"),
                Step(
                    ends={"w-build": "Succeeded"},
                    status=status("True", "Succeeded"),
                    phase="Completed",
                    gpus=0,
                    raw="Succeeded",
                ),
            ),
        ),
        Life(
            key=KindKey(group="tekton.dev", kind="PipelineRun"),
            spec={"pipelineRef": {"name": "train"}},
            steps=(
                Step(
                    makes=(task_run, *pods("w-build-pod", owner="TaskRun/w-build")),
                    statuses={"TaskRun/w-build": status("Unknown", "Running")},
                    status=status("Unknown", "Running"),
                    phase="Running",
                    gpus=1,
                    running=1,
                ),
                Step(ends={"w-build": "Succeeded"}, phase="Running", gpus=0, running=0),
                Step(
                    patch={"spec": {"status": "CancelledRunFinally"}},
                    status=status("False", "Cancelled"),
                    phase="Stopped",
                    raw="Cancelled",
                ),
            ),
        ),
    )


def _katib() -> tuple[Life, ...]:
    trial_job = job("w-1", owner="Trial/w-1")
    trial_spec = {"runSpec": dict(trial_job.manifest)}
    running = conditions(condition("Created"), condition("Running"), trials=1, trialsRunning=1)
    over = conditions(condition("Created"), condition("Running", "False"), condition("Succeeded"), completionTime=NOW)
    suggestion = {"katib.kubeflow.org/deployment": "w-random", "katib.kubeflow.org/suggestion": "w"}
    return (
        Life(
            key=KindKey(group="kubeflow.org", kind="Experiment"),
            spec={"parallelTrialCount": 1, "trialTemplate": {"trialSpec": dict(trial_job.manifest)}},
            steps=(
                Step(
                    # The service that suggests parameters is part of it: by an owner whose metadata alone are read.
                    makes=(
                        made("kubeflow.org/v1beta1", "Suggestion", "w"),
                        deployment("w-random", owner="Suggestion/w", gpus=0, labels=suggestion),
                    ),
                    status=conditions(condition("Created")),
                    phase="Initializing",
                    running=1,
                ),
                Step(
                    makes=(made("kubeflow.org/v1beta1", "Trial", "w-1", trial_spec), trial_job),
                    statuses={"Trial/w-1": conditions(condition("Created"), condition("Running"))},
                    status=running,
                    phase="Running",
                    gpus=1,
                    running=2,
                    raw="Running",
                ),
                Step(
                    ends={"w-1-": "Succeeded"},
                    removes=("Deployment/w-random",),
                    statuses={"Trial/w-1": over},
                    status=over,
                    phase="Completed",
                    gpus=0,
                    running=0,
                ),
            ),
        ),
        Life(
            key=KindKey(group="kubeflow.org", kind="Trial"),
            spec=trial_spec,
            steps=(
                Step(
                    makes=(job("w-1"),),
                    status=conditions(condition("Created"), condition("Running")),
                    phase="Running",
                    gpus=1,
                    running=1,
                ),
                Step(
                    ends={"w-1-": "Succeeded"},
                    status=conditions(condition("Created"), condition("Running", "False"), condition("EarlyStopped")),
                    phase="Completed",
                    gpus=0,
                ),
            ),
        ),
    )


LIVES = (_workflow(), *_schedules(), *_tekton(), *_katib())
