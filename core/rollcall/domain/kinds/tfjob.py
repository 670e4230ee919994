"""TFJob: its chief, master or first worker decides its success, as its conditions say; parameter servers never end."""

from rollcall.domain.kinds.kubeflow import training_job

ENTRIES = (
    training_job(
        "TFJob",
        plural="tfjobs",
        replica_specs="tfReplicaSpecs",
        roles=("Chief", "Master", "PS", "Worker", "Evaluator"),
        framework="TF",
    ),
)
