"""The fields by which workloads and pods are sorted and filtered: their names in the contract, what they read."""

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Table, case, cast, func


class FieldKind(Enum):
    """What kind of value a field has, which decides how it is compared."""

    TEXT = "text"
    NUMBER = "number"
    INSTANT = "instant"


class Field(StrEnum):
    """What a page of workloads can be sorted and filtered by: the contract's names."""

    TYPE = "type"
    NAME = "name"
    CLUSTER_ID = "clusterId"
    PROJECT_ID = "projectId"
    PROJECT_NAME = "projectName"
    DEPARTMENT_ID = "departmentId"
    DEPARTMENT_NAME = "departmentName"
    CREATED_AT = "createdAt"
    DELETED_AT = "deletedAt"
    SUBMITTED_BY = "submittedBy"
    PHASE = "phase"
    COMPLETED_AT = "completedAt"
    NODE_POOL = "nodepool"
    ALLOCATED_GPU = "allocatedGPU"
    DISTRIBUTED_FRAMEWORK = "distributedFramework"
    IDLE_GPUS = "idleGpus"
    IDLE_ALLOCATED_GPUS = "idleAllocatedGpus"
    PHASE_UPDATED_AT = "phaseUpdatedAt"
    CATEGORY = "category"
    PRIORITY = "priority"
    TOTAL_PENDING_TIME_SECONDS = "totalPendingTimeSeconds"
    TOTAL_RUNNING_TIME_SECONDS = "totalRunningTimeSeconds"
    PRIORITY_CLASS_NAME = "priorityClassName"
    GUARANTEED_RUNTIME_ENDS_AT = "guaranteedRuntimeEndsAt"
    AI_APPLICATION_ID = "aiApplicationId"
    AI_APPLICATION_NAME = "aiApplicationName"

    @property
    def kind(self) -> FieldKind:
        """What kind of value it has."""
        return _KINDS.get(self, FieldKind.TEXT)


class PodField(StrEnum):
    """What a page of pods can be sorted and filtered by: the contract's names."""

    CLUSTER_ID = "clusterId"
    WORKLOAD_ID = "workloadId"
    REVISION_ID = "revisionId"
    NODE_NAME = "nodeName"
    CURRENT_NODE_POOL = "currentNodepool"
    CREATED_AT = "createdAt"
    COMPLETED_AT = "completedAt"
    DELETED_AT = "deletedAt"

    @property
    def kind(self) -> FieldKind:
        """What kind of value it has."""
        return FieldKind.INSTANT if self.endswith("At") else FieldKind.TEXT


class PlaceField(StrEnum):
    """What a listing can be sorted and filtered by; each listing has its own."""

    @property
    def kind(self) -> FieldKind:
        """What kind of value it has."""
        if self.value == "value":
            return FieldKind.NUMBER
        return FieldKind.INSTANT if self.value.endswith("At") else FieldKind.TEXT


AnyField = Field | PodField | PlaceField


_KINDS: Mapping[Field, FieldKind] = {
    Field.CREATED_AT: FieldKind.INSTANT,
    Field.DELETED_AT: FieldKind.INSTANT,
    Field.COMPLETED_AT: FieldKind.INSTANT,
    Field.PHASE_UPDATED_AT: FieldKind.INSTANT,
    Field.GUARANTEED_RUNTIME_ENDS_AT: FieldKind.INSTANT,
    Field.ALLOCATED_GPU: FieldKind.NUMBER,
    Field.IDLE_GPUS: FieldKind.NUMBER,
    Field.IDLE_ALLOCATED_GPUS: FieldKind.NUMBER,
    Field.PRIORITY: FieldKind.NUMBER,
    Field.TOTAL_PENDING_TIME_SECONDS: FieldKind.NUMBER,
    Field.TOTAL_RUNNING_TIME_SECONDS: FieldKind.NUMBER,
}

_COLUMNS: Mapping[Field, str] = {
    Field.TYPE: "type",
    Field.NAME: "name",
    Field.CLUSTER_ID: "cluster_id",
    Field.PROJECT_ID: "project_id",
    Field.PROJECT_NAME: "project_name",
    Field.DEPARTMENT_ID: "department_id",
    Field.DEPARTMENT_NAME: "department_name",
    Field.CREATED_AT: "created_at",
    Field.DELETED_AT: "deleted_at",
    Field.SUBMITTED_BY: "submitted_by",
    Field.PHASE: "phase_order",
    Field.COMPLETED_AT: "completed_at",
    Field.NODE_POOL: "node_pools",
    Field.ALLOCATED_GPU: "allocated_gpu_micros",
    Field.DISTRIBUTED_FRAMEWORK: "distributed_framework",
    Field.PHASE_UPDATED_AT: "phase_updated_at",
    Field.CATEGORY: "category",
    Field.PRIORITY: "priority",
    Field.PRIORITY_CLASS_NAME: "priority_class_name",
}

COMPUTED = frozenset({Field.TOTAL_PENDING_TIME_SECONDS, Field.TOTAL_RUNNING_TIME_SECONDS})
"""Fields that are no column, and that every row has."""


_POD_COLUMNS: Mapping[PodField, str] = {
    PodField.CLUSTER_ID: "cluster_id",
    PodField.WORKLOAD_ID: "workload_uid",
    PodField.NODE_NAME: "node_name",
    PodField.CURRENT_NODE_POOL: "node_pool",
    PodField.CREATED_AT: "created_at",
    PodField.COMPLETED_AT: "ended_at",
    PodField.DELETED_AT: "deleted_at",
}


def field_value(field: Field | PodField, table: Table) -> ColumnElement[Any] | None:
    """What a field reads of a row; ``None`` for fields that no row of the table has.

    The phase is read as its place in a life, GPUs as millionths, the node pools as an array.
    """
    match field:
        case Field.TOTAL_PENDING_TIME_SECONDS:
            return pending_seconds(table)
        case Field.TOTAL_RUNNING_TIME_SECONDS:
            return running_seconds(table)
        case PodField():
            name = _POD_COLUMNS.get(field)
        case _:
            name = _COLUMNS.get(field)
    return None if name is None else table.columns.get(name)


def pending_seconds(table: Table) -> ColumnElement[int]:
    """The whole seconds in Pending."""
    return _seconds(table, "Pending", "pending_time")


def running_seconds(table: Table) -> ColumnElement[int]:
    """The whole seconds in Running."""
    return _seconds(table, "Running", "running_time")


def _seconds(table: Table, phase: str, total: str) -> ColumnElement[int]:
    """The whole seconds in a phase: the stays that ended, and on a live row the present one."""
    spent: ColumnElement[Any] = table.c[total]
    if "deleted_at" not in table.columns:
        present = func.greatest(func.now() - table.c.phase_updated_at, func.make_interval())
        spent = spent + case((table.c.phase == phase, present), else_=func.make_interval())
    return cast(func.floor(func.extract("epoch", spent)), BigInteger)
