"""Azure by obstore, with what it cannot do there done by the other backend."""

from collections.abc import Iterable, Iterator
from typing import Any

from blobfs.backend.azure_error import FORBIDDEN, meaning
from blobfs.backend.base import Backend, Object
from blobfs.backend.obstore import ObstoreBackend


class AzureObstoreBackend(ObstoreBackend):
    """What lies below a prefix of a container.

    obstore does not tell the metadata that marks directories when it lists, deletes by batches
    only, which say neither who refused nor what was missing, and does not wait for copies.
    """

    forbidden = FORBIDDEN
    continues_listings = False
    read_ahead = Backend.read_ahead
    public = False
    """Whether it is asked without a name."""

    def head(self, key: str) -> Object:
        import obstore

        try:
            with self._telling("looking at", key) as path:
                found = obstore.get(self._store, path, options={"head": True})
        except FileNotFoundError:
            self.read(key, 0, 1)  # an answer with a body tells whether the container is there
            raise
        if str(found.attributes.get("hdi_isfolder", "")).lower() == "true":
            raise FileNotFoundError(f"{self._path(key)} is no object but a directory")
        return self._object(found.meta)

    def objects(self, prefix: str, after: str = "") -> Iterator[Object]:
        found = list(super().objects(prefix, after))
        if all(one.size for one in found):
            return iter(found)
        return self._other.objects(prefix, after)  # which knows empty blobs from directories

    def exactly(self, prefix: str) -> Iterable[Object]:
        return self.objects(prefix)

    def described(self, prefix: str) -> Iterator[Object]:
        return self._other.described(prefix)

    def level(self, prefix: str) -> list[Object]:
        found = super().level(prefix)
        if all(one.size or one.key.endswith("/") for one in found):
            return found
        return self._other.level(prefix)

    def sign(self, key: str, seconds: int) -> str:
        return self._other.sign(key, seconds)  # obstore signs no key with a blank in it rightly

    def delete(self, key: str) -> None:
        self._other.delete(key)

    def _object(self, meta: Any) -> Object:  # noqa: ANN401 - obstore.ObjectMeta
        found = super()._object(meta)
        # A listing tells the ETag without the quotes that it has elsewhere.
        return found._replace(token=found.token.replace('"', ""))

    def _meaning(self, status: int, code: str, text: str, what: str) -> Exception:
        return meaning(status, code, text, what, self._advice, public=self.public)
