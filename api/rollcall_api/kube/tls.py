"""The listener's TLS: its certificate, and the authority that signs the API server's, both as they are by now."""

import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from rollcall.errors import SettingsError

_CERTIFICATE = "ROLLCALL_API__AGGREGATED__CERTIFICATE_FILE"
_KEY = "ROLLCALL_API__AGGREGATED__KEY_FILE"


class Certificates:
    """The context that new connections are accepted with.

    OpenSSL asks for it at each handshake, so that one listening socket lives through every change. A connection from
    before a change of the authority proves nothing any more; a renewed serving certificate leaves all as they are.
    """

    def __init__(self, certificate: Path, key: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._paths = certificate, key
        self._clock = clock
        self._seen: tuple[object, ...] = ()
        self._authority = ""
        self._trusted: WeakKeyDictionary[ssl.SSLContext, str] = WeakKeyDictionary()
        """The authority of each context that a connection still has."""
        self._current = self._loaded()
        self.listening = self._loaded()
        """What the listening socket is opened with; it trusts nobody's certificate itself."""
        self.listening.sni_callback = self._hand_over

    def refresh(self, authority: str) -> None:
        """Take over what has changed: the files' contents, or the certificates whose word is taken (PEM).

        Raises:
            SettingsError: the files are no pair of a certificate and its key; the old ones are kept.
        """
        if (self._read_state(), authority) != (self._seen, self._authority):
            self._authority = authority
            self._current = self._loaded()

    def proved_peer(self, tls: ssl.SSLObject) -> Mapping[str, Any] | None:
        """The client's certificate, where it was checked against what is trusted now and has not run out since."""
        if not self._authority or self.is_outdated(tls) or tls.session_reused:
            return None
        peer = tls.getpeercert()
        if not peer or ssl.cert_time_to_seconds(str(peer["notAfter"])) <= self._clock():
            return None
        return peer

    def is_outdated(self, tls: ssl.SSLObject) -> bool:
        """Whether a connection is from before the authority changed: its client has to connect again."""
        return self._trusted.get(tls.context) != self._authority

    def _hand_over(self, tls: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        tls.context = self._current

    def _loaded(self) -> ssl.SSLContext:
        seen = self._read_state()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A session that is taken up again shows a certificate that nobody looks at any more.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        context.set_alpn_protocols(["http/1.1"])
        certificate, key = self._paths
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"{_CERTIFICATE} and {_KEY}: {certificate} and {key} are no certificate and its key:"
                f" {getattr(error, 'strerror', None) or error}."
            ) from error
        # A certificate is asked for and may be left out; one that does not verify ends the handshake.
        context.verify_mode = ssl.CERT_OPTIONAL
        if self._authority:
            context.load_verify_locations(cadata=self._authority)
        self._seen = seen
        self._trusted[context] = self._authority
        return context

    def _read_state(self) -> tuple[object, ...]:
        try:
            return tuple((found.st_mtime_ns, found.st_size, found.st_ino) for found in map(Path.stat, self._paths))
        except OSError:
            return ()


def certificate_paths(certificate: Path | None, key: Path | None) -> tuple[Path, Path]:
    """Both files' paths.

    Raises:
        SettingsError: one is missing; the sentence names it.
    """
    if certificate is None or key is None:
        missing = _CERTIFICATE if certificate is None else _KEY
        raise SettingsError(f"{missing} is missing: the aggregated API is served with TLS alone.")
    return certificate, key
