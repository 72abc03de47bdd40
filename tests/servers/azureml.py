"""The real azure-ai-ml, installed beside everything and seen only by who asks."""

from pathlib import Path

from tests.servers.cache import packages

AZUREML = "1.35.2"

PACKAGES = (
    f"azure-ai-ml=={AZUREML}",
    "azure-core>=1.40",
    "azure-monitor-opentelemetry>=1.8",
    "azure-storage-blob>=12.31",
    "azure-storage-file-datalake>=12.20",
    "azure-storage-file-share>=12.20",
)
"""Bounds for what it does not bound itself, of which pip would try all."""


def azureml() -> Path:
    """Return the directory for PYTHONPATH that holds it, with all that it needs.

    Raises:
        Unavailable: if it cannot be installed.
    """
    return packages(f"azure-ai-ml-{AZUREML}", *PACKAGES)
