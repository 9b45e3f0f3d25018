"""Answers that could not be computed: 503, never "no entries"."""

from app.errors.base import RegistryError, Sentence
from app.errors.codes import ProblemCode


class Unavailable(RegistryError):
    """The answer could not be computed; it is not "no entries"."""

    code = ProblemCode.unavailable
    status = 503
    patience = 5
    title = Sentence(
        "The registry cannot answer now; do not take this for a clean record",
        "登记系统暂时无法答复；不得视为无记录",
    )


class NotReady(Unavailable):
    """The database is away, or its schema is not this version's."""

    code = ProblemCode.not_ready


class CounterWentBack(NotReady):
    """Change numbers were given out that the database no longer has: changes were lost."""


class SecretKeyMismatch(Unavailable):
    """The key file is not the one that the database was sealed with."""

    code = ProblemCode.secret_key_mismatch
    title = Sentence(
        "The secret key file does not match the database; nothing is answered",
        "密钥文件与数据库不匹配，系统拒绝答复",
    )


class ClockUntrusted(Unavailable):
    """The clock of the process cannot be trusted, so no day and no deadline can be computed."""

    code = ProblemCode.clock_untrusted
    title = Sentence(
        "The clock cannot be trusted; nothing is answered",
        "系统时钟不可信，系统拒绝答复",
    )


class Busy(Unavailable):
    """Too many writers wait already."""

    code = ProblemCode.busy
    title = Sentence("Too many writers wait; try again shortly", "写入繁忙，请稍后重试")


class TooManyConnections(Unavailable):
    """The process, or the address of the client, has too many connections already."""

    code = ProblemCode.too_many_connections
    title = Sentence(
        "Too many connections; close some, or try again shortly",
        "连接数过多，请关闭部分连接或稍后重试",
    )
