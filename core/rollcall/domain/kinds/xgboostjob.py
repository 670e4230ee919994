"""XGBoostJob."""

from rollcall.domain.kinds.kubeflow import training_job

ENTRIES = (
    training_job(
        "XGBoostJob",
        plural="xgboostjobs",
        replica_specs="xgbReplicaSpecs",
        roles=("Master", "Worker"),
        framework="XGBoost",
    ),
)
