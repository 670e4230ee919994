"""DistributedWorkload of Run:ai: the contract's Distributed, which owns a training job of one of five frameworks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rollcall.domain.facts import ObjectFacts
from rollcall.domain.fields import at, mapping_at
from rollcall.domain.kinds.entry import FoundRole
from rollcall.domain.kinds.runai import workload
from rollcall.domain.kinds.runai_fields import count_of, template_of, value_of
from rollcall.domain.records import Category

_FRAMEWORKS: Mapping[str, str] = {
    "mpi": "MPI",
    "pytorch": "PyTorch",
    "tf": "TF",
    "tensorflow": "TF",
    "xgboost": "XGBoost",
    "jax": "JAX",
}
_NAMED_BY = ("distributedFramework", "framework", "jobType")
_SPECS = {"mpiJob": "MPI", "pyTorchJob": "PyTorch", "tfJob": "TF", "xgboostJob": "XGBoost", "jaxJob": "JAX"}


def _framework(obj: ObjectFacts) -> str | None:
    """By the field that names it (``PyTorch``, ``pytorchjob``), else by the job's own field."""
    for name in _NAMED_BY:
        word = (value_of(obj.spec, name) or "").lower().removesuffix("job")
        if word in _FRAMEWORKS:
            return _FRAMEWORKS[word]
    return next((framework for field, framework in _SPECS.items() if at(obj.spec, field) is not None), None)


def _find_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    """A master and the workers; fields of the master that stand apart go before the common ones.

    The launcher of MPI trains nothing, and asks for GPUs only where its own fields say so.
    """
    workers = FoundRole("worker", template_of(obj.spec), count_of(obj.spec, "workers", None))
    if value_of(obj.spec, "noMaster") == "true" or at(obj.spec, "noMaster.value") is True:
        return (workers,)
    own: Mapping[str, Any] = mapping_at(obj.spec, "master")
    launches = _framework(obj) == "MPI"
    template = template_of({**obj.spec, **own}, with_gpus=not launches or "gpu" in own)
    return FoundRole("launcher" if launches else "master", template, 1), workers


ENTRIES = (
    replace(
        workload(
            "DistributedWorkload",
            type_name="Distributed",
            category=Category.TRAIN,
            default_priority_class="train",
            find_roles=_find_roles,
            role_names=("master", "launcher", "worker"),
        ),
        role_labels=("training.kubeflow.org/replica-type",),
        framework=_framework,
    ),
)
