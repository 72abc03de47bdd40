"""Keep artifacts on any storage you already have.

    artifact = blobfs.upload("model/", name="resnet", version="3")
    blobfs.download("resnet:3", "out/")

Everything here is imported when it is first used, so that a process pays for what it needs.
"""

from typing import TYPE_CHECKING

from blobfs.late import exporting

if TYPE_CHECKING:
    from blobfs.adoption import (
        adopt as adopt,
    )
    from blobfs.adoption import (
        plan_adopt as plan_adopt,
    )
    from blobfs.api import (
        artifacts as artifacts,
    )
    from blobfs.api import (
        assets as assets,
    )
    from blobfs.api import (
        diff as diff,
    )
    from blobfs.api import (
        download as download,
    )
    from blobfs.api import (
        find as find,
    )
    from blobfs.api import (
        open_store as open_store,
    )
    from blobfs.api import (
        plan_upload as plan_upload,
    )
    from blobfs.api import (
        remove as remove,
    )
    from blobfs.api import (
        upload as upload,
    )
    from blobfs.api import (
        verify as verify,
    )
    from blobfs.artifact.adopted import Adopted as Adopted
    from blobfs.artifact.diff import Diff as Diff
    from blobfs.artifact.value import Artifact as Artifact
    from blobfs.artifact.value import UploadPlan as UploadPlan
    from blobfs.artifact.verify import Report as Report
    from blobfs.compat.aiflow import (
        BlobConfig as BlobConfig,
    )
    from blobfs.compat.aiflow import (
        BlobManagerConfig as BlobManagerConfig,
    )
    from blobfs.compat.aiflow import (
        BlobManagerFactory as BlobManagerFactory,
    )
    from blobfs.compat.aiflow import (
        WorkflowPropertyKeys as WorkflowPropertyKeys,
    )
    from blobfs.compat.aiflow import (
        current_project_config as current_project_config,
    )
    from blobfs.compat.aiflow import (
        init_project_context as init_project_context,
    )
    from blobfs.errors import (
        AccessError as AccessError,
    )
    from blobfs.errors import (
        ArtifactConflictError as ArtifactConflictError,
    )
    from blobfs.errors import (
        ArtifactNotFoundError as ArtifactNotFoundError,
    )
    from blobfs.errors import (
        BlobfsError as BlobfsError,
    )
    from blobfs.errors import (
        CommitUnknownError as CommitUnknownError,
    )
    from blobfs.errors import (
        ConfigError as ConfigError,
    )
    from blobfs.errors import (
        DestinationError as DestinationError,
    )
    from blobfs.errors import (
        ExecutorError as ExecutorError,
    )
    from blobfs.errors import (
        IgnoreSyntaxError as IgnoreSyntaxError,
    )
    from blobfs.errors import (
        IntegrityError as IntegrityError,
    )
    from blobfs.errors import (
        MissingDependencyError as MissingDependencyError,
    )
    from blobfs.errors import (
        SourceChangedError as SourceChangedError,
    )
    from blobfs.errors import (
        SourceError as SourceError,
    )
    from blobfs.errors import (
        SourceNotFoundError as SourceNotFoundError,
    )
    from blobfs.errors import (
        StorageFullError as StorageFullError,
    )
    from blobfs.errors import (
        StoreUnavailableError as StoreUnavailableError,
    )
    from blobfs.errors import (
        TransferError as TransferError,
    )
    from blobfs.errors import (
        UnsafeNameError as UnsafeNameError,
    )
    from blobfs.managers.any import (
        FsspecBlobManager as FsspecBlobManager,
    )
    from blobfs.managers.azure import (
        AdlsGen2BlobManager as AdlsGen2BlobManager,
    )
    from blobfs.managers.azure import (
        AzureBlobManager as AzureBlobManager,
    )
    from blobfs.managers.base import (
        BlobManager as BlobManager,
    )
    from blobfs.managers.hdfs import (
        HDFSBlobManager as HDFSBlobManager,
    )
    from blobfs.managers.local import (
        LocalBlobManager as LocalBlobManager,
    )
    from blobfs.managers.oss import (
        OssBlobManager as OssBlobManager,
    )
    from blobfs.managers.s3 import (
        S3BlobManager as S3BlobManager,
    )
    from blobfs.native import (
        native_url as native_url,
    )
    from blobfs.native import (
        storage_options as storage_options,
    )
    from blobfs.store import (
        Asset as Asset,
    )
    from blobfs.store import (
        Store as Store,
    )

_HOMES = {
    "blobfs.adoption": ("adopt", "plan_adopt"),
    "blobfs.api": (
        "artifacts",
        "assets",
        "diff",
        "download",
        "find",
        "materialize",
        "open_store",
        "plan_upload",
        "remove",
        "upload",
        "verify",
    ),
    "blobfs.artifact.adopted": ("Adopted",),
    "blobfs.artifact.diff": ("Diff",),
    "blobfs.artifact.value": ("Artifact", "UploadPlan"),
    "blobfs.artifact.verify": ("Report",),
    "blobfs.compat.aiflow": (
        "BlobConfig",
        "BlobManagerConfig",
        "BlobManagerFactory",
        "WorkflowPropertyKeys",
        "current_project_config",
        "init_project_context",
    ),
    "blobfs.errors": (
        "AccessError",
        "ArtifactConflictError",
        "ArtifactNotFoundError",
        "BlobfsError",
        "CommitUnknownError",
        "ConfigError",
        "DestinationError",
        "ExecutorError",
        "IgnoreSyntaxError",
        "IntegrityError",
        "MissingDependencyError",
        "SourceChangedError",
        "SourceError",
        "SourceNotFoundError",
        "StorageFullError",
        "StoreUnavailableError",
        "TransferError",
        "UnsafeNameError",
    ),
    "blobfs.managers.any": ("FsspecBlobManager",),
    "blobfs.managers.azure": ("AdlsGen2BlobManager", "AzureBlobManager"),
    "blobfs.managers.base": ("BlobManager",),
    "blobfs.managers.hdfs": ("HDFSBlobManager",),
    "blobfs.managers.local": ("LocalBlobManager",),
    "blobfs.managers.oss": ("OssBlobManager",),
    "blobfs.managers.s3": ("S3BlobManager",),
    "blobfs.native": ("native_url", "storage_options"),
    "blobfs.store": ("Asset", "Store"),
}

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = exporting(__name__, _HOMES)
