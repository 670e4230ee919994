"""One active operator per cluster: a Lease, by the `kubernetes` package's leader election, in a thread of its own."""

import asyncio
import copy
import functools
import os
import secrets
import socket
import threading
from typing import Any

import structlog
import urllib3
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

from rollcall.cluster_access import Access

LEASE_SECONDS = 15
"""A leader that was killed is followed after this long, and :data:`RETRY_SECONDS` at most."""

RETRY_SECONDS = 2
REQUEST_SECONDS = 2

RENEW_SECONDS = 8
"""How long a leader tries to renew. It must have given up when its Lease runs out: this, the wait before it and the two
requests that may be under way at its end are less than :data:`LEASE_SECONDS`."""

_CONFLICT = 409
_NOT_FOUND = 404

log = structlog.get_logger(__name__)


class Leadership:
    """Whether this process writes. ``leading`` is set once it does; ``lost`` when it no longer may."""

    def __init__(self) -> None:
        self.leading = asyncio.Event()
        self.lost = asyncio.Event()
        self.identity = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._lease: _Lease | None = None

    def assume(self) -> None:
        """Lead without asking: this operator is alone."""
        self.leading.set()

    def campaign(self, access: Access, *, namespace: str, name: str) -> None:
        """Run for the Lease in a daemon thread: where the process just ends, the Lease runs out."""
        loop = asyncio.get_running_loop()
        lease = self._lease = _Lease(access, namespace=namespace, name=name, identity=self.identity)

        def started() -> None:
            loop.call_soon_threadsafe(self.leading.set)
            threading.Event().wait()

        settings = electionconfig.Config(  # type: ignore[no-untyped-call]
            lease,
            lease_duration=LEASE_SECONDS,
            renew_deadline=RENEW_SECONDS,
            retry_period=RETRY_SECONDS,
            onstarted_leading=started,
            onstopped_leading=lambda: None,
        )
        election: Any = leaderelection.LeaderElection(settings)  # type: ignore[no-untyped-call]

        def run() -> None:
            try:
                election.run()
            except Exception:
                log.exception("leader_election_failed")
            # However it ended, nobody renews the Lease any more.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self.lost.set)

        threading.Thread(target=run, name="leader-election", daemon=True).start()
        log.info("leader_election_started", lease=f"{namespace}/{name}", identity=self.identity)

    async def resign(self) -> None:
        """Give the Lease back where it is ours, so that a standby need not wait until it runs out."""
        if self._lease is not None:
            await asyncio.to_thread(self._lease.release)


class _Lease(LeaseLock):
    """The package's lock, with an end to its patience: it knows no time-out and raises where there is no answer."""

    def __init__(self, access: Access, *, namespace: str, name: str, identity: str) -> None:
        configuration = copy.copy(access.configuration)
        configuration.retries = False  # the election tries again by itself
        # The package speaks through the client's default configuration.
        client.Configuration.set_default(configuration)
        super().__init__(name, namespace, identity)  # type: ignore[no-untyped-call]
        self.api_instance: Any = _Bounded(self.api_instance)
        self._turn = threading.Lock()
        self._released = False

    def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        """Read the Lease: whether it could be, and it or the error."""
        try:
            found: tuple[bool, Any] = super().get(name, namespace)  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return False, ApiException(reason=type(error).__name__)
        return found

    def create(self, name: str, namespace: str, election_record: Any) -> bool:
        """Make the Lease; whether that worked."""
        try:
            return bool(super().create(name, namespace, election_record))  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, OSError):
            return False

    def update(self, name: str, namespace: str, updated_record: Any) -> bool:
        """Take or renew the Lease; whether that worked."""
        with self._turn:
            if self._released:
                return False
            try:
                return bool(super().update(name, namespace, updated_record))  # type: ignore[no-untyped-call]
            except (urllib3.exceptions.HTTPError, OSError):
                return False

    def release(self) -> None:
        """Empty the Lease if it is ours; it is never taken again."""
        with self._turn:
            self._released = True
            try:
                lease = self.api_instance.read_namespaced_lease(self.name, self.namespace)
                if lease.spec.holder_identity != self.identity:
                    return
                lease.spec.holder_identity = ""
                lease.spec.lease_duration_seconds = 1
                self.api_instance.replace_namespaced_lease(name=self.name, namespace=self.namespace, body=lease)
            except (urllib3.exceptions.HTTPError, OSError, ApiException) as error:
                log.warning("lease_not_released", error=type(error).__name__)


class _Bounded:
    """An API of the `kubernetes` package whose every request has a time-out; refusals are logged when they change."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self._refusal: int | None = None

    def __getattr__(self, name: str) -> Any:
        return functools.partial(self._call, getattr(self._api, name))

    def _call(self, method: Any, *arguments: Any, **named: Any) -> Any:
        try:
            answer = method(*arguments, **named, _request_timeout=REQUEST_SECONDS)
        except ApiException as error:
            # A conflict is another operator's luck; a Lease that is not there is made.
            is_normal = error.status == _CONFLICT or (
                error.status == _NOT_FOUND and method.__name__ == "read_namespaced_lease"
            )
            if not is_normal and error.status != self._refusal:
                self._refusal = error.status
                log.warning("lease_refused", status=error.status)
            raise
        self._refusal = None
        return answer
