"""What lies where below a store's root."""

from blobfs.layout.hashed import HashedLayout

__all__ = ["HashedLayout"]
