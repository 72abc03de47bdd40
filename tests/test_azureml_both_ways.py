"""azure-ai-ml's own client and blobfs on one container: what one wrote the other finds."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import blobfs
from blobfs import ArtifactConflictError, StoreUnavailableError
from blobfs.backend import patient
from tests.azureml_client import Client, Download, Kind, Outcome, Upload
from tests.places import content, write_tree
from tests.servers.azure import Azurite
from tests.servers.fixtures import proxied
from tests.servers.proxy import Rule

FILES: dict[str, bytes | str] = {
    ".amlignore": "*.log\n",
    "Z.txt": "z",
    "a/b.bin": bytes(range(256)),
    "a/deep/%41 é.": "kept raw",
    "empty": "",
}

INDICATOR = ".amlignore"

MANAGERS: dict[str, str] = {"blob": "azure_blob", "gen2": "adls_gen2"}

KINDS = [
    pytest.param(("blob", "azurite", "auto"), marks=pytest.mark.store("azure_blob")),
    pytest.param(
        ("blob", "azurite", "fsspec"), marks=[pytest.mark.store("azure_blob"), pytest.mark.soak]
    ),
    pytest.param(("gen2", "data_lake", "auto"), marks=pytest.mark.store("adls_gen2")),
]


class Both:
    """A container that both programs use."""

    def __init__(self, server: Azurite, kind: Kind, transport: str, container: str) -> None:
        self.server, self.kind, self._transport = server, kind, transport
        self.container = server.container(container)
        self.client = Client(server)

    def config(self, *, url: str | None = None, **options: object) -> Mapping[str, Any]:
        return {
            "blob_manager_class": MANAGERS[self.kind],
            "blob_manager_config": {
                "account_name": self.server.account,
                "account_key": self.server.key,
                "container": self.container,
                "endpoint": f"{url}/{self.server.account}" if url else self.server.url,
                "root_directory": "/",
                "layout": "azureml",
                "transport": self._transport,
                **options,
            },
        }

    def store(self, **options: Any) -> blobfs.Store:  # noqa: ANN401 - see `config`
        return blobfs.open_store(self.config(**options))

    def uploading(self, path: Path, **options: Any) -> Upload:  # noqa: ANN401 - fields of a step
        return Upload(path=path, container=self.container, kind=self.kind, **options)

    def downloading(self, prefix: str, destination: Path) -> Download:
        return Download(
            prefix=prefix, container=self.container, kind=self.kind, destination=destination
        )

    def marks(self, remote: Mapping[str, str]) -> Mapping[str, str]:
        """What stands at what azure-ai-ml takes for the mark of an upload."""
        with self.server.client() as client:
            blob = client.get_blob_client(self.container, remote["indicator file"])
            return blob.get_blob_properties().metadata

    def clear(self) -> None:
        self.container = self.server.container(self.container)


@pytest.fixture(params=KINDS)
def both(request: pytest.FixtureRequest) -> Both:
    kind, server, transport = request.param
    return Both(request.getfixturevalue(server), kind, transport, "both-ways")


@pytest.fixture
def proj(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "proj", {**FILES, "left.log": "stays behind"})


def without_prefix(path: str) -> str:
    return path.rpartition("/LocalUpload/")[2]


@pytest.mark.parametrize("layout", ["hashed", pytest.param("azureml", marks=pytest.mark.soak)])
def test_what_azureml_uploaded_is_adopted_where_it_lies(
    both: Both, proj: Path, tmp_path: Path, layout: str
) -> None:
    both.client.run(
        both.uploading(proj, name="data", version="3"),
        both.uploading(proj / "a" / "b.bin", name="one", version="4"),
    )
    store = both.store(layout=layout)
    found = blobfs.adopt(store=store)
    assert sorted((a.state, a.name, a.version) for a in found) == [
        ("adopted", "data", "3"),
        ("adopted", "one", "4"),
    ]
    assert all(blobfs.verify(ref, store=store, deep=True).ok for ref in ("data:3", "one:4"))
    blobfs.download("data:3", tmp_path / "got", store=store)
    assert content(tmp_path / "got").keys() == FILES.keys()
    again = blobfs.adopt(store=both.store(layout=layout))
    assert {a.state for a in again} == {"known"}
    assert blobfs.upload(proj, store=both.store()).sent_files == 0


def test_what_azureml_uploaded_is_a_hit_and_comes_back(
    both: Both, proj: Path, tmp_path: Path
) -> None:
    theirs, file = both.client.run(
        both.uploading(proj, name="data", version="3"),
        both.uploading(proj / "a" / "b.bin", name="one", version="4"),
    )
    remote = theirs.get()
    store = both.store()
    artifact = blobfs.upload(proj, store=store)
    assert (artifact.reused, artifact.sent_bytes) == (True, 0)
    assert (artifact.name, artifact.version) == ("data", "3")
    assert f"LocalUpload/{without_prefix(artifact.path)}" == remote["remote path"]
    assert dict(both.marks(remote)).get("name") == "data"
    single = blobfs.upload(proj / "a" / "b.bin", store=store, name="mine")
    assert (single.reused, single.name, single.version) == (True, "mine", "1")
    assert f"LocalUpload/{without_prefix(single.path)}" == file.get()["remote path"]
    refs = (
        artifact.digest,
        artifact.path,
        f"azureml://datastores/any/paths/{remote['remote path']}",
        f"folder/{remote['remote path']}".removeprefix("folder/"),
    )
    for number, ref in enumerate(refs):
        where = blobfs.download(ref, tmp_path / f"out-{number}", store=store)
        assert content(where) == content(write_tree(tmp_path / f"kept-{number}", FILES))
    assert blobfs.download("mine:1", tmp_path / "b.bin", store=store).read_bytes() == bytes(
        range(256)
    )


def test_what_azureml_uploaded_comes_back_before_anything_is_known_of_it(
    both: Both, proj: Path, tmp_path: Path
) -> None:
    remote = both.client.upload(proj, both.container, kind=both.kind)
    uri = f"azureml://datastores/any/paths/{remote['remote path']}"
    for ref, expected in ((uri, FILES), (f"{uri}/a/", {"b.bin": FILES["a/b.bin"]})):
        where = blobfs.download(ref, tmp_path / "out" / str(len(ref)), store=both.store())
        assert {path: content(where)[path] for path in expected} == content(
            write_tree(tmp_path / "kept" / str(len(ref)), expected)
        )


def test_what_blobfs_uploaded_is_a_hit_for_azureml(
    both: Both, proj: Path, tmp_path: Path
) -> None:
    store, file = both.store(), proj / "a" / "b.bin"
    artifact = blobfs.upload(proj, store=store, name="mine", version="7")
    single = blobfs.upload(file, store=store, name="single", version="8")
    prefix = f"LocalUpload/{without_prefix(artifact.path)}"
    tree, one, got, _ = both.client.run(
        both.uploading(proj, name="theirs", version="1"),
        both.uploading(file, name="theirs", version="2"),
        both.downloading(prefix, tmp_path / "got"),
        both.downloading(f"LocalUpload/{without_prefix(single.path)}", tmp_path / "one"),
    )
    assert tree.get()["remote path"] == prefix
    assert (tree.get()["name"], tree.get()["version"]) == ("mine", "7")
    assert (one.get()["name"], one.get()["version"]) == ("single", "8")
    assert got.error is None
    assert content(tmp_path / "got") == content(write_tree(tmp_path / "kept", FILES))
    assert (tmp_path / "one" / "b.bin").read_bytes() == file.read_bytes()
    assert both.marks(tree.get())["upload_status"] == "completed"


def test_uploads_of_azureml_that_did_not_end_are_finished(both: Both, tmp_path: Path) -> None:
    arrived = {"1": [INDICATOR, "empty"], "2": ["Z.txt", "a/b.bin"]}
    trees = {n: write_tree(tmp_path / f"proj-{n}", {**FILES, "n": n}) for n in arrived}
    killed = both.client.run(
        *(both.uploading(trees[n], killed_after=paths) for n, paths in arrived.items())
    )
    assert [outcome.error for outcome in killed] == ["Killed"] * len(arrived)
    for tree in trees.values():
        artifact = blobfs.upload(tree, store=both.store(), name="mine")
        assert (artifact.reused, artifact.sent_files) == (False, len(FILES) + 1)
    downloading = both.downloading("LocalUpload/", tmp_path / "got")
    *again, _ = both.client.run(*map(both.uploading, trees.values()), downloading)
    for (number, tree), outcome in zip(trees.items(), again, strict=True):
        assert (outcome.get()["name"], outcome.get()["version"]) == ("mine", number)
        got = tmp_path / "got" / outcome.get()["remote path"].split("/", 1)[1]
        assert content(got) == content(tree)


@pytest.mark.parametrize("some", [True, pytest.param(False, marks=pytest.mark.soak)])
@pytest.mark.parametrize("carried_out", [False, True])
def test_an_upload_of_blobfs_that_ended_at_any_request_is_finished_by_azureml(  # noqa: PLR0913, PLR0917 - fixtures
    both: Both,
    proj: Path,
    tmp_path: Path,
    carried_out: bool,
    some: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, ended = both.container, 0
    steps: list[Upload | Download] = []
    with proxied(both.server) as proxy:
        blobfs.upload(proj, store=both.store(url=proxy.url), name="mine", version="7")
        requests = len(proxy.requests)
        step = {"gen2": 8}.get(both.kind, 2) if some else 1
        for number in range(0, requests, step):
            both.container = both.server.container(f"{name}-{number}")
            proxy.reset()
            if carried_out:
                proxy.add(Rule(match="", skip=number, lose_reply=True))
            proxy.add(Rule(match="", skip=number, times=None, reset=True))
            with monkeypatch.context() as patch:
                patch.setattr(patient, "CHAIN", 0.0)
                patch.setattr(patient, "FIRST_ANSWER", 0.1)
                ended += _failed(both.store(url=proxy.url), proj)
            steps.append(both.uploading(proj, name="theirs", version="1"))
            steps.append(both.downloading("LocalUpload/", tmp_path / f"got-{len(steps)}"))
    assert ended >= len(steps) // 2 - 2
    outcomes: list[Outcome] = both.client.run(*steps)
    assert [outcome.error for outcome in outcomes] == [None] * len(steps)
    expected = content(write_tree(tmp_path / "kept", FILES))
    for number, upload in enumerate(outcomes[::2]):
        got = tmp_path / f"got-{2 * number + 1}" / upload.get()["remote path"].split("/", 1)[1]
        assert content(got) == expected, number
        assert upload.get()["name"] in ("mine", "theirs")


def _failed(store: blobfs.Store, source: Path) -> bool:
    try:
        blobfs.upload(source, store=store, name="mine", version="7")
    except StoreUnavailableError:
        return True
    except blobfs.CommitUnknownError:
        return True
    return False


def test_one_of_each_at_once_end_well(both: Both, tmp_path: Path) -> None:
    trees = [
        write_tree(
            tmp_path / f"{n}" / "proj", {f"{n:02}.txt": f"{n}" for n in range(n, n + 20)}
        )
        for n in range(3)
    ]
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(both.client.run, *map(both.uploading, trees))
        while not theirs.done():  # their client takes seconds to start
            for tree in trees:
                blobfs.upload(tree, store=both.store())
    # It gives up where a file came in between; what counts is what is there in the end.
    lost = "ResourceExistsError", "ResourceModifiedError"
    for outcome in theirs.result():
        assert outcome.error in (None, *lost), outcome
    again = both.client.run(*map(both.uploading, trees))
    for number, (tree, outcome) in enumerate(zip(trees, again, strict=True)):
        remote = outcome.get()
        assert both.marks(remote)["upload_status"] == "completed"
        artifact = blobfs.upload(tree, store=both.store())
        assert artifact.reused
        where = blobfs.download(artifact.digest, tmp_path / f"out-{number}", store=both.store())
        assert content(where) == content(tree)
        assert blobfs.verify(artifact.digest, store=both.store(), deep=True).ok


def test_what_azureml_would_take_for_the_same_is_a_conflict(both: Both, tmp_path: Path) -> None:
    rules = "build\n!build/keep.txt\n"
    first = write_tree(tmp_path / "1" / "p", {".amlignore": rules, "build/keep.txt": "one"})
    second = write_tree(tmp_path / "2" / "p", {".amlignore": rules, "build/keep.txt": "two"})
    longer = write_tree(tmp_path / "3" / "p", {".amlignore": rules, "build/keep.txt": "three"})
    stale, taken = both.client.run(both.uploading(first), both.uploading(second, name="other"))
    assert taken.get()["remote path"] == stale.get()["remote path"]
    assert blobfs.upload(first, store=both.store()).reused
    for tree in (second, longer):
        with pytest.raises(
            ArtifactConflictError, match=r"build/keep\.txt has .*layout: hashed"
        ):
            blobfs.upload(tree, store=both.store(), name="x")
        other = blobfs.upload(tree, store=both.store(layout="hashed"), ignore=False)
        assert not other.reused


def test_what_jobs_left_comes_back_by_its_prefix(both: Both, tmp_path: Path) -> None:
    with both.server.client() as client:
        container = client.get_container_client(both.container)
        for key in ("ExperimentRun/dcid.j/out/a", "azureml/j/model/d/a", "azureml/j/model2/b"):
            container.upload_blob(key, key.encode())
    refs = {
        "ExperimentRun/dcid.j/out": "ExperimentRun/dcid.j/out/a",
        "azureml://datastores/any/ExperimentRun/dcid.j/out/": "ExperimentRun/dcid.j/out/a",
        "azureml/j/model/d": "azureml/j/model/d/a",
        "azureml://jobs/j/outputs/model/paths/d/": "azureml/j/model/d/a",
        "azureml://datastores/any/paths/azureml/j/model/d": "azureml/j/model/d/a",
    }
    for number, (ref, key) in enumerate(refs.items()):
        where = blobfs.download(ref, tmp_path / str(number), store=both.store())
        assert {path: data for path, (data, _) in _files(where)} == {"a": key.encode()}
    where = blobfs.download("azureml/j/model", tmp_path / "all", store=both.store())
    assert [path for path, _ in _files(where)] == ["d/a"]


def _files(where: Path) -> list[tuple[str, tuple[bytes, bool]]]:
    return [(path, data) for path, data in content(where).items() if data is not None]


def test_an_unchanged_upload_takes_no_more_requests_than_azureml(
    both: Both, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "many", {f"{n:03}": f"{n}" for n in range(60)})
    blobfs.upload(tree, store=both.store(), name="n", version="1")
    with proxied(both.server) as proxy:
        again = blobfs.upload(tree, store=both.store(url=proxy.url), name="n", version="1")
        assert again.reused
        assert len(proxy.requests) <= 3 + (both.kind == "gen2")
