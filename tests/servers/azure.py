"""Azurite, Microsoft's emulator of Azure Blob storage."""

import base64
import json
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers.cache import installed, package, program, run
from tests.servers.process import free_ports, listening, running
from tests.servers.server import Server

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

AZURITE = "3.35.0"
"""Later ones need node 22."""


class Azurite(Server):
    """Checks signatures, also of SAS, and with https takes tokens of a credential."""

    account = "devstoreaccount1"
    # Published: https://github.com/Azure/Azurite/blob/v3.35.0/README.md#default-storage-account
    key = (
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6"
        "IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    )

    def __init__(self, *, https: bool = False) -> None:
        super().__init__()
        self.scheme = "https" if https else "http"
        self.certificate: Path | None = None
        """What a client must trust; signed by itself, and only with https."""

    @property
    def url(self) -> str:
        """Where the account's containers are."""
        return f"{super().url}/{self.account}"

    @property
    def connection_string(self) -> str:
        return self.connection_string_at(super().url)

    def connection_string_at(self, url: str, *, key: str | None = None) -> str:
        """Return the connection string for a proxy's URL, or with another key than is right."""
        scheme = url.partition(":")[0]
        return (
            f"DefaultEndpointsProtocol={scheme};AccountName={self.account};"
            f"AccountKey={key or self.key};BlobEndpoint={url}/{self.account};"
        )

    def client(self, *, url: str | None = None, key: str | None = None) -> "BlobServiceClient":
        """Return the SDK's client, which does not try again.

        Args:
            url: of a proxy before the server.
            key: another one than is right.
        """
        package("azure.storage.blob", "an Azure client")
        from azure.storage.blob import BlobServiceClient

        options: dict[str, Any] = {"retry_total": 0}
        if self.certificate is not None:
            options["connection_verify"] = str(self.certificate)
        string = self.connection_string_at(url or super().url, key=key)
        return BlobServiceClient.from_connection_string(string, **options)

    def container(self, name: str) -> str:
        """Return the name of a container that is there and empty; three characters at least."""
        with self.client() as client:
            if name in {one.name for one in client.list_containers(name_starts_with=name)}:
                client.delete_container(name)
            client.create_container(name)
        return name

    def token(self) -> str:
        """Return a token as a credential would; nobody signed it, and Azurite does not ask."""
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3600,
        }
        parts = {"alg": "none", "typ": "JWT"}, claims
        coded = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts]
        return ".".join([*(part.decode().rstrip("=") for part in coded), "none"])

    def _start(self, stack: ExitStack, directory: Path) -> None:
        node = program("node", "Azurite")
        modules = installed(f"azurite-{AZURITE}", _install) / "node_modules"
        (self.port,) = free_ports(1)
        main = modules / "azurite" / "dist" / "src" / "blob" / "main.js"
        where = ["--blobHost", self.host, "--blobPort", str(self.port)]
        # Clients are ahead of the emulator in versions, and do nothing new.
        how = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        process = running(
            [node, str(main), *where, *how, *self._security(directory), "--location", "data"],
            log=directory / "log",
            answers=lambda: listening(self.port),
        )
        stack.enter_context(process)

    def _security(self, directory: Path) -> list[str]:
        if self.scheme == "http":
            return []
        self.certificate, key = _certificate(self.host, directory)
        return ["--cert", str(self.certificate), "--key", str(key), "--oauth", "basic"]


def _install(directory: Path) -> None:
    npm = program("npm", "Azurite")
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--no-save"]
    (directory / "package.json").write_text('{"private": true}')
    run(npm, "install", *options, f"azurite@{AZURITE}", cwd=directory)


def _certificate(host: str, directory: Path) -> tuple[Path, Path]:
    """Write a certificate for an address, and its key."""
    package("cryptography", "https")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = directory / "certificate.pem", directory / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, key_pem
