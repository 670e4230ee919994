"""PaddleJob: elastic like a PyTorchJob; the contract has no framework for it."""

from rollcall.domain.kinds.kubeflow import training_job

ENTRIES = (
    training_job(
        "PaddleJob",
        plural="paddlejobs",
        replica_specs="paddleReplicaSpecs",
        roles=("Master", "Worker"),
        framework=None,
    ),
)
