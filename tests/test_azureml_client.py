"""The real azure-ai-ml does on the servers of tests what it does on Azure."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.azureml_client import Client, ClientError, Download, Kind, ObjectHash, Upload
from tests.places import content, write_tree
from tests.servers.azure import Azurite
from tests.servers.fixtures import proxied

FILES = {".amlignore": "*.log\n", "b.txt": "b", "sub/empty": "", "sub/é ü.bin": "x" * 4096}

INDICATOR = ".amlignore"
"""The first of them, whose metadata say on Blob that all of them are there."""

DONE = {"upload_status": "completed", "name": "n", "version": "7"}

KINDS = [
    pytest.param("blob", "azurite", marks=pytest.mark.store("azure_blob")),
    pytest.param("gen2", "data_lake", marks=pytest.mark.store("adls_gen2")),
]


@pytest.fixture
def azure(request: pytest.FixtureRequest, server: str) -> Azurite:
    found = request.getfixturevalue(server)
    assert isinstance(found, Azurite)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "project", {**FILES, "ignored.log": ""})


def metadata(azure: Azurite, container: str) -> dict[str, dict[str, str]]:
    """Return the metadata of what is stored, by what follows the hash in a name."""
    with azure.client() as client:
        blobs = client.get_container_client(container).list_blobs(include=["metadata"])
        return {"/".join(one.name.split("/")[2:]): one.metadata or {} for one in blobs}


@pytest.mark.parametrize(("kind", "server"), KINDS)
def test_what_is_uploaded_is_found_again_and_downloaded(
    azure: Azurite, kind: Kind, project: Path, tmp_path: Path
) -> None:
    container = azure.container("round-trip")
    got = tmp_path / "got"
    hash_, first, again, absent, downloaded = Client(azure).run(
        ObjectHash(path=project),
        Upload(path=project, container=container, kind=kind, version="7"),
        Upload(path=project, container=container, kind=kind, name="other", version="8"),
        Upload(path=tmp_path / "absent", container=container, kind=kind),
        Download(prefix="LocalUpload/", container=container, destination=got, kind=kind),
    )
    place = f"LocalUpload/{hash_.get()}"
    assert first.get() == {
        "remote path": f"{place}/project",
        "name": "n",
        "version": "7",
        "indicator file": f"{place}/project/{INDICATOR}" if kind == "blob" else place,
    }
    assert again.get() == first.get()
    with pytest.raises(ClientError, match=r"FileNotFoundError: .*absent"):
        absent.get()
    assert downloaded.get() is None
    (project / "ignored.log").unlink()
    assert content(got / hash_.get()) == {
        f"project/{path}": what for path, what in content(project).items()
    }


@pytest.mark.parametrize(("kind", "server"), KINDS)
def test_a_file_alone_has_its_own_metadata_or_those_of_its_directory(
    azure: Azurite, kind: Kind, project: Path
) -> None:
    container = azure.container("file")
    with proxied(azure) as proxy:
        Client(azure, url=proxy.url).upload(
            project / "b.txt", container, kind=kind, version="7"
        )
        assert str(proxy.requests[-1]).endswith("?comp=metadata")
    found = metadata(azure, container)
    if kind == "blob":
        assert found == {"b.txt": DONE}
    else:
        folder = {"hdi_isfolder": "true"}
        assert found == {"": {**folder, **DONE}, "b.txt": {}}


@pytest.mark.soak
@pytest.mark.store("azure_blob")
def test_an_upload_that_was_killed_is_repeated_if_it_left_the_indicator(
    azurite: Azurite, project: Path
) -> None:
    with_it, without_it = azurite.container("with-it"), azurite.container("without-it")
    left = [INDICATOR, "sub/empty"]
    *killed, repeated, refused = Client(azurite).run(
        Upload(path=project, container=with_it, killed_after=left),
        Upload(path=project, container=without_it, killed_after=["b.txt"]),
        Upload(path=project, container=with_it, version="7"),
        Upload(path=project, container=without_it, version="7"),
    )
    assert [one.error for one in killed] == ["Killed", "Killed"]
    assert repeated.get()["version"] == "7"
    found = metadata(azurite, with_it)
    assert found.pop(f"project/{INDICATOR}") == DONE
    assert found == {f"project/{path}": {} for path in FILES if path != INDICATOR}
    with pytest.raises(ClientError, match=r"(?s)ResourceExistsError: .*BlobAlreadyExists"):
        refused.get()


@pytest.mark.soak
@pytest.mark.store("adls_gen2")
def test_an_upload_to_gen2_that_was_killed_is_repeated(
    data_lake: Azurite, project: Path
) -> None:
    container = data_lake.container("killed")
    upload = Upload(path=project, container=container, kind="gen2", version="7")
    (killed,) = Client(data_lake).run(replace(upload, killed_after=[INDICATOR, "b.txt"]))
    assert killed.error == "Killed"
    left = {path for path, found in metadata(data_lake, container).items() if not found}
    assert left == {f"project/{INDICATOR}", "project/b.txt"}
    Client(data_lake).run(upload)[0].get()
    found = metadata(data_lake, container)
    assert found[""] == {"hdi_isfolder": "true", **DONE}
    assert {f"project/{path}" for path in FILES} <= set(found)
