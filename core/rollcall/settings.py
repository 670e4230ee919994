"""Settings of both processes: environment variables ``ROLLCALL_…``, each field described, built once in a command.

A wrong value or an unknown ``ROLLCALL_`` variable is one sentence (:class:`SettingsError`), never a traceback.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from rollcall.domain.facts import DomainSettings
from rollcall.errors import SettingsError
from rollcall.oidc_settings import OidcSettings
from rollcall.prometheus_settings import PrometheusSettings
from rollcall.setting_lists import Names

PREFIX = "ROLLCALL_"

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LONGEST_LABEL = 63


class DatabaseSettings(BaseModel):
    """How to reach PostgreSQL."""

    model_config = ConfigDict(extra="forbid")

    dsn: SecretStr = Field(
        default=SecretStr("postgresql://localhost/rollcall"),
        description="PostgreSQL ≥ 14, as a libpq URL: postgresql://user:password@host:5432/name?sslmode=require",
    )
    pool_size: PositiveInt = Field(default=8, description="Connections one process keeps at most.")
    statement_timeout_seconds: PositiveFloat = Field(
        default=10, description="Longest time a statement may run before PostgreSQL cancels it."
    )
    lock_timeout_seconds: PositiveFloat = Field(default=5, description="Longest wait for a lock.")
    connect_timeout_seconds: PositiveInt = Field(default=5, description="Longest wait for a connection.")
    migrate_wait_seconds: NonNegativeFloat = Field(
        default=60, description="How long `rollcall migrate` tries again where the database is away."
    )


class ClusterSettings(BaseModel):
    """Which cluster this is and what of it counts."""

    model_config = ConfigDict(extra="forbid")

    id: str | None = Field(default=None, description="Cluster UUID; by default the uid of the namespace kube-system.")
    name: str = Field(default="default", description="Display name of the cluster.")
    tenant_id: int = Field(default=1, description="Value of tenantId in every answer.")
    project_labels: Names = Field(
        default=DomainSettings().project_labels,
        description="Namespace labels that make a namespace a project's and name it; the first present wins.",
    )
    all_namespaces: bool = Field(
        default=False, description="Watch every namespace, not only those that carry a project label."
    )
    node_pool_labels: Names = Field(
        default=DomainSettings().node_pool_labels,
        description="Node labels that name a node's pool; first present wins.",
    )
    ignored_namespaces: Names = Field(
        default=DomainSettings().ignored_namespaces, description="Namespaces whose pods are never workloads."
    )
    gpu_resources: Names = Field(
        default=DomainSettings().gpu_resources,
        description="Names of resources, one unit of which counts as one GPU, on top of the known ones.",
    )
    gpu_device_classes: Names = Field(
        default=DomainSettings().gpu_device_classes,
        description="Parts of names of DeviceClasses whose devices count as GPUs.",
    )
    environment_values: bool = Field(
        default=DomainSettings().environment_values,
        description="Keep and serve the literal values of the environment variables of each workload's main container; "
        "values from Secrets, ConfigMaps and fields never are.",
    )
    fatal_grace_seconds: PositiveInt = Field(
        default=DomainSettings().fatal_grace_seconds,
        description="How long a fatal container state may last before the workload counts as failed.",
    )

    def domain(self) -> DomainSettings:
        """The part the domain decides by."""
        return DomainSettings(
            node_pool_labels=self.node_pool_labels,
            project_labels=self.project_labels,
            ignored_namespaces=self.ignored_namespaces,
            fatal_grace_seconds=self.fatal_grace_seconds,
            environment_values=self.environment_values,
            gpu_resources=self.gpu_resources,
            gpu_device_classes=self.gpu_device_classes,
        )


class OperatorSettings(BaseModel):
    """How the operator watches and writes."""

    model_config = ConfigDict(extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address of /livez, /readyz and /metrics.")
    port: int = Field(default=8081, ge=0, le=65535, description="Port of the same; 0 takes a free one.")
    flush_interval_seconds: PositiveFloat = Field(default=0.2, description="Longest time a change waits to be written.")
    sweep_interval_seconds: PositiveFloat = Field(
        default=300, description="How often the cluster's lists are compared with the open rows."
    )
    watch_limit_seconds: PositiveFloat = Field(
        default=300, description="Age of a watch's last sign of life past which the operator exits."
    )
    discovery_interval_seconds: PositiveFloat = Field(
        default=60, description="How often discovery is asked for kinds that appeared or went."
    )
    kube_context: str | None = Field(
        default=None, description="Context of the kubeconfig to use; by default the ServiceAccount or its current one."
    )
    namespaces: Names = Field(
        default=(),
        description="Namespaces that are watched, with no more rights than Roles in them; by default the whole cluster "
        "is. ROLLCALL_CLUSTER__ID must be set with it.",
    )
    leader_election: bool = Field(default=True, description="Take a Lease before writing; off for one operator alone.")
    lease_namespace: str = Field(default="rollcall", description="Namespace of the Lease.")
    lease_name: str = Field(default="rollcall-operator", description="Name of the Lease.")
    kinds_namespace: str | None = Field(
        default=None,
        description="Namespace of the ConfigMaps that teach further kinds; by default that of the Lease.",
    )
    batch_size: PositiveInt = Field(default=500, description="Workloads written in one transaction at most.")
    retention_days: PositiveInt = Field(default=180, description="How long deleted workloads are kept.")
    events: bool = Field(default=True, description="Keep the Kubernetes events of workloads' objects.")
    event_retention_days: PositiveInt = Field(
        default=7,
        description="How long an event is kept after it happened last; the API server itself keeps it an hour.",
    )

    @field_validator("namespaces")
    @classmethod
    def _names_of_namespaces(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            # kopf takes other texts for patterns, and they would lead to other paths of the API.
            if len(name) > _LONGEST_LABEL or not _DNS_LABEL.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a namespace")
        return tuple(dict.fromkeys(value))


class AggregatedSettings(BaseModel):
    """How the API serves kubectl, behind the cluster's own API server."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = Field(
        default=False,
        description="Serve rollcall.dev/v1 as an aggregated API, on a port of its own and always with authentication.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8443, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    certificate_file: Path | None = Field(
        default=None, description="Serving certificate, and what it is signed by, in PEM; read again when it changes."
    )
    key_file: Path | None = Field(default=None, description="Its private key, in PEM.")


class ApiSettings(BaseModel):
    """How the API listens and whom it lets in."""

    model_config = ConfigDict(extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    authentication: Literal["none", "kubernetes", "oidc"] = Field(
        default="kubernetes",
        description="none: nobody is asked (loopback only); kubernetes: TokenReview and SubjectAccessReview; "
        "oidc: tokens of an issuer, and SubjectAccessReview.",
    )
    oidc: OidcSettings = Field(default_factory=OidcSettings)
    reviews: Literal["delegated", "self"] = Field(
        default="delegated",
        description="How the cluster is asked about a caller. delegated: with TokenReview and SubjectAccessReview, for "
        "which the API needs a ClusterRole; self: with the caller's own token (SelfSubjectReview and "
        "SelfSubjectAccessReview), for which it needs no right at all.",
    )
    kube_context: str | None = Field(
        default=None, description="Context of the kubeconfig whose API server is asked; by default as the operator."
    )
    review_cache_seconds: PositiveFloat = Field(default=10, description="How long an answer about rights is kept.")
    applications_file: Path | None = Field(
        default=None,
        description="File, from a mounted Secret, that maps applications to the ServiceAccounts whose tokens they get; "
        "without one, no application gets any.",
    )
    token_seconds: int = Field(
        default=3600, ge=600, le=86400, description="How long an application's token is good for."
    )
    stale_after_seconds: PositiveFloat = Field(
        default=120, description="Age of the oldest watch past which /readyz says the view is stale."
    )
    rate_per_second: NonNegativeFloat = Field(
        default=50,
        description="Requests of one caller that are answered in the long run, the rest being a 429; 0 for any number. "
        "With authentication none it does not count.",
    )
    rate_burst: PositiveInt = Field(default=200, description="Requests of one caller that are answered at once.")
    trusted_proxies: Names = Field(
        default=(),
        description="Addresses or networks of the proxies whose X-Forwarded-For says who is calling; by default it is "
        "not looked at.",
    )
    aggregated: AggregatedSettings = Field(
        default_factory=AggregatedSettings, description="How kubectl is served, behind the cluster's own API server."
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            ipaddress.ip_network(one)
        return value


class LogSettings(BaseModel):
    """How the processes log."""

    model_config = ConfigDict(extra="forbid")

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, JSON otherwise."
    )


class Settings(BaseSettings):
    """All settings. ``ROLLCALL_API__PORT=9000`` sets ``api.port``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid")

    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    cluster: ClusterSettings = Field(default_factory=ClusterSettings)
    operator: OperatorSettings = Field(default_factory=OperatorSettings)
    api: ApiSettings = Field(default_factory=ApiSettings)
    prometheus: PrometheusSettings = Field(default_factory=PrometheusSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @model_validator(mode="after")
    def _is_identified(self) -> Self:
        if self.operator.namespaces and not self.cluster.id:
            raise ValueError(
                f"{PREFIX}CLUSTER__ID: must be set with {PREFIX}OPERATOR__NAMESPACES; the cluster's own uid is that of "
                "kube-system, which Roles in other namespaces do not let the operator read",
            )
        return self

    @model_validator(mode="after")
    def _has_a_token_to_ask_with(self) -> Self:
        if self.api.reviews == "self" and self.api.authentication == "oidc":
            raise ValueError(
                f"{PREFIX}API__REVIEWS=self: asks the cluster with the caller's own token, and with "
                f"{PREFIX}API__AUTHENTICATION=oidc that is the issuer's and none of the cluster's; where the API "
                f"server itself takes the issuer's tokens, {PREFIX}API__AUTHENTICATION=kubernetes lets them in"
            )
        if self.api.reviews == "self" and self.api.aggregated.enabled:
            raise ValueError(
                f"{PREFIX}API__REVIEWS=self: asks the cluster with the caller's own token, and with "
                f"{PREFIX}API__AGGREGATED__ENABLED the cluster's API server hands on the caller's name and no token"
            )
        return self


def setting_names() -> dict[str, str]:
    """Every environment variable and its description, in the order of the classes."""
    names: dict[str, str] = {}
    for section, section_field in Settings.model_fields.items():
        _collect_names(f"{PREFIX}{section}", section_field, names)
    return names


def _collect_names(path: str, field: FieldInfo, names: dict[str, str]) -> None:
    model = field.annotation
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, inner in model.model_fields.items():
            _collect_names(f"{path}__{name}", inner, names)
    else:
        names[path.upper()] = field.description or ""


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the process environment.

    Args:
        environment: only looked at for unknown ``ROLLCALL_`` names; the process environment by default.

    Raises:
        SettingsError: a sentence that names the setting at fault. Values are never repeated: they may be secret.
    """
    known = setting_names()
    for name in sorted(environment if environment is not None else os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(f"{name} is not a setting of Rollcall; `rollcall settings` lists them.")
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        said = first["msg"].removeprefix("Value error, ")
        if first["loc"]:
            name = PREFIX + "__".join(str(part) for part in first["loc"] if not isinstance(part, int)).upper()
            said = f"{name}: {said}"
        # What concerns several settings names them itself.
        raise SettingsError(f"{said}.") from None
