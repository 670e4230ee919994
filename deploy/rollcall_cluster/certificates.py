"""The cluster's own certificates: two authorities, and what they sign, as PEM files in one private folder."""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=30)
"""Longer than any local cluster lives."""

_SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_SERVER_ADDRESSES = ("127.0.0.1", "::1", "10.96.0.1")


class Authority:
    """A certificate authority whose key never leaves this process."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(self._name, self._key, usage=None)
        self.certificate = folder / f"{name}.crt"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue_client(self, user: str, *, group: str | None = None, lifetime: timedelta = LIFETIME) -> tuple[Path, Path]:
        """A client certificate for a user, in a group where one is named; the paths of certificate and key."""
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
        if group is not None:
            parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
        return self._issue(user.replace(":", "-"), x509.Name(parts), usage, lifetime=lifetime)

    def issue_server(self, name: str, *names: str) -> tuple[Path, Path]:
        """A certificate for a server on loopback, called so too; the paths of certificate and key."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._issue(name, subject, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def _issue(
        self,
        name: str,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        names: Sequence[str] = (),
        *,
        lifetime: timedelta = LIFETIME,
    ) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(subject, key, usage=usage, names=names, lifetime=lifetime)
        paths = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_private(paths[1], key)
        return paths

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        usage: x509.ObjectIdentifier | None,
        names: Sequence[str] = (),
        lifetime: timedelta = LIFETIME,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + lifetime)
            .add_extension(x509.BasicConstraints(ca=usage is None, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if usage is None:
            builder = builder.add_extension(_signing_usage(), critical=True)
        else:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if usage == ExtendedKeyUsageOID.SERVER_AUTH:
            called: list[x509.GeneralName] = [x509.DNSName(name) for name in (*_SERVER_NAMES, *names)]
            called += [x509.IPAddress(ipaddress.ip_address(address)) for address in _SERVER_ADDRESSES]
            builder = builder.add_extension(x509.SubjectAlternativeName(called), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def make_key_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """A key pair without a certificate, for signing tokens; the paths of public and private key."""
    key = ec.generate_private_key(ec.SECP256R1())
    public, private = folder / f"{name}.pub", folder / f"{name}.key"
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    write_private(private, key)
    return public, private


def write_private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """A private key as PEM that only its owner may read."""
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _signing_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
