"""A large object on its way, each of whose requests is made again."""

from collections.abc import Callable

from blobfs.backend.base import Data, Upload


class PatientUpload:
    """A large object on its way, whose parts are sent again."""

    def __init__(self, inner: Upload, trying: Callable[[Callable[[], None]], None]) -> None:
        self._inner = inner
        self._try = trying
        self.part_size = inner.part_size
        self.parallel = inner.parallel

    def write(self, number: int, data: Data) -> None:
        """Send part `number`."""
        self._try(lambda: self._inner.write(number, data))

    def adopt(self, file: int, advance: Callable[[int], object]) -> tuple[str, int] | None:
        """Copy a whole local file, if that can be done."""
        return self._inner.adopt(file, advance)

    def complete(self) -> None:
        """Make the object visible."""
        self._try(self._inner.complete)

    def abort(self) -> None:
        """Forget it."""
        self._inner.abort()
