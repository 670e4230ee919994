"""One active operator per cluster: a Lease, by the `kubernetes` package's leader election, in a thread of its own."""

import asyncio
import os
import secrets
import socket
import threading

import structlog
from kubernetes import client
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

from rollcall.cluster_access import Access

LEASE_SECONDS = 15
RENEW_SECONDS = 10
RETRY_SECONDS = 2

log = structlog.get_logger(__name__)


class Leadership:
    """Whether this process writes. ``leading`` is set once it does; ``lost`` when it no longer may."""

    def __init__(self) -> None:
        self.leading = asyncio.Event()
        self.lost = asyncio.Event()
        self.identity = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

    def assume(self) -> None:
        """Lead without asking: this operator is alone."""
        self.leading.set()

    def campaign(self, access: Access, *, namespace: str, name: str) -> None:
        """Run for the Lease in a daemon thread: it ends with the process, and the Lease then runs out."""
        loop = asyncio.get_running_loop()
        # The package speaks through the client's default configuration.
        client.Configuration.set_default(access.configuration)

        def started() -> None:
            loop.call_soon_threadsafe(self.leading.set)
            threading.Event().wait()

        def stopped() -> None:
            loop.call_soon_threadsafe(self.lost.set)

        settings = electionconfig.Config(  # type: ignore[no-untyped-call]
            LeaseLock(name, namespace, self.identity),  # type: ignore[no-untyped-call]
            lease_duration=LEASE_SECONDS,
            renew_deadline=RENEW_SECONDS,
            retry_period=RETRY_SECONDS,
            onstarted_leading=started,
            onstopped_leading=stopped,
        )
        election = leaderelection.LeaderElection(settings)  # type: ignore[no-untyped-call]
        threading.Thread(target=election.run, name="leader-election", daemon=True).start()
        log.info("leader_election_started", lease=f"{namespace}/{name}", identity=self.identity)
