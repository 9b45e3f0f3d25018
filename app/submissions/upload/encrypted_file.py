"""The encrypted file of a submission: stored and read in parts, never in clear on a disk."""

import base64
import hashlib
import re
from collections.abc import Iterator
from uuid import UUID

from app.errors import BodyTooLarge
from app.registry import Registry
from app.submissions.store import submissions

PART_BYTES = 1024 * 1024
DIGEST = re.compile(r"(?:^|,)\s*sha-256(?=[\s=;,]|$)([^;,]*)", re.IGNORECASE)
"""The SHA-256 in a `Content-Digest`; other algorithms are ignored (RFC 9530, 2)."""


class EncryptedUpload:
    """Writer of a file that is being received; each part is encrypted and stored."""

    def __init__(self, registry: Registry, submission_id: UUID) -> None:
        self._registry = registry
        self._id = submission_id
        self._digest = hashlib.sha256()
        self._parts = 0
        self.size = 0

    @property
    def idle_timeout(self) -> float:
        """Seconds for which a sender may send nothing."""
        return self._registry.settings.tuning.stalled_client_seconds

    @property
    def sha256(self) -> str:
        """The digest of the bytes received, in hex."""
        return self._digest.hexdigest()

    def matches_digest(self, content_digest: str) -> bool:
        """Return whether the bytes received match every SHA-256 of a `Content-Digest`."""
        actual = f"=:{base64.b64encode(self._digest.digest()).decode()}:"
        return all(found.strip() == actual for found in DIGEST.findall(content_digest))

    def write(self, part: bytes) -> None:
        """Encrypt and store the next part.

        Raises:
            BodyTooLarge: the file is larger than the settings allow.
        """
        self.size += len(part)
        if self.size > self._registry.settings.submission_limit_bytes:
            raise BodyTooLarge
        self._digest.update(part)
        number, self._parts = self._parts, self._parts + 1
        sealed = self._registry.secrets.seal_content(
            part, bound_to=_format_part_place(self._id, number)
        )
        self._registry.write(
            lambda connection: submissions.add_part(connection, self._id, number, sealed)
        )


def read_parts(registry: Registry, submission_id: UUID) -> Iterator[bytes]:
    """Read and decrypt the file of a submission, part by part.

    Raises:
        KeyFileError: the key file of this process does not decrypt it.
    """
    number = 0
    while True:
        with registry.database.reading() as connection:
            sealed = submissions.read_part(connection, submission_id, number)
        if sealed is None:
            return
        yield registry.secrets.open_content(
            sealed, bound_to=_format_part_place(submission_id, number)
        )
        number += 1


def _format_part_place(submission_id: UUID, number: int) -> str:
    # The encryption authenticates it: a part cannot be moved to another place or submission.
    return f"submission:{submission_id}:{number}"
