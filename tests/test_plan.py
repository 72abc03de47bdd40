"""A plan says what moves: all of it once, nothing that is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobfs.digest import Digest, digest_bytes
from blobfs.errors import UnsafeNameError
from blobfs.manifest import DIRECTORY, Entry
from blobfs.plan import Held, Plan, base_of, keys_of, plan

OLD, OLDER = (digest_bytes(text) for text in (b"old", b"older"))


def entry(path: str, size: int, text: str = "") -> Entry:
    return Entry(path, size, digest_bytes((text or path).encode()))


def plan_of(
    entries: list[Entry],
    *,
    staged: dict[str, int] | None = None,
    old: list[Entry] | None = None,
    refer: bool = False,
) -> Plan:
    base = base_of(old or [], OLD, lambda e: f"was/{e.path}", lambda e: f"at/{e.path}")
    return plan(
        entries, staged=staged or {}, base=base, inner=lambda e: f"m/{e.path}", refer=refer
    )


def test_everything_new_is_sent_the_large_ones_first() -> None:
    entries = [entry("a", 1), entry("b", 3), entry("c", 2)]
    result = plan_of(entries)
    assert [e.path for e in result.send] == ["b", "c", "a"]
    assert (result.send_size, result.copy_size) == (6, 0)
    assert result.entries == entries


def test_directories_are_kept_and_not_sent() -> None:
    entries = [Entry("d/", 0, DIRECTORY), entry("e", 0)]
    result = plan_of(entries)
    assert (result.entries, result.send) == (entries, [entries[1]])


def test_what_an_earlier_try_left_with_its_size_is_not_sent() -> None:
    entries = [entry("a", 1), entry("b", 2), entry("c", 3)]
    result = plan_of(entries, staged={"m/a": 1, "m/b": 1, "c": 3})
    assert [e.path for e in result.send] == ["c", "b"]


def test_what_the_base_holds_is_copied_wherever_it_lies_there() -> None:
    result = plan_of([entry("moved", 5, "x"), entry("new", 4)], old=[entry("x", 5)])
    assert [e.path for e in result.send] == ["new"]
    assert result.copy == [(entry("moved", 5, "x"), Held(OLD, "was/x", "at/x"))]
    assert (result.send_size, result.copy_size) == (4, 5)


def test_a_base_entry_of_another_size_is_no_match() -> None:
    assert not plan_of([entry("x", 6)], old=[entry("x", 5)]).copy


def test_empty_files_are_sent_rather_than_copied() -> None:
    result = plan_of([entry("x", 0)], old=[entry("x", 0)])
    assert ([e.path for e in result.send], result.copy) == (["x"], [])


def test_a_reference_names_the_holder_and_moves_nothing() -> None:
    result = plan_of([entry("y", 5, "x"), entry("new", 4)], old=[entry("x", 5)], refer=True)
    assert [e.path for e in result.send] == ["new"]
    assert not result.copy
    assert result.entries[0] == Entry("y", 5, digest_bytes(b"x"), key="was/x", within=OLD)


def test_a_reference_names_the_end_of_a_chain() -> None:
    old = Entry("x", 5, digest_bytes(b"x"), key="first/x", within=OLDER)
    result = plan_of([entry("x", 5)], old=[old], refer=True)
    assert (result.entries[0].within, result.entries[0].key) == (OLDER, "first/x")
    assert plan_of([entry("x", 5)], old=[old]).copy[0][1] == Held(OLDER, "first/x", "at/x")


contents = st.tuples(st.sampled_from("uvwxyz"), st.integers(0, 3))
trees = st.dictionaries(st.sampled_from("abcdefgh"), contents, min_size=1)


@given(trees, trees, st.booleans(), st.sets(st.sampled_from("abcdefgh")))
def test_every_byte_comes_from_exactly_one_place(
    new: dict[str, tuple[str, int]],
    old: dict[str, tuple[str, int]],
    refer: bool,
    staged: set[str],
) -> None:
    entries = [entry(path, size, text) for path, (text, size) in sorted(new.items())]
    before = [entry(path, size, text) for path, (text, size) in sorted(old.items())]
    there = {f"m/{e.path}": e.size for e in entries if e.path in staged}
    result = plan_of(entries, staged=there, old=before, refer=refer)
    sent = [e.path for e in result.send]
    copied = [e.path for e, _ in result.copy]
    referred = [e.path for e in result.entries if e.within]
    held = [e.path for e in entries if f"m/{e.path}" in there and e.path not in referred]
    assert sorted(sent + copied + referred + held) == [e.path for e in entries]
    assert [(e.path, e.size, e.digest) for e in result.entries] == [
        (e.path, e.size, e.digest) for e in entries
    ]
    known = {(e.digest, e.size) for e in before}
    assert all(
        (e.digest, e.size) in known for e in result.entries if e.path in copied + referred
    )
    assert not (copied if refer else referred)


# ---- keys ------------------------------------------------------------------------------------


def keys(
    name: str, *paths: str, without: str = "", prefix: str = "L", folds: bool = False
) -> dict[str, str]:
    return keys_of(name, paths, prefix=prefix, forbidden=without, case_insensitive=folds)


def test_plain_names_have_no_keys() -> None:
    assert keys("m", "a", "b/c.txt", "é/日本", "50%/x", "d/", ".x/.y") == {}


def test_other_names_have_keys_part_by_part() -> None:
    assert keys("m", "a\n/b", "%/x/", "q?") == {"a\n/b": "%a%0A/b", "%/x/": "%%25/x/"}
    assert keys("m", "q?", "é:", without="?:") == {"q?": "%q%3F", "é:": "%é%3A"}
    assert keys("_manifest.jsonl", "_manifest.jsonl") == {"": "%_manifest.jsonl"}
    assert keys("r.", "x") == {"": "%r%2E"}


def test_all_that_cannot_be_keys_are_told_at_once() -> None:
    paths = ["a" * 255, "\n" * 90, "/".join(["d" * 200] * 5), "fine"]
    with pytest.raises(UnsafeNameError) as caught:
        keys("m", *paths, prefix="LocalUpload/" + "0" * 64)
    assert all(path in str(caught.value) for path in paths[1:3])
    assert "fine" not in str(caught.value)
    with pytest.raises(UnsafeNameError, match="and 50 more"):
        keys("m", *("\n" * 90 + str(n) for n in range(150)))


def test_names_that_fold_together_are_refused_where_case_is_ignored() -> None:
    assert keys("m", "A", "a") == {}
    with pytest.raises(UnsafeNameError, match=r"d/A and d/a"):
        keys("m", "d/A", "d/a", folds=True)


def test_a_holder_of_references_is_never_the_new_artifact() -> None:
    entries = [entry("d/x", 1), Entry("e/", 0, DIRECTORY)]
    base = base_of(entries, Digest(OLD), lambda e: e.path, lambda e: f"at/{e.path}")
    assert base == {(digest_bytes(b"d/x"), 1): Held(OLD, "d/x", "at/d/x")}
