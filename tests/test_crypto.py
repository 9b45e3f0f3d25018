"""The key file and its uses: create, read, seal, open, index, rotate."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from app.crypto import KeyFileError, Sealed, SecretKey, Secrets, canonical, fingerprint
from tests.support.request_bodies import PERSON_RESIDENT_ID


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Secrets.make(tmp_path / "secret.key")
    return tmp_path / "secret.key"


def rewritten(path: Path, document: Any) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(0o600)
    return path


def test_a_new_file_is_for_its_owner_alone(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["secret.key"]
    Secrets.read(path)


def test_the_umask_does_not_open_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Secrets.make(tmp_path / "deep" / "secret.key")
    finally:
        os.umask(before)
    assert (tmp_path / "deep" / "secret.key").stat().st_mode & 0o777 == 0o600


def test_an_existing_file_is_never_overwritten(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="never overwritten"):
        Secrets.make(path)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["secret.key"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666])
def test_a_file_that_others_can_read_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="0600"):
        Secrets.read(path)


KEY = "A" * 43 + "="


@pytest.mark.parametrize(
    "document",
    [
        "",
        "not json",
        "[]",
        "null",
        {},
        {"blind_index": {"id": "i", "key": KEY}, "encryption": []},
        {"blind_index": {"id": "i", "key": KEY}, "encryption": None},
        {"blind_index": {"id": "i", "key": "c2hvcnQ="}, "encryption": [{"id": "s", "key": KEY}]},
        {"blind_index": {"id": "i", "key": "?"}, "encryption": [{"id": "s", "key": KEY}]},
        {"blind_index": {"id": "i", "key": 7}, "encryption": [{"id": "s", "key": KEY}]},
        {"blind_index": "i", "encryption": [{"id": "s", "key": KEY}]},
    ],
)
def test_what_is_no_key_file_is_refused_and_not_shown(path: Path, document: Any) -> None:
    with pytest.raises(KeyFileError) as refused:
        Secrets.read(rewritten(path, document))
    assert KEY not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="does not exist"):
        Secrets.read(tmp_path / "none.key")


def test_a_number_is_sealed_and_opened(path: Path) -> None:
    secrets = Secrets.read(path)
    sealed = secrets.seal(PERSON_RESIDENT_ID, bound_to="row-1:resident_id")
    assert PERSON_RESIDENT_ID.encode() not in sealed.ciphertext
    assert secrets.open(sealed, bound_to="row-1:resident_id") == PERSON_RESIDENT_ID
    assert (
        secrets.seal(PERSON_RESIDENT_ID, bound_to="row-1:resident_id").ciphertext
        != sealed.ciphertext
    )


def test_a_ciphertext_that_was_moved_or_altered_does_not_open(path: Path) -> None:
    secrets = Secrets.read(path)
    sealed = secrets.seal(PERSON_RESIDENT_ID, bound_to="row-1:resident_id")
    flipped = bytes([*sealed.ciphertext[:-1], sealed.ciphertext[-1] ^ 1])
    for wrong, row in (
        (sealed, "row-2:resident_id"),
        (sealed, "row-1:passport"),
        (Sealed(flipped, sealed.key_id), "row-1:resident_id"),
        (Sealed(sealed.ciphertext[:-1], sealed.key_id), "row-1:resident_id"),
        (Sealed(sealed.ciphertext, "seal-00000000"), "row-1:resident_id"),
    ):
        with pytest.raises(KeyFileError) as refused:
            secrets.open(wrong, bound_to=row)
        assert PERSON_RESIDENT_ID not in str(refused.value)


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_a_cut_off_ciphertext_does_not_open(path: Path, length: int) -> None:
    secrets = Secrets.read(path)
    sealed = secrets.seal(PERSON_RESIDENT_ID, bound_to="row")
    with pytest.raises(KeyFileError):
        secrets.open(Sealed(sealed.ciphertext[:length], sealed.key_id), bound_to="row")


def test_a_new_key_in_front_seals_and_the_old_one_still_opens(path: Path, tmp_path: Path) -> None:
    before = Secrets.read(path)
    sealed = before.seal(PERSON_RESIDENT_ID, bound_to="row")
    Secrets.make(tmp_path / "next.key")
    document = json.loads(path.read_text())
    added = json.loads((tmp_path / "next.key").read_text())["encryption"]
    document["encryption"] = [*added, *document["encryption"]]
    after = Secrets.read(rewritten(path, document))
    assert after.open(sealed, bound_to="row") == PERSON_RESIDENT_ID
    assert after.seal(PERSON_RESIDENT_ID, bound_to="row").key_id == document["encryption"][0]["id"]
    assert after.blind_index("resident_id", PERSON_RESIDENT_ID) == before.blind_index(
        "resident_id", PERSON_RESIDENT_ID
    )


def test_the_blind_index_is_keyed_and_differs_by_scheme(path: Path, tmp_path: Path) -> None:
    secrets = Secrets.read(path)
    Secrets.make(tmp_path / "other.key")
    other = Secrets.read(tmp_path / "other.key")
    index = secrets.blind_index("resident_id", PERSON_RESIDENT_ID)
    assert index == Secrets.read(path).blind_index("resident_id", PERSON_RESIDENT_ID)
    assert index != other.blind_index("resident_id", PERSON_RESIDENT_ID)
    assert index != secrets.blind_index("passport", PERSON_RESIDENT_ID)
    assert secrets.blind_index("a", "b\0c") != secrets.digest("asked", b"a\0b\0c")
    assert len(index) == 64


def test_recorded_look_up_keys_and_digests_are_found_again() -> None:
    # Values as databases hold them, of the key whose bytes are 0 to 31.
    secrets = Secrets(
        SecretKey("i", "blind_index", bytes(range(32))), [SecretKey("s", "encryption", bytes(32))]
    )
    assert secrets.blind_index("resident_id", PERSON_RESIDENT_ID) == (
        "db4601c35adca2cea9b2baa7712b9d1b2ae2f1dead1f84cc9a086a5f09d87f54"
    )
    assert secrets.digest("asked", "name\0甲".encode()) == (
        "40d947dbcd9575ba76d35e8ba34082ae83eabe3618eeb008f711e5924a606dfe"
    )
    assert fingerprint({"b": ["甲", 1], "a": None}) == (
        "1db005368b0716b51ad109edad3f64de28a180836ede584aa057e8309487b62e"
    )


def test_check_values_differ_by_key_and_hide_it(path: Path, tmp_path: Path) -> None:
    Secrets.make(tmp_path / "other.key")
    ours, others = Secrets.read(path).keys, Secrets.read(tmp_path / "other.key").keys
    values = {key.check_value for key in (*ours, *others)}
    assert len(values) == 4
    text = path.read_text()
    assert all(value not in text for value in values)


def test_equal_values_have_equal_fingerprints() -> None:
    assert canonical({"b": 1, "a": [None, "中"]}) == '{"a":[null,"中"],"b":1}'.encode()
    assert fingerprint({"b": 1, "a": 2}) == fingerprint({"a": 2, "b": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})
