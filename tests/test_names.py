"""One validator decides what a name, a version, a path and a key may be."""

import random
import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blobfs.errors import ConfigError
from blobfs.names import (
    MANIFEST_NAME,
    check_name,
    decode_part,
    encode_part,
    encode_path,
    folding_siblings,
    key_fault,
    next_version,
    path_fault,
    under,
    version_order,
)
from tests.names_to_keep import NASTY

parts = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
odd_parts = st.text("%.aA \\\n\x7f?:é25CE_", min_size=1, max_size=8) | st.sampled_from(NASTY)
forbidden = st.sampled_from(["", "?", ":", "?:"])


# ---- keys ------------------------------------------------------------------------------------


@given(parts | odd_parts, forbidden, st.booleans())
@example(MANIFEST_NAME, "", True)
@example("a.", "", False)
def test_a_part_is_read_back_from_its_key(part: str, without: str, top: bool) -> None:
    key = encode_part(part, without, top=top)
    assert decode_part(key) == part
    assert not set(key) & {*without, "\\", "\x7f", *map(chr, range(32))}
    assert key[-1] not in ". "
    assert not (top and key == MANIFEST_NAME)


@given(st.lists(odd_parts, unique=True, max_size=50), forbidden)
def test_no_two_parts_share_a_key(names: list[str], without: str) -> None:
    assert len({encode_part(name, without) for name in names}) == len(names)


@given(st.text(string.ascii_letters + string.digits + "._-+= %,@é日", min_size=1))
def test_plain_parts_stay_plain(part: str) -> None:
    plain = not part.startswith("%") and part[-1] not in ". "
    assert (encode_part(part) == part) == plain


@pytest.mark.parametrize(
    ("part", "without", "key"),
    [
        ("50%", "", "50%"),
        ("%", "", "%%25"),
        ("%41", "", "%%2541"),
        ("a\n%", "", "%a%0A%25"),
        ("a\\b", "", "%a%5Cb"),
        ("a.", "", "%a%2E"),
        ("a..", "", "%a.%2E"),
        ("...", "", "%..%2E"),
        (" ", "", "%%20"),
        ("a:b", ":", "%a%3Ab"),
        ("a:b", "", "a:b"),
        ("é?", "?", "%é%3F"),
        ("\x7f", "", "%%7F"),
        (MANIFEST_NAME, "", MANIFEST_NAME),
    ],
)
def test_keys_are_as_documented(part: str, without: str, key: str) -> None:
    assert encode_part(part, without) == key


def test_only_the_root_may_not_be_called_as_the_manifest_is() -> None:
    assert encode_part(MANIFEST_NAME, top=True) == "%" + MANIFEST_NAME
    path = f"{MANIFEST_NAME}/{MANIFEST_NAME}"
    assert encode_path(path, top=True) == f"%{path}"


def test_a_key_that_no_store_holds_is_told() -> None:
    assert key_fault("é" * 127) is None
    assert "255" in (key_fault("a/" + "é" * 128) or "")
    assert key_fault("/".join(["a" * 127] * 8)) is None
    assert "1024" in (key_fault("/".join(["a" * 128] * 8)) or "")


# ---- paths -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/a",
        "//a",
        "a//b",
        "a/",
        ".",
        "..",
        "./a",
        "a/.",
        "a/..",
        "../a",
        "a/../b",
        "a\0",
        "\0",
        "\ud800",
        "a/\udfff",
        "x" * 256,
        "é" * 128,
    ],
)
def test_an_unsafe_path_is_told(path: str) -> None:
    assert path_fault(path, windows=False)
    assert path_fault(path, windows=True)


@pytest.mark.parametrize(
    "path", ["a", "a/b", "...", ".a", "a.", "~", "a\\..\\b", "C:", "x" * 255]
)
def test_a_safe_path_is_not(path: str) -> None:
    assert path_fault(path, windows=False) is None


@pytest.mark.parametrize(
    "path",
    [
        "C:",
        "C:x",
        "a\\b",
        "\\\\host\\share",
        "..\\x",
        "a/con",
        "NUL.txt",
        "com1",
        "LPT³.x",
        "a.",
        "a ",
        "a?",
        "a*",
        "a:b",
        "a|b",
        "<a>",
        '"',
        "a\x01",
        "aux .txt",
        "CONIN$",
    ],
)
def test_what_windows_cannot_hold_is_told_there(path: str) -> None:
    assert "Windows" in (path_fault(path, windows=True) or "")


@pytest.mark.parametrize("path", ["a", "console", "com", "com10", "nully/x", ".a", "é b"])
def test_what_windows_can_hold_is_not(path: str) -> None:
    assert path_fault(path, windows=True) is None


@pytest.mark.parametrize(
    ("path", "root", "key"),
    [
        ("/s/a", "/s", "a"),
        ("/s/a/b", "/s/", "a/b"),
        ("/s", "/s", ""),
        ("/s/./a//b", "/s", "a/b"),
        ("/s/x/../a", "/s", "a"),
        ("/a", "/", "a"),
        ("/s_evil/a", "/s", None),
        ("/s/../a", "/s", None),
        ("/s/a/../../b", "/s", None),
        ("/", "/s", None),
        ("s/a", "/s", None),
        ("", "/s", None),
    ],
)
def test_what_lies_under_a_root(path: str, root: str, key: str | None) -> None:
    assert under(path, root) == key


def test_names_that_fold_together_are_told() -> None:
    assert folding_siblings(["a", "b", "a/b"]) == []
    for pair in (("A", "a"), ("straße", "STRASSE"), ("\u00e9", "e\u0301"), ("σ", "ς")):  # noqa: RUF001
        assert folding_siblings(pair) == [pair]
    assert folding_siblings(["d/x", "D/y"]) == [("d", "D")]


# ---- names and versions ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "0", "resnet", "a.b_c-d", "1.0", "A" * 255, "a-", "a_"])
def test_a_name_is_taken(name: str) -> None:
    for kind in ("name", "version", "store"):
        assert check_name(kind, name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        ".a",
        "-a",
        "_a",
        "a.",
        "a/b",
        "a b",
        "a:b",
        "a@b",
        "é",
        "a" * 256,
        "a\n",
        "a\0",
        None,
        1,
        b"a",
        "..",
        "a\\b",
        "%41",
    ],
)
def test_another_name_is_refused_with_what_it_should_be(name: object) -> None:
    for kind in ("name", "version", "store"):
        with pytest.raises(ConfigError, match=f"{re.escape(repr(name))} .* {kind}.*255"):
            check_name(kind, name)


def test_words_of_refs_are_no_names() -> None:
    for kind, word in (("name", "sha256"), ("version", "latest")):
        with pytest.raises(ConfigError, match=word):
            check_name(kind, word)
    assert check_name("name", "latest") == "latest"
    assert check_name("version", "sha256") == "sha256"


def test_versions_are_ordered_by_numbers_and_text() -> None:
    ordered = ["0", "1", "01", "1.0-rc1", "1.0-rc2", "1.0", "1.2", "1.10", "2", "10", "a", "v1"]
    ordered = sorted(ordered, key=version_order)
    for seed in range(20):
        shuffled = random.Random(seed).sample(ordered, len(ordered))
        assert sorted(shuffled, key=version_order) == ordered
    for earlier, later in (
        ("2", "10"),
        ("1.2", "1.10"),
        ("9", "a"),
        ("v9", "v10"),
        ("01", "1"),
    ):
        assert version_order(earlier) < version_order(later)


@given(st.lists(st.text("0123456789abv.-", min_size=1, max_size=6), unique=True))
def test_the_order_of_versions_is_total(versions: list[str]) -> None:
    assert len({version_order(version) for version in versions}) == len(versions)
    sorted(versions, key=version_order)


@pytest.mark.parametrize(
    ("versions", "following"),
    [([], "1"), (["1"], "2"), (["9", "10"], "11"), (["v3", "1.5"], "1"), (["007"], "8")],
)
def test_the_next_version_is_the_next_whole_number(versions: list[str], following: str) -> None:
    assert next_version(versions) == following
