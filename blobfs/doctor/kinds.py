"""What is known of each kind of storage without asking it, by the scheme of its handles.

Checksums: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
https://learn.microsoft.com/rest/api/storageservices/put-blob
https://www.alibabacloud.com/help/en/oss/user-guide/check-data-integrity-using-crc-64
https://hadoop.apache.org/docs/r3.4.2/hadoop-project-dist/hadoop-hdfs/HdfsDesign.html
Permissions: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage
https://www.alibabacloud.com/help/en/oss/user-guide/ram-policy
"""

import os
from collections.abc import Mapping
from typing import Literal, NamedTuple

from blobfs.location import Location

Permission = Literal["read", "list", "write", "delete", "copy", "parts"]
"""What a check needs to be allowed."""

ONE_WRITER = (
    "let one writer at a time publish: what was committed is read back, and of two that write"
    " one name:version at once the last wins"
)


class Kind(NamedTuple):
    """One kind of storage."""

    chain: str
    """Who asks, where no option says so."""

    grants: Mapping[Permission, str]
    """What to do where something is not permitted."""

    checksums: str
    """What the storage itself verifies."""

    is_local: bool = False
    """Whether it is a directory of this machine, so that permissions are the system's."""

    exclusive: str = ONE_WRITER
    """What to do where creating is not exclusive."""

    missing: str = "correct what the message names"
    """What to do where the place itself is wrong."""

    unreachable: str = "check the address, the network and the proxy settings"


_S3 = Kind(
    "no option, so botocore's chain: environment, profile, instance",
    {
        "read": "grant s3:GetObject on the objects",
        "list": "grant s3:ListBucket on the bucket: without it S3 refuses, too, to say that"
        " something is absent, and nothing can be uploaded",
        "write": "grant s3:PutObject on the objects",
        "delete": "grant s3:DeleteObject if you like: only doctor, and `rm` for its back"
        " reference, need it",
        "copy": "grant s3:GetObject and s3:PutObject on the objects",
        "parts": "grant s3:PutObject and s3:AbortMultipartUpload on the objects",
    },
    "CRC32 or SHA-256 of what is sent; whole reads",
    exclusive="use a server that honours If-None-Match on PutObject, or " + ONE_WRITER,
    missing="make the bucket, or correct the option that is named",
)

_CONTRIBUTOR = "assign the role Storage Blob Data Contributor, or a SAS token with"

_AZURE = Kind(
    "no option, so DefaultAzureCredential's chain",
    {
        "read": "assign the role Storage Blob Data Reader, or a SAS token with r",
        "list": "assign the role Storage Blob Data Reader, or a SAS token with l",
        "write": f"{_CONTRIBUTOR} c and w",
        "delete": f"{_CONTRIBUTOR} d: only doctor, and `rm` for its back reference, need it",
        "copy": f"{_CONTRIBUTOR} r, c and w",
        "parts": f"{_CONTRIBUTOR} c and w",
    },
    "an MD5 of each request; nothing when read",
    missing="make the container, or correct the option that is named",
)

_OSS = Kind(
    "no option, so the environment, or Alibaba Cloud's chain",
    {
        "read": "grant oss:GetObject on the objects",
        "list": "grant oss:ListObjects on the bucket",
        "write": "grant oss:PutObject on the objects",
        "delete": "grant oss:DeleteObject if you like: only doctor, and `rm` for its back"
        " reference, need it",
        "copy": "grant oss:GetObject and oss:PutObject on the objects",
        "parts": "grant oss:PutObject and oss:AbortMultipartUpload on the objects",
    },
    "MD5 or CRC64 of what is sent; nothing when read",
    exclusive="suspend the bucket's versioning, which ignores x-oss-forbid-overwrite, or "
    + ONE_WRITER,
    missing="make the bucket, or correct the option that is named",
)

_ON_HDFS = "give this user, by hdfs dfs -chmod or -setfacl,"

_HDFS = Kind(
    "no option, so the user of the system",
    {
        "read": f"{_ON_HDFS} read and execute permission on the directory",
        "list": f"{_ON_HDFS} read and execute permission on the directory",
        "write": f"{_ON_HDFS} write and execute permission on the directory",
        "delete": f"{_ON_HDFS} write permission on the directory, without a sticky bit",
        "copy": f"{_ON_HDFS} write and execute permission on the directory",
        "parts": f"{_ON_HDFS} write and execute permission on the directory",
    },
    "CRC32C of what is written, and on every read",
    missing="make the directory, or correct the option that is named",
)

_HERE = "give this user, by chmod, chown or setfacl,"

_LOCAL = Kind(
    "",
    {
        **dict.fromkeys(("read", "list"), f"{_HERE} read and search permission"),
        **dict.fromkeys(("write", "delete", "copy", "parts"), f"{_HERE} write permission"),
    },
    "nothing, unless the file system does",
    is_local=True,
    missing="correct `root_directory`",
    unreachable="look whether the path is right, and what it is on is mounted",
)

OTHER = Kind(
    "no option, so what that filesystem finds",
    {
        "read": "give permission to read",
        "list": "give permission to list",
        "write": "give permission to write",
        "delete": "give permission to delete: only doctor, and `rm` for its back reference,"
        " need it",
        "copy": "give permission to read and write",
        "parts": "give permission to write",
    },
    "not known",
)

_KINDS = {
    **dict.fromkeys(("s3", "s3a"), _S3),
    **dict.fromkeys(("abfss", "abfs", "az"), _AZURE),
    "oss": _OSS,
    **dict.fromkeys(("hdfs", "webhdfs", "swebhdfs"), _HDFS),
    **dict.fromkeys(("", "file", "local"), _LOCAL),
}


def kind_of(location: Location) -> Kind:
    """Return what is known of the storage that a store lies on."""
    scheme, separator, _ = location.url.partition("://")
    kind = _KINDS.get(scheme if separator else "", OTHER)
    return kind._replace(chain=f"the user {_user()}") if kind.is_local else kind


def _user() -> str:
    """Return who this process is to the system; the environment may say otherwise."""
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        return str(getattr(os, "geteuid", lambda: "of the system")())
