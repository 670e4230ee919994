"""What hangs on a workload: the data it mounts, the ways to reach it, the topology it is placed by."""

from dataclasses import dataclass
from enum import StrEnum


class DatasourceType(StrEnum):
    """Where mounted data comes from, in the contract's words."""

    PVC = "pvc"
    NFS = "nfs"
    GIT = "git"
    S3 = "s3"
    HOST_PATH = "hostPath"
    CONFIG_MAP = "config-map"
    SECRET = "secret-volume"  # noqa: S105 - a word of the contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Datasource:
    """Data that the containers see as files, by the name of where it comes from; never what is in it."""

    type: DatasourceType
    name: str


class ConnectionType(StrEnum):
    """By what something is reached from outside of the cluster, in the contract's words."""

    EXTERNAL_URL = "ExternalUrl"
    LOAD_BALANCER = "LoadBalancer"
    NODE_PORT = "NodePort"


class Tool(StrEnum):
    """What answers at a connection, in the contract's words."""

    JUPYTER = "jupyter-notebook"
    VISUAL_STUDIO_CODE = "visual-studio-code"
    TENSORBOARD = "tensorboard"
    RSTUDIO = "rstudio"
    MLFLOW = "mlflow"
    MATLAB = "matlab"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One way into a workload from outside of the cluster."""

    name: str
    """Of the Service or Ingress, with its port's name; else of the workload."""
    type: ConnectionType
    tool: Tool = Tool.CUSTOM
    url: str | None = None
    """Without a scheme (``10.0.0.1:22``) where it is not known to be HTTP or gRPC."""
    container_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Where the pods are wanted, next to each other: the topology and the levels of it."""

    name: str | None = None
    preferred: str | None = None
    required: str | None = None
