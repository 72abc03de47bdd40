"""Read generated configurations and fail if any runs code (T17).

    python hostile_config.py SEED COUNT DIRECTORY

A program of its own, since an audit hook cannot be taken away again.
"""

import importlib
import json
import os
import random
import resource
import sys
from pathlib import Path

from blobfs.config import COMMON_KEYS, Key, check_options, find_store, set_project
from blobfs.config.yaml_file import read_yaml
from blobfs.errors import ConfigError
from blobfs.managers import MANAGERS, load_manager_class

FORBIDDEN = (
    "exec",
    "compile",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.putenv",
)
FORBIDDEN_PREFIXES = (
    "subprocess.",
    "socket.",
    "ctypes.",
    "pty.",
    "shutil.",
    "urllib.",
    "pickle.",
)
MEMORY = 300 << 10
"""KiB that the process may ever have had."""

KEYS = (*COMMON_KEYS, Key("access_key_secret", secret=True), Key("use_ssl", bool))

CLASSES = (
    *("local", "s3", "blobfs.S3BlobManager", "os.system", "subprocess.Popen", "builtins.eval"),
    *("builtins.dict", "yaml.Loader", "os.path.join", "not_there.X", ".x", "a..b", "../x.Y"),
    *("~", "3", "[]", "'a\\0b.c'", "é.x"),
)

NASTY = (
    "!!python/object/apply:os.system ['touch OWNED']",
    "!!python/object/new:subprocess.Popen [[touch, OWNED]]",
    "!!python/name:os.system",
    "!!python/module:antigravity",
    "!!binary AAAA",
    "!!set {a, b}",
    "! x",
    "&a [*a, *a]",
    "{<<: {a: b}}",
    "{a: 1, a: 2}",
    "${HOME}",
    "${BLOBFS_NOT_SET}",
    "${$(touch OWNED)}",
    "$${x}",
    "`touch OWNED`",
    "=",
    "0x" + "f" * 5000,
    "1:" * 3000 + "1",
    "1e99999",
    "-.inf",
    "2001-13-45",
    '"\\ud800"',
    '"\\0"',
    "{? [a] : b}",
    "|\n   x\n  y",
    "%TAG ! tag:x",
    "---",
    "...",
    "\u0085",
    "\u2028",
    "\ufeff",
    "\x00",
    "\t",
    "- - - -",
    "? ? ? ?",
    "'",
    '"',
    "}",
)


def bomb(rng: random.Random) -> str:
    """Return a text that is small and would become large or deep."""
    width = rng.randrange(2, 12)
    return rng.choice(
        [
            "\n".join(
                [f"x0: &x0 [{'a, ' * width}]"]
                + [f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * width)}]" for i in range(1, 12)]
            ),
            "x: " + rng.choice(["[", "{a: ", "- ", "? ", "!a "]) * rng.randrange(10, 60_000),
            "".join(f"{i * ((1 << 61) - 1)}: 0\n" for i in range(rng.randrange(1, 12_000))),
            "x: [" + "[], " * rng.randrange(1, 40_000) + "]",
            "x: '" + "y" * rng.randrange(1 << 21) + "'",
        ]
    )


def value(rng: random.Random, depth: int = 0) -> str:
    """Return a value as YAML's flow style spells it."""
    kind = rng.randrange(9 if depth < 5 else 6)
    if kind < 3:
        return rng.choice(NASTY)
    if kind < 6:
        plain = [None, True, 3, -1.5, "", "/data/x", "a b: c # d", "${S}", "0" * 80]
        return json.dumps(rng.choice(plain))
    items = [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 6:
        return f"[{', '.join(items)}]"
    return "{" + ", ".join(f"{rng.choice('abc')}{i}: {v}" for i, v in enumerate(items)) + "}"


def document(rng: random.Random) -> bytes:
    """Return one configuration file: well formed, hostile, or bytes."""
    if rng.random() < 0.05:
        return bomb(rng).encode()
    names = [key.name for key in KEYS] + ["repo_name", "x", "<<", "blob_manager_class"]
    options = "".join(
        f"    {rng.choice(names)}: {value(rng)}\n" for _ in range(rng.randrange(6))
    )
    if rng.random() < 0.5:
        options = "    root_directory: /data\n"
    section = rng.choice(["blob", "blob", "blob", "blob_manager", "stores", "!!x blob"])
    name = rng.choice(CLASSES)
    text = f"{section}:\n  blob_manager_class: {name}\n  blob_manager_config:\n{options}"
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    if rng.random() < 0.3:
        for _ in range(rng.randrange(1, 5)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def use(file: Path) -> bool:
    """Take the configuration as far as it goes; whether its options could be used."""
    used = False
    try:
        set_project(file)
        store = find_store()
        options = check_options(store.blob_manager_config, KEYS)
        for option in options:
            repr(options[option])
        used = True
        load_manager_class(store.blob_manager_class)
    except ConfigError as error:
        str(error).encode()
    return used


def main(seed: int, count: int, directory: Path) -> None:
    """Read `count` configurations under the hook."""
    rng = random.Random(seed)
    # Who started this process counts in its peak.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    os.chdir(directory)
    file = directory / "project.yaml"
    file.write_text(
        "blob: {blob_manager_class: os.path.nothing, blob_manager_config: {a: 1e1}}"
    )
    assert read_yaml(file)
    use(file)  # Imports what it needs, before the hook looks.
    for module in {name.rpartition(".")[0] for name in CLASSES} & {*sys.stdlib_module_names}:
        importlib.import_module(module)
    for path in MANAGERS.values():  # our own classes are imported when they are named
        importlib.import_module(path.rpartition(".")[0])
    file.write_text("blob: {blob_manager_class: local, blob_manager_config: {repo_name: /x}}")
    use(file)
    ran: list[str] = []

    def hook(event: str, _: object) -> None:
        if event in FORBIDDEN or event.startswith(FORBIDDEN_PREFIXES):
            ran.append(event)

    sys.addaudithook(hook)
    accepted = 0
    for number in range(count):
        data = document(rng)
        file.write_bytes(data)
        try:
            accepted += use(file)
        except Exception as error:
            error.add_note(f"configuration {number} of seed {seed}: {data[:2000]!r}")
            raise
        assert not ran, (number, ran, data[:2000])
    assert not (directory / "OWNED").exists()
    assert 0 < accepted < count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sys.platform != "linux" or peak <= max(MEMORY, before), peak
    sys.stdout.write(f"{count} configurations, {accepted} used, at most {peak >> 10} MiB\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
