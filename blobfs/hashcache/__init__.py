"""What is known of files that have not changed since they were hashed, and where that holds."""

from blobfs.hashcache.cache import HashCache
from blobfs.hashcache.mounts import is_network_path
from blobfs.hashcache.rows import COARSE_NS, Identity

__all__ = ["COARSE_NS", "HashCache", "Identity", "is_network_path"]
