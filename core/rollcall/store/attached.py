"""What hangs on a workload, as ``details`` holds it: only what there is, so that most rows stay small."""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.attachments import Connection, ConnectionType, Datasource, DatasourceType, Tool, Topology
from rollcall.domain.records import OrgType, PhaseReason, SchedulingMessage, WorkloadRecord


def attached_row(record: WorkloadRecord) -> dict[str, Any]:
    """The parts of ``details`` that are absent where they are empty."""
    topology = record.topology
    row: dict[str, Any] = {
        "datasources": [[one.type.value, one.name] for one in record.datasources],
        # Pairs, since JSONB does not keep the order of keys.
        "environment": [list(pair) for pair in record.environment],
        "urls": list(record.urls),
        "connections": [
            [one.name, one.type.value, one.tool.value, one.url, one.container_port] for one in record.connections
        ],
        "topology": None if topology is None else [topology.name, topology.preferred, topology.required],
        "schedulingMessages": [_message_row(one) for one in record.pending_scheduling_messages],
    }
    return {key: value for key, value in row.items() if value}


def attached_of(details: Mapping[str, Any]) -> dict[str, Any]:
    """The same as fields of a record."""
    topology = details.get("topology")
    return {
        "datasources": tuple(
            Datasource(type=DatasourceType(kind), name=name) for kind, name in details.get("datasources", ())
        ),
        "environment": tuple((name, value) for name, value in details.get("environment", ())),
        "urls": tuple(details.get("urls", ())),
        "connections": tuple(
            Connection(name=name, type=ConnectionType(kind), tool=Tool(tool), url=url, container_port=port)
            for name, kind, tool, url, port in details.get("connections", ())
        ),
        "topology": None
        if topology is None
        else Topology(name=topology[0], preferred=topology[1], required=topology[2]),
        "pending_scheduling_messages": tuple(_message_of(one) for one in details.get("schedulingMessages", ())),
    }


def _message_row(message: SchedulingMessage) -> list[str | None]:
    org_type = None if message.org_type is None else message.org_type.value
    return [message.node_pool, message.phase_reason.value, message.reason, org_type, message.user_message]


def _message_of(row: list[Any]) -> SchedulingMessage:
    node_pool, phase_reason, reason, org_type, user_message = row
    return SchedulingMessage(
        node_pool=node_pool,
        phase_reason=PhaseReason(phase_reason),
        reason=reason,
        org_type=None if org_type is None else OrgType(org_type),
        user_message=user_message,
    )
