"""PyTorchJob."""

from rollcall.domain.kinds.kubeflow import training_job

ENTRIES = (
    training_job(
        "PyTorchJob",
        plural="pytorchjobs",
        replica_specs="pytorchReplicaSpecs",
        roles=("Master", "Worker"),
        framework="PyTorch",
    ),
)
