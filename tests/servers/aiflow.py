"""The real AIFlow, its last nightly, installed beside everything and seen only by who asks."""

from pathlib import Path

from tests.servers.cache import packages

AIFLOW = "2023.12.31"

PACKAGES = (
    f"ai-flow-nightly=={AIFLOW}",
    f"notification-service-nightly=={AIFLOW}",
    "SQLAlchemy==1.3.24",
    "protobuf==3.20.3",
    "googleapis-common-protos==1.56.4",
    "grpcio>=1.62",
    "apscheduler>=3.10,<4",
    "tzlocal>=5",
    "pytz",
)
"""What its client and its worker import as they start, beside packages that blobfs's tests need
anyhow (cloudpickle, Jinja2, python-dateutil, PyYAML, six). It pins hundreds, for Python 3.8."""


def aiflow() -> Path:
    """Return the directory for PYTHONPATH that holds it.

    Raises:
        Unavailable: if it cannot be installed.
    """
    options = "--no-deps", "--ignore-requires-python"
    name = f"ai-flow-nightly-{AIFLOW}"
    return packages(name, *options, *PACKAGES, DISABLE_SQLALCHEMY_CEXT="1")
