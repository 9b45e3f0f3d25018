"""Encryption of personal numbers: AES-GCM for storage, a keyed blind index for look-ups.

A plain hash of an 18-digit number can be guessed in minutes, so look-ups go through an HMAC with a
secret key. The key file is JSON: one blind-index key, and a list of encryption keys of which the
first encrypts and all decrypt, so that encryption keys can be rotated.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12  # NIST SP 800-38D, 8.2


class KeyFileError(Exception):
    """The key file is missing, unreadable, readable by others, or exists already."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted personal number, as stored."""

    ciphertext: bytes
    key_id: str


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One key of the file; `check_value` identifies the key without disclosing it."""

    key_id: str
    purpose: str
    material: bytes

    @property
    def check_value(self) -> str:
        """Return a keyed digest of the id of the key."""
        return hmac.digest(self.material, f"check {self.key_id}".encode(), "sha256").hex()


class Secrets:
    """The keys of an opened key file."""

    def __init__(self, index: SecretKey, encryption: list[SecretKey]) -> None:
        self._index = index
        self._sealing = encryption[0]
        self._ciphers = {key.key_id: AESGCM(key.material) for key in encryption}
        self.keys = (index, *encryption)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Open a key file.

        Raises:
            KeyFileError: the file is missing, readable by others, or not a key file.
        """
        try:
            if path.stat().st_mode & 0o077:
                raise KeyFileError(f"{path} can be read by others; set its mode to 0600")
            document = json.loads(path.read_text())
            index = _key(document["blind_index"], "blind_index")
            encryption = [_key(item, "encryption") for item in document["encryption"]]
        except FileNotFoundError as missing:
            raise KeyFileError(f"{path} does not exist") from missing
        except (OSError, ValueError, KeyError, TypeError) as unreadable:
            raise KeyFileError(f"{path} is not a key file") from unreadable
        if not encryption:
            raise KeyFileError(f"{path} holds no encryption key")
        return cls(index, encryption)

    @staticmethod
    def make(path: Path) -> None:
        """Write a new key file with mode 0600.

        Raises:
            KeyFileError: the file exists; a lost key cannot be created again.
        """
        document = {"blind_index": _new_key("index"), "encryption": [_new_key("seal")]}
        path.parent.mkdir(parents=True, exist_ok=True)
        # Write the whole file before it gets its name, so that nobody reads half a key file.
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError as exists:
            raise KeyFileError(f"{path} exists; it is never overwritten") from exists
        finally:
            draft.unlink()

    def blind_index(self, scheme: str, number: str) -> str:
        """Return the lookup key of a personal number: HMAC-SHA-256 of scheme and number, in hex."""
        return self.digest("identifier", f"{scheme}\0{number}".encode())

    def digest(self, purpose: str, content: bytes) -> str:
        """Return a keyed digest, which cannot be computed or reversed without the key file."""
        keyed = self._keyed(purpose).copy()  # the key part of an HMAC is the same each time
        keyed.update(content)
        return keyed.hexdigest()

    @cache  # noqa: B019 - one object a process, a handful of purposes
    def _keyed(self, purpose: str) -> hmac.HMAC:
        return hmac.new(self._index.material, purpose.encode() + b"\0", "sha256")

    def seal(self, number: str, *, bound_to: str) -> Sealed:
        """Encrypt a number; `bound_to` (row and scheme) is needed again to decrypt it."""
        return self.seal_content(number.encode(), bound_to=bound_to)

    def open(self, sealed: Sealed, *, bound_to: str) -> str:
        """Decrypt a number.

        Raises:
            KeyFileError: the file does not hold the key, or the row was moved or altered.
        """
        return self.open_content(sealed, bound_to=bound_to).decode()

    def seal_content(self, content: bytes, *, bound_to: str) -> Sealed:
        """Encrypt content with personal numbers; `bound_to` names its place of storage."""
        nonce = os.urandom(NONCE_BYTES)
        cipher = self._ciphers[self._sealing.key_id]
        return Sealed(
            nonce + cipher.encrypt(nonce, content, bound_to.encode()), self._sealing.key_id
        )

    def open_content(self, sealed: Sealed, *, bound_to: str) -> bytes:
        """Decrypt content that `seal_content` encrypted.

        Raises:
            KeyFileError: the file does not hold the key, or the row was moved or altered.
        """
        try:
            cipher = self._ciphers[sealed.key_id]
            nonce, text = sealed.ciphertext[:NONCE_BYTES], sealed.ciphertext[NONCE_BYTES:]
            return cipher.decrypt(nonce, text, bound_to.encode())
        except (KeyError, ValueError, InvalidTag) as wrong:  # ValueError: truncated
            raise KeyFileError("what was sealed does not open with this key file") from wrong


def canonical(value: object) -> bytes:
    """Return the canonical bytes of a JSON value: sorted keys, no blanks (RFC 8785)."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def fingerprint(value: object) -> str:
    """Return the SHA-256 of the canonical form in hex, for values without personal numbers."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _new_key(prefix: str) -> dict[str, str]:
    material = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    return {"id": f"{prefix}-{secrets.token_hex(4)}", "key": material}


def _key(document: dict[str, str], purpose: str) -> SecretKey:
    material = base64.b64decode(document["key"], validate=True)
    if len(material) != KEY_BYTES:
        raise ValueError("a key has 32 bytes")
    return SecretKey(str(document["id"]), purpose, material)
