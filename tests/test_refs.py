"""What a person types to name something: what is understood, what is refused, and how."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import blobfs
from blobfs import ArtifactNotFoundError, BlobfsError, ConfigError
from blobfs.location import Location
from blobfs.ref import Ref, is_url, parse
from tests.places import Place, content, hex_of, write_tree

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"

UNDERSTOOD: dict[str, dict[str, Any]] = {
    "n": {"name": "n"},
    "n:1": {"name": "n", "version": "1"},
    "n@latest": {"name": "n"},
    "n:1.0-rc_2": {"name": "n", "version": "1.0-rc_2"},
    "res.net-50_b:v1": {"name": "res.net-50_b", "version": "v1"},
    "n:1/": {"name": "n", "version": "1"},
    "n:1/a": {"name": "n", "version": "1", "path": "a"},
    "n:1/a/b c/é/": {"name": "n", "version": "1", "path": "a/b c/é"},
    "n@latest/a:b@c": {"name": "n", "path": "a:b@c"},
    "n/a": {"name": "n", "path": "a"},
    "n:1/%41?#": {"name": "n", "version": "1", "path": "%41?#"},
    "latest": {"name": "latest"},
    "n:sha256": {"name": "n", "version": "sha256"},
    DIGEST: {"digest": DIGEST},
    f"{DIGEST}/a/b": {"digest": DIGEST, "path": "a/b"},
    "sha256:01234567": {"digest": "sha256:01234567"},
    "sha256:0123456789ab…": {"digest": "sha256:0123456789ab"},
    "/data/store/x": {"handle": "/data/store/x"},
    "s3://bucket/key": {"handle": "s3://bucket/key"},
    "file:///a/b": {"handle": "file:///a/b"},
    "abfss://c@a.dfs.core.windows.net/x": {"handle": "abfss://c@a.dfs.core.windows.net/x"},
    "blobfs://s/n:1": {"store": "s", "name": "n", "version": "1"},
    "blobfs://s/n:1/": {"store": "s", "name": "n", "version": "1"},
    "blobfs://s/n:1/a/b?c#d%41": {
        "store": "s",
        "name": "n",
        "version": "1",
        "path": "a/b?c#d%41",
    },
    "blobfs://s/n@latest/a": {"store": "s", "name": "n", "path": "a"},
    f"blobfs://s/{DIGEST}/a": {"store": "s", "digest": DIGEST, "path": "a"},
    "blobfs://s/n": {"store": "s", "key": "n"},
    "blobfs://s/n/a:b": {"store": "s", "key": "n/a:b"},
    "blobfs://s/runs/run/": {"store": "s", "key": "runs/run"},
    "blobfs://s": {"store": "s", "key": ""},
    "blobfs://s/": {"store": "s", "key": ""},
    "blobfs://my.store-1/x y": {"store": "my.store-1", "key": "x y"},
    "azureml://datastores/my_store/paths/a/b?c#d%41/": {
        "store": "my_store",
        "key": "a/b?c#d%41",
    },
    "azureml://datastores/s/paths/n:1/x": {"store": "s", "key": "n:1/x"},
    "azureml://datastores/s/ExperimentRun/dcid.j/o/": {
        "store": "s",
        "key": "ExperimentRun/dcid.j/o",
    },
    "azureml://jobs/j/outputs/o/paths/a/b": {"key": "azureml/j/o/a/b"},
    "azureml://jobs/j/outputs/o/paths/": {"key": "azureml/j/o"},
    "azureml://subscriptions/1/resourcegroups/g/workspaces/w/datastores/s/paths/a": {
        "store": "s",
        "key": "a",
    },
    "azureml://subscriptions/1/resourceGroups/g/workspaces/w/datastores/s/paths/a/b": {
        "store": "s",
        "key": "a/b",
    },
}

REFUSED = [
    *(
        "",
        ".",
        "..",
        "./n",
        "../n:1",
        "~",
        "~/n",
        "./",
        "-n",
        "n:",
        ":1",
        "@latest",
        "n@",
        "n@1",
    ),
    *("n:latest", "n@latest:1", "n:1@latest", "n:1:2", "n 1", "é", "n:é", "n.", "_n", "n:1."),
    *("sha256:", "sha256", "sha256:1234567", f"{DIGEST}0", "sha256:0123456G"),
    *("sha256:0123456g", "sha256@latest", f"sha256:{HEX.upper()}"),
    *("n:1//a", "n:1/../a", "n:1/a/..", "n:1/./a", "n:1/a//b", "n:1/a\0"),
    *("x" * 256, "n:" + "1" * 256, "n:1/" + "a" * 256, "C:\\data", "n\n", "n:1\n"),
    *("blobfs://", "blobfs:///n:1", "blobfs://a b/n:1", "blobfs://-/x", "blobfs://s/../x"),
    *(
        "blobfs://s//x",
        "blobfs://s/n:1//x",
        "blobfs://s/n:1/../x",
        "blobfs://s/sha256:01234567",
    ),
    *(
        "blobfs://s/n:latest",
        "blobfs://s/n@1",
        "blobfs://s/:1",
        "blobfs://s/a@b/c",
        *("azureml://", "azureml://datastores/s", "azureml://datastores/s/paths/"),
        *("azureml://jobs/j/outputs/o/x", "azureml://datastores/a b/paths/x"),
        *("azureml://datastores/s/experiments/x", "azureml://jobs/j/outputs/../paths/x"),
        *("azureml://datastores/s/paths/../x", "azureml://datastores/s/paths/a//b"),
        "blobfs://..",
    ),
    *("blobfs://user@s/n:1", "blobfs://s:80/n:1", "blobfs://s/n:/x", "blobfs://s/./x"),
]


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_a_ref_is_understood(text: str) -> None:
    assert parse(text) == Ref(text, **UNDERSTOOD[text])


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_ref_is_refused_quoting_it(text: str) -> None:
    with pytest.raises(ConfigError, match="'"):
        parse(text)


@given(st.text(max_size=30) | st.text("ab:@/.~sha256 \\%", max_size=20))
def test_any_text_is_a_ref_or_a_configuration_error(text: str) -> None:
    for one in (text, f"blobfs://{text}", f"blobfs://s/{text}", f"sha256:{text}"):
        try:
            found = parse(one)
        except ConfigError:
            continue
        assert ".." not in found.path.split("/")
        assert not found.path.startswith("/")


def test_what_is_a_url() -> None:
    assert is_url("s3://b/k")
    for text in ("/a", "a:b", "n:1", "C:\\x", "file:/x"):
        assert not is_url(text)


# ---- refs in a store -------------------------------------------------------------------------


@pytest.fixture
def artifact(tree: Path) -> blobfs.Artifact:
    """In the embedded store, which is called `local`."""
    blobfs.upload(tree, name="n", version="1")
    return blobfs.upload(tree, name="n", version="10")


@pytest.mark.parametrize(
    "spelling",
    [
        *("n", "n@latest", "n:10", "{digest}", "{digest:.15}", "{digest:.19}…"),
        *("{path}", "{path}/", "file://{path}", "{path}/../tree", "{directory}"),
        *("{uri}", "blobfs://local/n@latest", "blobfs://local/{digest}"),
        *("blobfs://local/LocalUpload/{hex}/tree", "blobfs://local/LocalUpload/{hex}"),
    ],
)
def test_every_spelling_names_the_same_artifact(
    artifact: blobfs.Artifact, tree: Path, tmp_path: Path, spelling: str
) -> None:
    ref = spelling.format(
        digest=artifact.digest,
        path=artifact.path,
        directory=artifact.path.rpartition("/")[0],
        uri=artifact.uri,
        hex=hex_of(artifact.digest),
    )
    found = blobfs.find(ref)
    assert found.header is not None
    assert found.header.digest == artifact.digest
    assert content(blobfs.download(ref, tmp_path / "out")) == content(tree)


def test_the_latest_is_the_greatest_version(tree: Path) -> None:
    for version in ("10", "9", "1.5"):
        (tree / "a.txt").write_text(version)
        blobfs.upload(tree, name="n", version=version)
    assert blobfs.find("n@latest").header == blobfs.find("n:10").header
    assert [asset.version for asset in blobfs.assets(name="n")] == ["1.5", "9", "10"]


def test_digits_that_fit_several_artifacts_are_told(store_place: Place, tree: Path) -> None:
    first = blobfs.upload(tree, store=store_place.open())
    twin = hex_of(first.digest)[:10] + "0" * 54
    store_place.around.write(f"LocalUpload/{twin}/_manifest.jsonl", b"")
    with pytest.raises(ConfigError, match="several") as caught:
        blobfs.find(first.digest[:17], store=store_place.open())
    assert first.digest[:19] in str(caught.value)
    assert blobfs.find(first.digest[:18], store=store_place.open()).header


@pytest.mark.usefixtures("artifact")
def test_what_is_not_there_is_told_with_what_is() -> None:
    for ref, hint in {
        "n:2": "it has: 1, 10",
        "m": "no asset m",
        "resnet:1": "resnet",
        "sha256:00000000": "00000000",
        "n:1/nothing": "'nothing'",
        "n:1/a.txt/x": "a.txt/x",
        "blobfs://local/nothing/here": "nothing",
    }.items():
        with pytest.raises(ArtifactNotFoundError, match=hint):
            blobfs.find(ref)
    with pytest.raises(ConfigError, match="elsewhere"):
        blobfs.find("blobfs://elsewhere/n:1")


def test_a_close_name_is_suggested(tree: Path) -> None:
    blobfs.upload(tree, name="resnet")
    with pytest.raises(ArtifactNotFoundError, match="did you mean resnet"):
        blobfs.find("resnte")


def test_a_url_and_an_argument_may_not_name_two_stores(
    store_place: Place, artifact: blobfs.Artifact
) -> None:
    with pytest.raises(ConfigError, match="local"):
        blobfs.find(str(artifact.uri), store=store_place.open())
    assert blobfs.find(str(artifact.uri), store="local").header


def test_a_file_artifacts_ref_is_the_file(tree: Path) -> None:
    artifact = blobfs.upload(tree / "run.sh", name="f")
    found = blobfs.find("blobfs://local/f:1")
    assert (found.is_tree, found.name) == (False, "run.sh")
    assert blobfs.find(artifact.path).name == "run.sh"


def test_other_files_under_the_root_are_named_by_their_path(
    tree: Path, tmp_path: Path, hermetic: Path
) -> None:
    blobfs.upload(tree)
    root = Path(blobfs.open_store().location.url)
    assert root.is_relative_to(hermetic / "data")
    write_tree(root / "runs", {"run/a?b#c%20": "1", "run2/x": "2"})
    where = blobfs.download("blobfs://local/runs/run", tmp_path / "out")
    assert content(where) == {"a?b#c%20": (b"1", False)}
    where = blobfs.download("blobfs://local/runs/run/a?b#c%20", tmp_path / "one")
    assert where.read_text() == "1"


@pytest.mark.parametrize("part", ["sub", "sub/b.txt", "", "sub/deep/é ü.bin"])
def test_a_native_url_is_where_the_bytes_lie(artifact: blobfs.Artifact, part: str) -> None:
    tail = f"/{part}" if part else ""
    url = blobfs.native_url(f"n:1{tail}")
    assert url == f"file://{artifact.path}{tail}"
    assert Path(url.removeprefix("file://")).exists()
    assert blobfs.storage_options("n:1") == {}


def test_a_native_url_opens_in_fsspec(place: Place, tree: Path) -> None:
    import fsspec

    blobfs.upload(tree, store=place.open(), name="n")
    url = blobfs.native_url("n:1/sub/b.txt", store=place.open())
    options = blobfs.storage_options("n:1", store=place.config)
    with fsspec.open(url, **options) as file:
        assert file.read() == b"same"


def test_options_are_never_those_of_another_store(place: Place, tree: Path) -> None:
    store = place.open()
    blobfs.upload(tree, store=store, name="n")
    with pytest.raises(ConfigError, match="opened from a dict"):
        blobfs.storage_options("n:1", store=store)


def test_what_does_not_lie_under_its_own_name_has_no_native_url(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "odd", {"a\n": "x", "b": "y"})
    blobfs.upload(source, name="n")
    for call in (blobfs.native_url, blobfs.storage_options):
        with pytest.raises(ConfigError, match="its keys are"):
            call("n:1")
    assert blobfs.native_url("n:1/b").endswith("/b")


def test_only_a_version_is_removed(artifact: blobfs.Artifact) -> None:
    for ref in ("n", "n@latest", artifact.digest, artifact.path, "n:1/a.txt"):
        with pytest.raises(ConfigError, match="name:version"):
            blobfs.remove(ref)
    assert len(list(blobfs.assets())) == 2


# ---- handles ---------------------------------------------------------------------------------

AT = Location("s3://bucket/team", ("s3a://bucket/team",))


@pytest.mark.parametrize(
    ("handle", "key"),
    [
        ("s3://bucket/team/a/b", "a/b"),
        ("s3a://bucket/team/a", "a"),
        ("s3://bucket/team", ""),
        ("s3://bucket/team/", ""),
        ("s3://bucket/team/a//b/./c", "a/b/c"),
        ("s3://bucket/team/x/../a", "a"),
        ("s3://bucket/team/a%20b?c#d", "a%20b?c#d"),
        ("s3://bucket/team_evil/a", None),
        ("s3://bucket/team/../a", None),
        ("s3://other/team/a", None),
        ("s3://bucket.evil/team/a", None),
        ("gs://bucket/team/a", None),
        ("/bucket/team/a", None),
        ("s3://bucket", None),
        ("S3://bucket/team/a", None),
    ],
)
def test_a_handle_is_read_back_if_it_lies_under_the_root(handle: str, key: str | None) -> None:
    assert AT.key(handle) == key


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_key_is_read_back_from_its_handle(text: str) -> None:
    key = "/".join(part for part in text.split("/") if part not in {"", ".", ".."})
    for root in ("/data/store", "/", "s3://bucket/team", "memory://x"):
        location = Location(root)
        assert location.key(location.handle(key)) == key


def test_errors_of_refs_are_all_ours() -> None:
    for text in REFUSED:
        for act in (blobfs.find, blobfs.verify, blobfs.native_url, blobfs.remove):
            with pytest.raises(BlobfsError):
                act(text)
