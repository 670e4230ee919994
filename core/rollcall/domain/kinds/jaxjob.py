"""JAXJob: workers alone, the first of which coordinates."""

from rollcall.domain.kinds.kubeflow import training_job

ENTRIES = (
    training_job(
        "JAXJob",
        plural="jaxjobs",
        replica_specs="jaxReplicaSpecs",
        roles=("Worker",),
        framework="JAX",
    ),
)
