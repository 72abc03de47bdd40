"""Read a local store with nothing of blobfs: is what is visible complete, and every byte right?

Written from the description of the store's format alone, so that a mistake of the engine is not
made here a second time.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MANIFEST = "_manifest.jsonl"


def problems(root: Path, *, modes: bool = True) -> list[str]:
    """What is wrong with the artifacts and assets that can be seen.

    Args:
        root: of a local store, or of a copy of all objects of another one.
        modes: whether it is a local store: then files carry modes, and whatever is in its
            place is visible; else only what has a manifest is.
    """
    directory = root / "LocalUpload"
    found = sorted(directory.iterdir()) if directory.is_dir() else []
    if not modes:
        found = [one for one in found if (one / MANIFEST).exists()]
    wrong = [f"{one.name[:12]}: {what}" for one in found for what in _wrong(one)]
    if not modes:
        wrong = [what for what in wrong if "may be executed" not in what]
    for (name, version), digest in assets(root).items():
        if digest is None or not (directory / digest / MANIFEST).is_file():
            wrong.append(f"{name}:{version} points at {digest}, which is not there")
    return wrong


def azureml_problems(root: Path) -> list[str]:
    """What is wrong in a store of `layout: azureml`, with what blobfs or AzureML can see."""
    wrong = []
    for pointer in (root / ".blobfs" / "digests").glob("*"):
        wrong += [f"{pointer.name[:12]}: {what}" for what in _pointed(root, pointer)]
    for marks in (root / ".blobfs" / "azureml").glob("*/*.json"):
        told = json.loads(marks.read_bytes())
        pointer = root / ".blobfs" / "digests" / told["blobfs_digest"]
        if told["upload_status"] == "completed" and not pointer.is_file():
            wrong.append(f"{marks.name} is marked, and nothing points at it")
    for (name, version), digest in assets(root).items():
        if digest is None or not (root / ".blobfs" / "digests" / digest).is_file():
            wrong.append(f"{name}:{version} points at {digest}, which is not there")
    return wrong


def _pointed(root: Path, pointer: Path) -> Iterator[str]:
    try:
        header, entries = _manifest(root / json.loads(pointer.read_bytes())["manifest"])
        if _listing(header, entries) != pointer.name:
            yield "the manifest does not have the digest that points at it"
        at = root / header["at"]
        for entry in entries:
            yield from _file(at if header["kind"] == "file" else at / entry["path"], entry)
    except (OSError, ValueError, KeyError) as error:
        yield f"no readable manifest: {error!r}"


def artifacts(root: Path) -> set[str]:
    """The hashes of what is visible."""
    directory = root / "LocalUpload"
    return set(os.listdir(directory)) if directory.is_dir() else set()


def assets(root: Path) -> dict[tuple[str, str], str | None]:
    """What every name and version points at; None if its pointer cannot be read."""
    found: dict[tuple[str, str], str | None] = {}
    for version in (root / ".blobfs" / "assets").glob("*/*"):
        key = version.parent.name, version.name
        try:
            fields = json.loads((version / "asset.json").read_bytes())
            same = (fields["name"], fields["version"]) == key
            found[key] = fields["digest"].removeprefix("sha256:") if same else None
        except (OSError, ValueError, KeyError):
            found[key] = None
    return found


def leftovers(root: Path) -> list[str]:
    """Stages and temporary files, which nobody should need any more."""
    if not root.is_dir():
        return []
    stage = root / ".blobfs" / "stage"
    found = [*stage.iterdir()] if stage.is_dir() else []
    found += [path for path in root.rglob(".blobfs-*") if stage not in path.parents]
    return sorted(path.relative_to(root).as_posix() for path in found)


def _wrong(directory: Path) -> list[str]:
    try:
        return list(_artifact(directory))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"no sound manifest: {error!r}"]


def _artifact(directory: Path) -> Iterator[str]:
    """Yield what is wrong with one artifact."""
    try:
        header, entries = _manifest(directory / MANIFEST)
    except (OSError, ValueError, KeyError) as error:
        yield f"no readable manifest: {error!r}"
        return
    if (
        f"sha256:{directory.name}" != header["digest"]
        or _listing(header, entries) != directory.name
    ):
        yield "the manifest does not have the digest under which it lies"
    files = [entry for entry in entries if not entry["path"].endswith("/")]
    if (header["files"], header["size"]) != (len(files), sum(e["size"] for e in files)):
        yield "the header counts otherwise"
    root = header.get("key", header["name"])
    expected = {MANIFEST}
    if "at" in header:  # it was adopted where it lies
        there = directory.parent.parent / header["at"]
        for entry in files:
            file = there if header["kind"] == "file" else there / entry["path"]
            yield from _file(file, entry)
        files = []
    for entry in files:
        inner = (
            root if header["kind"] == "file" else f"{root}/{entry.get('key', entry['path'])}"
        )
        holder = entry.get("in", header["digest"]).removeprefix("sha256:")
        if "in" not in entry:
            expected.add(inner)
        yield from _file(directory.parent / holder / inner, entry)
    there = {
        p.relative_to(directory).as_posix() for p in directory.rglob("*") if not p.is_dir()
    }
    if extra := sorted(there - expected):
        yield f"holds more than its manifest says: {extra}"


def _manifest(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    data = path.read_bytes()
    if not data.endswith(b"\n"):
        raise ValueError("the manifest does not end in a line's end")
    header, *entries = [json.loads(line) for line in data.splitlines()]
    return header, entries


def _listing(header: dict[str, Any], entries: list[dict[str, Any]]) -> str:
    """The hash of the listing that these entries mean."""
    lines = [f"blobfs listing 1 {header['kind']}"]
    for entry in entries:
        path = json.dumps(entry["path"], ensure_ascii=False)
        digest = entry.get("digest", "-").removeprefix("sha256:")
        if entry["path"].endswith("/"):
            digest = "-"
        mark = " x" if entry.get("executable") else ""
        lines.append(f"{digest} {entry['size']} {path}{mark}")
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()


def _file(path: Path, entry: dict[str, Any]) -> Iterator[str]:
    if path.is_symlink() or not path.is_file():
        yield f"{entry['path']} is not there"
        return
    data = path.read_bytes()
    if len(data) != entry["size"]:
        yield f"{entry['path']} has {len(data)} bytes instead of {entry['size']}"
    elif f"sha256:{hashlib.sha256(data).hexdigest()}" != entry["digest"]:
        yield f"{entry['path']} has other bytes"
    if bool(path.stat().st_mode & 0o100) != bool(entry.get("executable")):
        yield f"{entry['path']} may be executed, or may not, against its manifest"
