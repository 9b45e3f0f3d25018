"""The base of all refusals: a sentence in two languages, a fault at a place, an error."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, NewType

from app.errors.codes import ProblemCode

SchemaErrorType = NewType("SchemaErrorType", str)
"""An error type of Pydantic: the code of a fault in a catalogue file, on the command line alone."""


class Sentence(NamedTuple):
    """The same thing said in English and in Chinese."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong at one place (a JSON pointer, RFC 6901) of what was sent."""

    pointer: str
    code: ProblemCode | SchemaErrorType
    sentence: Sentence


class RegistryError(Exception):
    """A request that is answered with a problem document (RFC 9457).

    Attributes:
        faults: places in the body, each with its own code.
        members: further members of the document; never a personal number.
        retry_after: seconds after which a new attempt is worth making.
    """

    code: ClassVar[ProblemCode] = ProblemCode.internal_error
    status: ClassVar[int] = 500
    title: ClassVar[Sentence] = Sentence("The registry failed", "登记系统出错")
    patience: ClassVar[int | None] = None
    """Seconds after which a new attempt is worth making, where none are given."""

    def __init__(
        self,
        detail: Sentence | None = None,
        *,
        faults: Sequence[Fault] = (),
        retry_after: int | None = None,
        **members: object,
    ) -> None:
        super().__init__(self.code)
        self.detail = detail or self.title
        self.faults = tuple(faults)
        self.members = members
        self.retry_after = retry_after or self.patience

    @property
    def problem_code(self) -> ProblemCode | SchemaErrorType:
        """The code that the document carries."""
        return self.code


class InternalError(RegistryError):
    """Something that no rule foresaw; the details are in the log, not in the answer."""
