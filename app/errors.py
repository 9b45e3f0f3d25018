"""The one hierarchy of refusals; each class is one stable code that a client can rely on.

    RegistryError
    ├── Malformed               400  MalformedJson, PersonalNumberInUrl, BadCursor, BadVersionTag
    ├── Unauthenticated         401
    ├── Forbidden               403  NotYourList, NotYourDepartment, PersonKeyRequired
    ├── NotFound                404  EntryNotFound, SubjectNotFound, CheckNotFound, CaseNotFound,
    │                                ReportNotFound, SubmissionNotFound, NoSuchAddress
    ├── MethodNotAllowed        405
    ├── Refused                 409  a rule of law or of the registry stands against it
    ├── FeedGone                410
    ├── StaleVersion            412
    ├── BodyTooLarge            413
    ├── UnsupportedMediaType    415
    ├── InvalidPayload          422  carries one fault per place in the body
    ├── VersionRequired         428
    ├── TooManyAttempts         429
    ├── InternalError           500
    └── Unavailable             503  NotReady, SecretKeyMismatch, Busy

A sentence names what would make the request acceptable. It never repeats what was sent: an answer
must not carry a personal number into a log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple


class Sentence(NamedTuple):
    """The same thing said in English and in Chinese."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong at one place (a JSON pointer, RFC 6901) of what was sent."""

    pointer: str
    code: str
    sentence: Sentence


class RegistryError(Exception):
    """A request that is answered with a problem document (RFC 9457).

    Attributes:
        faults: places in the body, each with its own code.
        members: further members of the document; never a personal number.
        retry_after: seconds after which a new attempt is worth making.
    """

    code: ClassVar[str] = "internal_error"
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
    def told(self) -> str:
        """The code that the document carries."""
        return self.code


class InternalError(RegistryError):
    """Something that no rule foresaw; the details are in the log, not in the answer."""


# --- 400 -----------------------------------------------------------------


class Malformed(RegistryError):
    """The request cannot be read."""

    code = "malformed"
    status = 400
    title = Sentence("The request cannot be read", "请求无法识别")


class MalformedJson(Malformed):
    """The body is no JSON text (RFC 8259)."""

    code = "malformed_json"
    title = Sentence("The body is not valid JSON", "请求体不是有效的 JSON")


class PersonalNumberInUrl(Malformed):
    """An address holds an identity number; addresses end up in logs and histories."""

    code = "personal_number_in_url"
    title = Sentence(
        "An address must not hold a personal identity number; send it in a body",
        "网址中不得出现个人身份号码，请放在请求体中提交",
    )


class BadCursor(Malformed):
    """A `next` cursor that this registry did not make."""

    code = "bad_cursor"
    title = Sentence(
        "The page cursor is not one of ours; start from the first page",
        "翻页标记无效，请从第一页重新开始",
    )


class BadVersionTag(Malformed):
    """An `If-Match` that is not one version in quotes."""

    code = "bad_version_tag"
    title = Sentence(
        'If-Match must hold one version in quotes, as the ETag gave it: "3"',
        '请求头 If-Match 须为带引号的版本号(与 ETag 相同),例如 "3"',
    )


# --- 401 and 403 ---------------------------------------------------------


class Unauthenticated(RegistryError):
    """No key, an unknown key or a revoked one; which of them is not told."""

    code = "unauthenticated"
    status = 401
    title = Sentence(
        "A valid API key is needed: Authorization: Bearer <key>",
        "需要有效的接口密钥：Authorization: Bearer <密钥>",
    )


class Forbidden(RegistryError):
    """The key's role lacks the permission."""

    code = "forbidden"
    status = 403
    title = Sentence("This key may not do that", "该密钥无此权限")


class NotYourList(Forbidden):
    """The department is no issuer of the list type."""

    code = "not_your_list"
    title = Sentence(
        "Your department does not decide on this list type",
        "贵单位不是该名单（记录）类型的认定单位",
    )


class NotYourDepartment(Forbidden):
    """A department's key names another department."""

    code = "not_your_department"
    title = Sentence(
        "A department's key acts for that department alone",
        "部门密钥只能代表本部门操作",
    )


class PersonKeyRequired(Forbidden):
    """A decision that two people take needs keys that are bound to persons."""

    code = "person_key_required"
    title = Sentence(
        "This step is taken by a person: use a key that is bound to one (keys create --person)",
        "此步骤须由具体经办人办理：请使用绑定经办人的密钥（keys create --person）",
    )


# --- 404 and 405 ---------------------------------------------------------


class NotFound(RegistryError):
    """It does not exist, or it is not yours to see: the answer is the same."""

    code = "not_found"
    status = 404
    title = Sentence("There is nothing here for this key", "没有可供该密钥查看的内容")


class NoSuchAddress(NotFound):
    """No operation has this address."""

    code = "no_such_address"
    title = Sentence("No operation has this address; see /docs", "没有该接口地址，请查看 /docs")


class EntryNotFound(NotFound):
    """No such entry, or not yours to see."""

    code = "entry_not_found"
    title = Sentence("No such entry, or not yours to see", "没有该条目，或无权查看")


class SubjectNotFound(NotFound):
    """Nothing is held on such a subject that this key may see. It is no praise."""

    code = "subject_not_found"
    title = Sentence(
        "Nothing is held on such a subject that this key may see; it says nothing about credit",
        "未查询到可供该密钥查看的相关信息；此结果不代表信用良好",
    )


class CheckNotFound(NotFound):
    """No such check, or another department's."""

    code = "check_not_found"
    title = Sentence("No such check, or not yours to see", "没有该核查记录，或无权查看")


class CaseNotFound(NotFound):
    """No such objection or repair, or another department's."""

    code = "case_not_found"
    title = Sentence("No such case, or not yours to see", "没有该异议或修复事项，或无权查看")


class ReportNotFound(NotFound):
    """No report was issued under that id or code, or not to this key's department."""

    code = "report_not_found"
    title = Sentence("No such report", "没有该报告")


class SubmissionNotFound(NotFound):
    """No such submission, or none of the caller's department."""

    code = "submission_not_found"
    title = Sentence("There is no such submission", "没有该批次")


class MethodNotAllowed(RegistryError):
    """The address exists, but not with this method."""

    code = "method_not_allowed"
    status = 405
    title = Sentence("This address does not take that method", "该地址不支持此请求方法")


# --- 409: a rule stands against it ---------------------------------------


class Refused(RegistryError):
    """A rule of law, or of the registry, stands against the request."""

    code = "refused"
    status = 409
    title = Sentence("A rule stands against this", "依据规则不予受理")


class EntryConflict(Refused):
    """The source_ref is taken by an entry with other facts."""

    code = "entry_conflict"
    title = Sentence(
        "This source_ref is recorded with other facts; correct that entry, or use a new source_ref",
        "该 source_ref 已登记且内容不同；请更正原条目，或使用新的 source_ref",
    )


class IdentifierConflict(Refused):
    """The numbers of one push belong to two recorded subjects."""

    code = "identifier_conflict"
    title = Sentence(
        "These identifiers belong to different recorded subjects; send only those of one subject",
        "所提交的证件号码分属不同主体；请只提交同一主体的号码",
    )


class SubjectKindConflict(Refused):
    """The subject is recorded as of another kind."""

    code = "subject_kind_conflict"
    title = Sentence(
        "The subject is recorded as of another kind",
        "该主体已按其他主体类别登记",
    )


class SubjectFixed(Refused):
    """Whom an entry is about is not correctable."""

    code = "subject_fixed"
    title = Sentence(
        "Whom an entry is about cannot be corrected: revoke it with reason_code wrong_subject"
        " and push anew with replaces",
        "条目所指主体不可更正：请以 wrong_subject 撤销后重新报送并注明 replaces",
    )


class MinorSubject(Refused):
    """A minor is never listed (山东省社会信用条例 Art 2; 失信被执行人规定 2017 Art 4)."""

    code = "minor_subject"
    title = Sentence(
        "The subject was under 18; minors are never listed",
        "该主体当时未满十八周岁；未成年人不得列入",
    )


class SealedRecord(Refused):
    """Public-security penalties are sealed (治安管理处罚法 Art 136)."""

    code = "sealed_record"
    title = Sentence(
        "Public-security penalty records are sealed by law and are not taken in",
        "治安管理处罚记录依法封存，本系统不予接收",
    )


class BlacklistedSubject(Refused):
    """Nobody on a black list is put on a red one (发改财金规〔2017〕1798号)."""

    code = "blacklisted_subject"
    title = Sentence(
        "A black-list entry of this subject is active or scheduled within the term",
        "该主体在所报期限内有有效或即将生效的黑名单条目，不得列入红名单",
    )


class ListTypeNotInForce(Refused):
    """The list type has no confirmed legal basis, or not on that day."""

    code = "list_type_not_in_force"
    title = Sentence(
        "This list type is not in force: an operator must enable it with its legal reference",
        "该名单类型尚未启用：须由管理员载明法律依据后启用",
    )


class SubjectKindNotAllowed(Refused):
    """The list type does not take subjects of this kind."""

    code = "subject_kind_not_allowed"
    title = Sentence(
        "This list type does not take subjects of this kind",
        "该名单类型不适用于此类主体",
    )


class TermNotAllowed(Refused):
    """The list type does not allow this term."""

    code = "term_not_allowed"
    title = Sentence("The list type does not allow this term", "该名单类型不允许此期限")


class PublicationNotAllowed(Refused):
    """This entry may not be published."""

    code = "publication_not_allowed"
    title = Sentence("This entry may not be published", "该条目依法不得公开")


class AlreadyPublished(Refused):
    """The channel has a publication with other particulars."""

    code = "already_published"
    title = Sentence(
        "A publication on this channel is recorded with another day or address; withdraw it first",
        "该渠道已登记其他公示日期或网址；请先登记撤下",
    )


class NotPublished(Refused):
    """There is no publication on the channel to withdraw."""

    code = "not_published"
    title = Sentence(
        "No standing publication on this channel is recorded",
        "该渠道没有在公示的记录",
    )


class TransitionRefused(Refused):
    """The entry's status does not allow the action."""

    code = "transition_refused"
    title = Sentence(
        "The entry's present status does not allow this",
        "条目当前状态不允许此操作",
    )


class NotRepairable(Refused):
    """The entry cannot be repaired, or not yet; the members say why and from when."""

    code = "not_repairable"
    title = Sentence(
        "The conditions of repair are not met; `unmet` names them, `earliest_on` the first day",
        "尚不符合信用修复条件；unmet 列明未满足的条件，earliest_on 为最早可申请日期",
    )


class CaseOpen(Refused):
    """The same is being dealt with already."""

    code = "case_open"
    title = Sentence(
        "Another application for repair of this entry is open",
        "该条目已有正在办理的信用修复申请",
    )


class StepRefused(Refused):
    """The case is not at the step that was to be taken."""

    code = "step_refused"
    title = Sentence(
        "The case is not at this step; read it again",
        "该事项当前不处于此办理环节，请重新读取",
    )


class SamePerson(Refused):
    """Who accepted an application does not decide on it."""

    code = "same_person"
    title = Sentence(
        "Acceptance and decision are taken by two different people",
        "受理与决定须由不同经办人办理",
    )


class NameMismatch(Refused):
    """The number is recorded under another name."""

    code = "name_mismatch"
    title = Sentence(
        "The name is not one that is recorded for this number",
        "姓名（名称）与该号码登记的不一致",
    )


class SubmissionUnderWay(Refused):
    """What is asked is not possible in the state that the submission is in."""

    code = "submission_state"
    title = Sentence(
        "The state of the submission does not allow this", "该批次当前状态不允许此操作"
    )


class BuiltUpon(Refused):
    """Something later rests on what the submission recorded."""

    code = "built_upon"
    title = Sentence(
        "Entries of this submission were changed since; deal with those one by one",
        "该批次的部分条目已有后续变更，请逐条处理",
    )


class OutcomeConflict(Refused):
    """Another outcome is recorded for that result."""

    code = "outcome_conflict"
    title = Sentence(
        "Another outcome is recorded for this result",
        "该结果已登记不同的处理情况",
    )


# --- 410 -----------------------------------------------------------------


class FeedGone(RegistryError):
    """The changes from there on are not to be had: another epoch, or too long ago."""

    code = "feed_gone"
    status = 410
    title = Sentence(
        "The feed does not lead on from there: take the snapshot and follow from its seq",
        "无法从该序号继续获取变更：请重新获取快照，并从其序号继续",
    )


# --- 412, 413, 415, 422, 428, 429 -----------------------------------------


class StaleVersion(RegistryError):
    """Somebody changed the entry since the caller read it."""

    code = "stale_version"
    status = 412
    title = Sentence(
        "The entry has changed since that version; read it again",
        "条目已有新版本，请重新读取后再提交",
    )


class BodyTooLarge(RegistryError):
    """The body is larger than the registry takes."""

    code = "body_too_large"
    status = 413
    title = Sentence("The body is too large", "请求体过大")


class UnsupportedMediaType(RegistryError):
    """The body is not said to be JSON."""

    code = "unsupported_media_type"
    status = 415
    title = Sentence(
        "Send the body as application/json",
        "请以 application/json 格式提交请求体",
    )


class InvalidPayload(RegistryError):
    """What was sent is readable, but wrong in the places that `faults` names."""

    code = "invalid_payload"
    status = 422
    title = Sentence("What was sent has faults", "提交内容有误")

    @property
    def told(self) -> str:
        """The code of the faults, where they are all of one kind."""
        codes = {fault.code for fault in self.faults}
        return codes.pop() if len(codes) == 1 else self.code


class VersionRequired(RegistryError):
    """A change must say which version it was made from."""

    code = "version_required"
    status = 428
    title = Sentence(
        "Say which version you change with If-Match",
        "请通过请求头 If-Match 注明所依据的版本",
    )


class TooManyAttempts(RegistryError):
    """One source failed to show a valid key too often within a minute."""

    code = "too_many_attempts"
    status = 429
    patience = 60
    title = Sentence(
        "Too many attempts without a valid key; wait a minute",
        "无效密钥尝试过多，请一分钟后再试",
    )


# --- 503: fail closed ----------------------------------------------------


class Unavailable(RegistryError):
    """The answer could not be computed; it is not "no entries"."""

    code = "unavailable"
    status = 503
    patience = 5
    title = Sentence(
        "The registry cannot answer now; do not take this for a clean record",
        "登记系统暂时无法答复；不得视为无记录",
    )


class NotReady(Unavailable):
    """The database is away, or its schema is not this version's."""

    code = "not_ready"


class SecretKeyMismatch(Unavailable):
    """The key file is not the one that the database was sealed with."""

    code = "secret_key_mismatch"
    title = Sentence(
        "The secret key file does not match the database; nothing is answered",
        "密钥文件与数据库不匹配，系统拒绝答复",
    )


class Busy(Unavailable):
    """Too many writers wait already."""

    code = "busy"
    title = Sentence("Too many writers wait; try again shortly", "写入繁忙，请稍后重试")
