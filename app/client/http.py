"""HTTP for both clients: address, key, status codes, problem documents and retries.

A request is sent again after no answer and after the statuses 408, 429 and 502 to 504. The pauses
double from 1 to 60 seconds, and a pause is never shorter than `Retry-After`. The sum of the pauses
for one answer is limited. A redirect is not followed: the key is for one address alone.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar, NotRequired, TypedDict, TypeVar
from urllib.parse import urlsplit

import httpx
import orjson
import stamina
from stamina.instrumentation import set_on_retry_hooks

CONNECT_SECONDS = 10
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 60.0
MAX_SHOWN_FAULTS = 5

RETRYABLE_STATUS_CODES = {408, 429, 502, 503, 504}
"""Statuses after which the same request may succeed; 408 comes from a proxy."""

Query = Mapping[str, str | int | bool]
T = TypeVar("T")

# The clients print each retry. By default stamina also logs it, to standard output if structlog
# is installed.
set_on_retry_hooks(())


class ClientError(Exception):
    """The client cannot continue; the message has the reason, `exit_code` is for the command."""

    exit_code: ClassVar[int] = 1


class RequestRefused(ClientError):
    """The registry refused a request; the same request would be refused again."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(f"the registry says / 平台答复: {problem}")
        self.status = status
        self.problem = problem


class RetryableError(Exception):
    """A new attempt may succeed, after `seconds` at the earliest."""

    def __init__(self, message: str, seconds: float = 0) -> None:
        super().__init__(message)
        self.seconds = seconds


class ReceivedFault(TypedDict):
    """One fault: `detail` in a problem document, `sentence` in a submission."""

    pointer: str
    code: str
    detail: NotRequired[str]
    sentence: NotRequired[str]
    sentence_en: NotRequired[str]


class ReceivedProblem(TypedDict):
    """A problem document, or the problem of a submission with both languages."""

    code: str
    detail: str
    detail_en: NotRequired[str]
    errors: NotRequired[list[ReceivedFault] | None]
    submission_id: NotRequired[str]


# --- address and key --------------------------------------------------------------


def validate_address(url: str) -> str:
    """Return the address without a slash at its end.

    Raises:
        ClientError: not an address of HTTP, or more than host and path.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ClientError("the address of a registry begins with https:// or http://")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ClientError("the address is host and path alone; the key goes another way")
    return url.rstrip("/")


def is_unencrypted(address: str) -> bool:
    """True if a request leaves this machine without encryption."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    return parts.scheme == "http" and not is_loopback


def read_key(file: Path | None) -> str:
    """Read the key from a private file, or from REDBLACK_KEY without a file; never an argument.

    Raises:
        ClientError: others can read the file, or it holds no key.
    """
    if file is None:
        key = os.environ.get("REDBLACK_KEY", "").strip()
    elif file.stat().st_mode & 0o077:
        raise ClientError(f"{file} can be read by others; set its mode to 0600")
    else:
        key = file.read_text("utf-8").strip()
    if not (key.isascii() and key.isprintable() and len(key.split()) == 1):
        raise ClientError("no key: name its file with --key-file, or set REDBLACK_KEY")
    return key


# --- requests ---------------------------------------------------------------------


class RegistryClient:
    """A registry at one address."""

    def __init__(
        self,
        client: httpx.Client,
        max_wait_seconds: float,
        print_line: Callable[[str], None],
    ) -> None:
        self._client = client
        self._max_wait_seconds = max_wait_seconds
        self._print_line = print_line

    def get(self, path: str, query: Query | None = None) -> httpx.Response:
        """Return a successful answer.

        Raises:
            RequestRefused: the registry refused the request.
            RetryableError: a new attempt may succeed.
        """
        answer = self._client.get(path, params=query)
        _raise_for_status(answer)
        return answer

    def post(
        self, path: str, query: Query, content: Iterable[bytes], headers: Mapping[str, str]
    ) -> httpx.Response:
        """Send a body in parts and return a successful answer; raise as `get` does."""
        answer = self._client.post(path, params=query, content=content, headers=headers)
        _raise_for_status(answer)
        return answer

    @contextmanager
    def stream(self, path: str, query: Query | None = None) -> Iterator[Iterator[bytes]]:
        """Give the parts of a successful answer; raise as `get` does."""
        with self._client.stream("GET", path, params=query) as answer:
            _raise_for_status(answer)
            yield answer.iter_bytes()

    def retry(self, attempt: Callable[[], T]) -> T:
        """Call `attempt` until it succeeds, and print each pause.

        Raises:
            ClientError: the sum of the pauses would exceed `max_wait_seconds`.
        """
        own_pause = waited = 0.0

        def choose_pause(error: Exception) -> bool | float:
            nonlocal waited
            if not isinstance(error, httpx.RequestError | RetryableError):
                return False
            seconds = max(own_pause, getattr(error, "seconds", 0))
            waited += seconds
            if waited > self._max_wait_seconds:
                return False
            reason = _describe_error(error)
            self._print_line(f"{reason}; again in {seconds:g} s / {seconds:g} 秒后重试")
            return seconds

        # No limit of stamina: its timeout counts the attempts too, and a large upload takes long.
        attempts = stamina.retry_context(
            choose_pause,
            attempts=None,
            timeout=None,
            wait_initial=MIN_PAUSE_SECONDS,
            wait_max=MAX_PAUSE_SECONDS,
            wait_jitter=0,
        )
        try:
            for state in attempts:
                own_pause = state.next_wait
                with state:
                    return attempt()
        except (httpx.RequestError, RetryableError) as error:
            reason = _describe_error(error)
            raise ClientError(f"the registry does not answer / 平台无应答: {reason}") from error
        raise AssertionError("attempts end with a result or an error")


@contextmanager
def open_registry(
    address: str,
    key: str,
    *,
    answer_seconds: float,
    max_wait_seconds: float,
    print_line: Callable[[str], None],
    languages: str | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Iterator[RegistryClient]:
    """Open connections to a registry until the block ends.

    `answer_seconds` is the time without a byte after which an attempt fails; `max_wait_seconds`
    limits the pauses for one answer; `languages` is the header `Accept-Language`.
    """
    headers = {"Authorization": f"Bearer {key}"}
    if languages is not None:
        headers["Accept-Language"] = languages
    timeout = httpx.Timeout(answer_seconds, connect=CONNECT_SECONDS)
    with httpx.Client(
        base_url=address, headers=headers, timeout=timeout, transport=transport
    ) as client:
        yield RegistryClient(client, max_wait_seconds, print_line)


# --- answers ----------------------------------------------------------------------


def _raise_for_status(answer: httpx.Response) -> None:
    if answer.status_code in {httpx.codes.OK, httpx.codes.ACCEPTED}:
        return
    answer.read()
    status = f"{answer.status_code} {answer.reason_phrase}"
    if answer.has_redirect_location:
        raise ClientError(f"{status}: the registry is at another address; give that / 请更正地址")
    try:
        problem: ReceivedProblem = orjson.loads(answer.content)
        message = f"{answer.status_code} {format_problem(problem)}"
        if submission_id := problem.get("submission_id"):
            message += f"\n  submission {remove_control_characters(submission_id)}"
    except (AttributeError, KeyError, TypeError, ValueError):
        message = status  # the answer of a proxy in front of the registry
    if answer.status_code in RETRYABLE_STATUS_CODES:
        raise RetryableError(message.partition("\n")[0], read_retry_after(answer))
    raise RequestRefused(answer.status_code, message)


def read_retry_after(answer: httpx.Response) -> float:
    """Return the seconds of `Retry-After` (RFC 9110, 10.2.3), also of a date; 0 without it."""
    header = answer.headers.get("Retry-After", "")
    if header.isascii() and header.isdecimal():
        return int(header)
    try:  # both by the clock of the server, because ours may be wrong
        retry_at, answered_at = (
            parsedate_to_datetime(answer.headers.get(name, "")) for name in ("Retry-After", "Date")
        )
        return max(0, (retry_at - answered_at).total_seconds())
    except (TypeError, ValueError):
        return 0


def format_problem(problem: ReceivedProblem) -> str:
    """Return the sentence, in both languages if both are given, and the first faults."""
    text = f"{remove_control_characters(problem['code'])}: {_join_languages(problem)}"
    faults = problem.get("errors") or []
    for fault in faults[:MAX_SHOWN_FAULTS]:
        pointer, code = (
            remove_control_characters(fault["pointer"]),
            remove_control_characters(fault["code"]),
        )
        text += f"\n  {pointer}: {_join_languages(fault)} ({code})"
    if len(faults) > MAX_SHOWN_FAULTS:
        text += f"\n  … {len(faults)}"
    return text


def remove_control_characters(text: str) -> str:
    """Replace control characters of a terminal: a pointer may hold the heading of any table."""
    return "".join(character if character.isprintable() else " " for character in text)


def _join_languages(document: ReceivedFault | ReceivedProblem) -> str:
    """Return `detail` or `sentence`, whichever is there, with its other language."""
    texts: Mapping[str, object] = document
    names = ("detail_en", "detail", "sentence_en", "sentence")
    return " / ".join(
        dict.fromkeys(
            remove_control_characters(str(texts[name])) for name in names if texts.get(name)
        )
    )


def _describe_error(error: Exception) -> str:
    return str(error) or type(error).__name__
