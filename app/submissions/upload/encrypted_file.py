"""The encrypted file of a submission: stored and read in parts, never in clear on a disk."""

import base64
import hashlib
import re
from collections.abc import Iterator
from uuid import UUID

from app.crypto import Sealed
from app.errors import BodyTooLarge
from app.registry import Registry
from app.submissions.store import submissions
from app.submissions.store.submissions import SubmissionRow

PART_BYTES = 1024 * 1024
DIGEST = re.compile(r"(?:^|,)\s*sha-256(?=[\s=;,]|$)([^;,]*)", re.IGNORECASE)
"""The SHA-256 in a `Content-Digest`; other algorithms are ignored (RFC 9530, 2)."""


class EncryptedUpload:
    """A file that is being received, part by part; `service.store_part` stores a part.

    Nothing is stored before the first part is complete: the last part of a file is stored together
    with the end of the upload, so a file of one part needs one transaction.
    """

    def __init__(self, registry: Registry, row: SubmissionRow) -> None:
        self._registry = registry
        self._digest = hashlib.sha256()
        self.row = row
        """The submission as it is stored with its first part."""
        self.size = 0
        self.stored_parts = 0
        self.last_part = b""
        """The part that is not stored yet."""

    @property
    def idle_timeout(self) -> float:
        """Seconds for which a sender may send nothing."""
        return self._registry.settings.tuning.stalled_client_seconds

    @property
    def lease_seconds(self) -> float:
        """Seconds after which the file is given up if its server gives no sign."""
        return self._registry.settings.tuning.upload_lease_seconds

    @property
    def sha256(self) -> str:
        """The digest of the bytes received, in hex."""
        return self._digest.hexdigest()

    @property
    def whole_content(self) -> bytes | None:
        """The file, if it has one part only; None for a longer one."""
        return None if self.stored_parts else self.last_part

    def matches_digest(self, content_digest: str) -> bool:
        """Return whether the bytes received match every SHA-256 of a `Content-Digest`."""
        actual = f"=:{base64.b64encode(self._digest.digest()).decode()}:"
        return all(found.strip() == actual for found in DIGEST.findall(content_digest))

    def add(self, part: bytes) -> None:
        """Take the next part, which becomes the last part.

        Raises:
            BodyTooLarge: the file is larger than the settings allow.
        """
        self.size += len(part)
        if self.size > self._registry.settings.submission_limit_bytes:
            raise BodyTooLarge
        self._digest.update(part)
        self.last_part = part

    def seal_last_part(self) -> Sealed:
        """Encrypt the last part for its place behind the stored ones."""
        return self._registry.secrets.seal_content(
            self.last_part, bound_to=_format_part_place(self.row.id, self.stored_parts)
        )


class StoredFile:
    """The stored file of a submission; the first part is decrypted once, most files have no other.

    Raises:
        KeyFileError: the key file of this process does not decrypt it.
    """

    def __init__(self, registry: Registry, row: SubmissionRow) -> None:
        self._registry = registry
        self._row = row
        self._first_part: bytes | None = None

    def read_parts(self) -> Iterator[bytes]:
        """Read and decrypt the file from its beginning, part by part."""
        number = size = 0
        while size < self._row.bytes:
            part = self._first_part if number == 0 else None
            if part is None:
                part = self._read_part(number)
            if part is None:
                return
            if number == 0:
                self._first_part = part
            yield part
            number, size = number + 1, size + len(part)

    def _read_part(self, number: int) -> bytes | None:
        with self._registry.database.reading() as connection:
            sealed = submissions.read_part(connection, self._row.id, number)
        if sealed is None:
            return None
        place = _format_part_place(self._row.id, number)
        return self._registry.secrets.open_content(sealed, bound_to=place)


def _format_part_place(submission_id: UUID, number: int) -> str:
    # The encryption authenticates it: a part cannot be moved to another place or submission.
    return f"submission:{submission_id}:{number}"
