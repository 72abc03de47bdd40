"""The files of a source."""

from blobfs.scan.value import LocalFile, Scan, identity_of
from blobfs.scan.walk import Links, scan

__all__ = ["Links", "LocalFile", "Scan", "identity_of", "scan"]
