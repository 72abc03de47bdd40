"""TLS before a server that speaks plainly, with a certificate that clients can trust."""

import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from tests.servers.cache import package
from tests.servers.process import HOST


class Certificate(NamedTuple):
    """PEM files."""

    authority: Path
    """What a client must trust."""
    chain: Path
    key: Path


@contextmanager
def encrypted(port: int, directory: Path) -> Iterator[tuple[int, Path]]:
    """Serve by TLS what a port of loopback serves; return the port, and whom to trust."""
    certificate = certified(HOST, directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    with _Relay((HOST, 0), context, port) as relay:
        thread = threading.Thread(target=relay.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield relay.server_address[1], certificate.authority
        finally:
            relay.shutdown()
            thread.join()


def certified(host: str, directory: Path) -> Certificate:
    """Write a certificate for an address, signed by an authority as every library wants it."""
    package("cryptography", "https")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("authority", host)}
    names = {n: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in keys}
    issuer = keys["authority"].public_key()
    usage = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment"),
            *("data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
        ),
        False,
    )
    for name, key in keys.items():
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=name == "authority", path_length=None), True),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), False),
        ]
        if name == "authority":
            use = x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage)
            extensions.append((use, True))
        else:
            address = x509.IPAddress(ip_address(host))
            extensions.append((x509.SubjectAlternativeName([address]), False))
        builder = (
            x509.CertificateBuilder(names["authority"], names[name], key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=2))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        signed = builder.sign(keys["authority"], hashes.SHA256())
        pem = signed.public_bytes(serialization.Encoding.PEM)
        (directory / f"{name}.pem").write_bytes(pem)
    encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    secret = keys[host].private_bytes(*encoding, serialization.NoEncryption())
    (directory / "key.pem").write_bytes(secret)
    return Certificate(
        directory / "authority.pem", directory / f"{host}.pem", directory / "key.pem"
    )


class _Relay(socketserver.ThreadingTCPServer):
    """Passes bytes on, each connection in a thread."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, port: int) -> None:
        super().__init__(address, _Connection)
        self.context = context
        self.port = port


class _Connection(socketserver.BaseRequestHandler):
    server: _Relay

    def handle(self) -> None:
        with suppress(OSError):  # either side hangs up when it likes
            outside = self.server.context.wrap_socket(self.request, server_side=True)
            with outside, socket.create_connection((HOST, self.server.port)) as inside:
                _relay(outside, inside)


def _relay(outside: ssl.SSLSocket, inside: socket.socket) -> None:
    """Pass bytes on till either side ends; by one thread, for TLS is not for two."""
    other: dict[socket.socket, socket.socket] = {outside: inside, inside: outside}
    while True:
        ready = [outside] if outside.pending() else select.select([*other], [], [])[0]
        for source in ready:
            data = source.recv(1 << 16)
            if not data:
                return
            other[source].sendall(data)
