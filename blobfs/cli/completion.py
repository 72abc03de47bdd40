"""What the shell's Tab offers: stores, and the assets of one with their versions.

Nothing is said when something goes wrong: a person is typing.
"""

from collections.abc import Iterator
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

_BREAKS = (":", "@")
"""What bash takes for the end of a word; in a ref it is part of one."""


def complete_store(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return the configured stores that begin so."""
    try:
        from blobfs.config import all_stores

        names = [store.name for store in all_stores() if store.name]
        return [name for name in names if name.startswith(incomplete)]
    except Exception:  # noqa: BLE001 - see above
        return []


def complete_ref(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the assets that begin so; of one, its versions."""
    try:
        return list(_refs(ctx.params.get("store"), incomplete))
    except Exception:  # noqa: BLE001 - see above
        return []


def complete_path(
    _: click.Context, __: click.Parameter, incomplete: str
) -> "list[CompletionItem[Any]]":
    """Leave local paths to the shell."""
    return [CompletionItem(incomplete, type="file")]


def complete_ref_or_path(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> "list[CompletionItem[Any]]":
    """Return what may be either."""
    if "/" in incomplete or incomplete.startswith("."):
        return complete_path(ctx, param, incomplete)
    return [CompletionItem(ref) for ref in complete_ref(ctx, param, incomplete)]


class Bash(BashComplete):
    """click's, for words that hold a `:`; bash takes them apart and completes the last part."""

    name = "bash"

    _cut = 0

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, put together again, and the one at it."""
        args, incomplete = super().get_completion_args()
        words: list[str] = []
        joining = False
        for word in [*args, incomplete]:
            breaks = word.startswith(_BREAKS)
            if words and (joining or breaks):
                words[-1] += word
            else:
                words.append(word)
            joining = breaks
        self._cut = max(words[-1].rfind(mark) for mark in _BREAKS) + 1
        return words[:-1], words[-1]

    def format_completion(self, item: "CompletionItem[Any]") -> str:
        """Return what replaces the last piece alone."""
        return f"{item.type},{item.value[self._cut :]}"


def install_completion() -> None:
    """Complete refs in bash, too."""
    add_completion_class(Bash)


def _refs(store: str | None, incomplete: str) -> Iterator[str]:
    from blobfs.api import open_store

    opened = open_store(store)
    name, at, version = incomplete.partition("@")
    if at:
        if "latest".startswith(version):
            yield f"{name}@latest"
        return
    name, colon, version = incomplete.partition(":")
    names = [name] if colon else [n for n in opened.asset_names() if n.startswith(name)]
    if len(names) > 1:  # a request for each would be felt
        yield from names
        return
    for known in names:
        for one in opened.versions(known).live:
            if one.startswith(version):
                yield f"{known}:{one}"
