"""Applications: a client id and a secret that stand for a ServiceAccount, whose short-lived tokens they are given.

They are kept in a file, which in a cluster is a mounted Secret. It holds no secret itself, only what it hashes to.
"""

import asyncio
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Protocol, Self

import aiohttp
import structlog
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rollcall.cluster_access import post_json
from rollcall.domain.reading import read_instant
from rollcall.errors import ClusterError, SettingsError

log = structlog.stdlib.get_logger(__name__)

_SETTING = "ROLLCALL_API__APPLICATIONS_FILE"
_MOST_BYTES = 1024 * 1024
_SHA256 = r"^[0-9a-f]{64}$"
_NAME = r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?"


class Application(BaseModel):
    """One secret of an application; while a secret is exchanged for another the application stands there twice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clientId: str = Field(min_length=1, max_length=253)  # noqa: N815 - as in the file
    secretSha256: Annotated[str, Field(pattern=_SHA256)] | None = None  # noqa: N815
    secretSha256File: Path | None = None  # noqa: N815
    """Where the same stands in a file of its own, beside this one where the path is relative."""
    serviceAccount: Annotated[str, Field(pattern=f"^{_NAME}/{_NAME}$", max_length=512)]  # noqa: N815
    """Namespace and name, with a slash between them."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.secretSha256 is None) == (self.secretSha256File is None):
            raise ValueError("give secretSha256 or secretSha256File")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    applications: tuple[Application, ...]


@dataclass(frozen=True, slots=True)
class Issued:
    """A bearer token and how long it is good for."""

    token: str
    seconds: int


class Issuer(Protocol):
    """Gives tokens to applications."""

    async def issue(self, client_id: str, secret: str) -> Issued | None:
        """A token; ``None`` where there is no such application or its secret is another.

        Raises:
            ClusterError: nobody could be asked for one.
        """


class ApplicationsFile:
    """The applications of a file, read again whenever it has changed; an unreadable change is not taken."""

    def __init__(self, path: Path) -> None:
        """Raises :class:`SettingsError` where the file cannot be read."""
        self._path = path
        self._beside: tuple[Path, ...] = ()
        self._applications = self._read_now()
        self._stamp = self._stamp_now()

    def current(self) -> tuple[Application, ...]:
        """The applications as of now."""
        try:
            stamp = self._stamp_now()
            if stamp != self._stamp:
                self._stamp, self._applications = stamp, self._read_now()
                # A file that is named now and was not before has its own stamp.
                self._stamp = self._stamp_now()
        except SettingsError as error:
            log.warning("applications_not_read", error=str(error))
        return self._applications

    def _stamp_now(self) -> tuple[tuple[int, ...], ...]:
        # A mounted Secret changes by a symbolic link that is turned: the file behind it is another one then.
        try:
            found = [path.stat() for path in (self._path, *self._beside)]
        except OSError as error:
            raise SettingsError(f"{_SETTING}: cannot be read: {error.strerror or error}.") from error
        return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in found)

    def _read_now(self) -> tuple[Application, ...]:
        named = _read(self._path)
        self._beside = tuple(
            self._path.parent / one.secretSha256File for one in named if one.secretSha256File is not None
        )
        return tuple(_with_its_hash(one, self._path.parent) for one in named)


def _with_its_hash(application: Application, folder: Path) -> Application:
    """The application with what its file says. Raises :class:`SettingsError`, which repeats nothing of the content."""
    if application.secretSha256File is None:
        return application
    digest = _content(folder / application.secretSha256File).decode("ascii", "replace").strip()
    if re.fullmatch(_SHA256, digest) is None:
        raise SettingsError(
            f"{_SETTING}: {application.secretSha256File}: must hold 64 hexadecimal digits, in small letters."
        )
    return application.model_copy(update={"secretSha256": digest})


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{_SETTING}: cannot be read: {path.name}: {error.strerror or error}.") from error
    if len(content) > _MOST_BYTES:
        raise SettingsError(f"{_SETTING}: {path.name}: is longer than {_MOST_BYTES} bytes.")
    return content


def _read(path: Path) -> tuple[Application, ...]:
    """Raises :class:`SettingsError`, which repeats nothing of the content."""
    content = _content(path)
    try:
        return _File.model_validate(yaml.safe_load(content)).applications
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{_SETTING}: {place or 'the file'}: {first['msg']}.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise SettingsError(f"{_SETTING}: is no YAML.") from None


class ServiceAccountTokens:
    """An :class:`Issuer` that asks the API server for a token of the application's ServiceAccount (TokenRequest)."""

    def __init__(
        self, applications: ApplicationsFile, session: aiohttp.ClientSession, server: str, *, seconds: int
    ) -> None:
        self._applications = applications
        self._session = session
        self._server = server
        self._seconds = seconds

    async def issue(self, client_id: str, secret: str) -> Issued | None:
        """See :class:`Issuer`."""
        applications = await asyncio.to_thread(self._applications.current)
        application = known(applications, client_id, secret)
        if application is None:
            return None
        namespace, name = application.serviceAccount.split("/")
        answer = await post_json(
            self._session,
            self._server,
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": self._seconds},
            },
        )
        status = answer.get("status")
        token, until = (
            (status.get("token"), status.get("expirationTimestamp")) if isinstance(status, dict) else ("", "")
        )
        expires_at = read_instant(until)
        if not isinstance(token, str) or not token or expires_at is None:
            raise ClusterError("The Kubernetes API answered a TokenRequest without a token.")
        return Issued(token, max(int((expires_at - datetime.now(UTC)).total_seconds()), 0))


def known(applications: tuple[Application, ...], client_id: str, secret: str) -> Application | None:
    """The application with that id and secret. How long it takes tells nothing of either."""
    given_id, given = (_digest(text) for text in (client_id, secret))
    found: Application | None = None
    for one in applications:
        same_id = hmac.compare_digest(_digest(one.clientId), given_id)
        if hmac.compare_digest(one.secretSha256 or "", given) and same_id:
            found = one
    return found


def _digest(text: str) -> str:
    # Secrets are random and long, so that one round is enough; JSON may hold half of a surrogate pair.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
