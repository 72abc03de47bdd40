"""The packages behind managers, which are installed by extras."""

import importlib
from typing import Any

from blobfs.errors import MissingDependencyError


def importing(module: str, extra: str) -> Any:  # noqa: ANN401 - a module, untyped
    """Import and return `module`.

    Raises:
        MissingDependencyError: naming the extra that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingDependencyError(
            f"{package} cannot be imported ({error}): pip install 'blobfs[{extra}]'"
        ) from error
