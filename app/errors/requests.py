"""Requests that cannot be read or allowed, or that name nothing: 400 to 429, apart from 409."""

from app.errors.base import RegistryError, SchemaErrorType, Sentence
from app.errors.codes import ProblemCode


class Malformed(RegistryError):
    """The request cannot be read."""

    code = ProblemCode.malformed
    status = 400
    title = Sentence("The request cannot be read", "请求无法识别")


class MalformedJson(Malformed):
    """The body is no JSON text (RFC 8259)."""

    code = ProblemCode.malformed_json
    title = Sentence("The body is not valid JSON", "请求体不是有效的 JSON")


class PersonalNumberInUrl(Malformed):
    """An address holds an identity number; addresses end up in logs and histories."""

    code = ProblemCode.personal_number_in_url
    title = Sentence(
        "An address must not hold a personal identity number; send it in a body",
        "网址中不得出现个人身份号码，请放在请求体中提交",
    )


class BadCursor(Malformed):
    """A `next` cursor that this registry did not make."""

    code = ProblemCode.bad_cursor
    title = Sentence(
        "The page cursor is not one of ours; start from the first page",
        "翻页标记无效，请从第一页重新开始",
    )


class BadVersionTag(Malformed):
    """An `If-Match` that is not one version in quotes."""

    code = ProblemCode.bad_version_tag
    title = Sentence(
        'If-Match must hold one version in quotes, as the ETag gave it: "3"',
        '请求头 If-Match 须为带引号的版本号(与 ETag 相同),例如 "3"',
    )


class Unauthenticated(RegistryError):
    """No key, an unknown key or a revoked one; the answer does not disclose which."""

    code = ProblemCode.unauthenticated
    status = 401
    title = Sentence(
        "A valid API key is needed: Authorization: Bearer <key>",
        "需要有效的接口密钥：Authorization: Bearer <密钥>",
    )


class Forbidden(RegistryError):
    """The key's role lacks the permission."""

    code = ProblemCode.forbidden
    status = 403
    title = Sentence("This key may not do that", "该密钥无此权限")


class NotYourList(Forbidden):
    """The department is no issuer of the list type."""

    code = ProblemCode.not_your_list
    title = Sentence(
        "Your department does not decide on this list type",
        "贵单位不是该名单（记录）类型的认定单位",
    )


class NotYourDepartment(Forbidden):
    """A department's key names another department."""

    code = ProblemCode.not_your_department
    title = Sentence(
        "A department's key acts for that department alone",
        "部门密钥只能代表本部门操作",
    )


class PersonKeyRequired(Forbidden):
    """A step that a person answers for needs a key that is bound to the person."""

    code = ProblemCode.person_key_required
    title = Sentence(
        "This step is taken by a person: use a key that is bound to one (keys create --person)",
        "此步骤须由具体经办人办理：请使用绑定经办人的密钥（keys create --person）",
    )


class NotFound(RegistryError):
    """It does not exist, or it is not yours to see: the answer is the same."""

    code = ProblemCode.not_found
    status = 404
    title = Sentence("There is nothing here for this key", "没有可供该密钥查看的内容")


class NoSuchAddress(NotFound):
    """No operation has this address."""

    code = ProblemCode.no_such_address
    title = Sentence("No operation has this address; see /docs", "没有该接口地址，请查看 /docs")


class EntryNotFound(NotFound):
    """No such entry, or not yours to see."""

    code = ProblemCode.entry_not_found
    title = Sentence("No such entry, or not yours to see", "没有该条目，或无权查看")


class SubjectNotFound(NotFound):
    """Nothing is held on such a subject that this key may see. It is no praise."""

    code = ProblemCode.subject_not_found
    title = Sentence(
        "Nothing is held on such a subject that this key may see; it says nothing about credit",
        "未查询到可供该密钥查看的相关信息；此结果不代表信用良好",
    )


class CheckNotFound(NotFound):
    """No such check, or another department's."""

    code = ProblemCode.check_not_found
    title = Sentence("No such check, or not yours to see", "没有该核查记录，或无权查看")


class CaseNotFound(NotFound):
    """No such objection or repair, or another department's."""

    code = ProblemCode.case_not_found
    title = Sentence("No such case, or not yours to see", "没有该异议或修复事项，或无权查看")


class ReportNotFound(NotFound):
    """No report was issued under that id or code, or not to this key's department."""

    code = ProblemCode.report_not_found
    title = Sentence("No such report", "没有该报告")


class SubmissionNotFound(NotFound):
    """No such submission, or none of the caller's department."""

    code = ProblemCode.submission_not_found
    title = Sentence("There is no such submission", "没有该批次")


class MethodNotAllowed(RegistryError):
    """The address exists, but not with this method."""

    code = ProblemCode.method_not_allowed
    status = 405
    title = Sentence("This address does not take that method", "该地址不支持此请求方法")


class RequestTimeout(RegistryError):
    """The head or the body of the request comes too slowly (RFC 9110, 15.5.9)."""

    code = ProblemCode.request_timeout
    status = 408
    title = Sentence(
        "The request was sent too slowly; send it again without pauses",
        "请求发送过慢，请连续发送后重试",
    )


class FeedGone(RegistryError):
    """The changes from there on are not to be had: another epoch, or too long ago."""

    code = ProblemCode.feed_gone
    status = 410
    title = Sentence(
        "The feed does not lead on from there: take the snapshot and follow from its seq",
        "无法从该序号继续获取变更：请重新获取快照，并从其序号继续",
    )


class StaleVersion(RegistryError):
    """Somebody changed the entry since the caller read it."""

    code = ProblemCode.stale_version
    status = 412
    title = Sentence(
        "The entry has changed since that version; read it again",
        "条目已有新版本，请重新读取后再提交",
    )


class BodyTooLarge(RegistryError):
    """The body is larger than the registry takes."""

    code = ProblemCode.body_too_large
    status = 413
    title = Sentence("The body is too large", "请求体过大")


class UnsupportedMediaType(RegistryError):
    """The body is not said to be JSON."""

    code = ProblemCode.unsupported_media_type
    status = 415
    title = Sentence(
        "Send the body as application/json",
        "请以 application/json 格式提交请求体",
    )


class InvalidPayload(RegistryError):
    """The request is readable, but wrong in the places that `faults` names."""

    code = ProblemCode.invalid_payload
    status = 422
    title = Sentence("What was sent has faults", "提交内容有误")

    @property
    def problem_code(self) -> ProblemCode | SchemaErrorType:
        """The code of the faults, where they are all of one kind."""
        codes = {fault.code for fault in self.faults}
        return codes.pop() if len(codes) == 1 else self.code


class VersionRequired(RegistryError):
    """A change must say which version it was made from."""

    code = ProblemCode.version_required
    status = 428
    title = Sentence(
        "Say which version you change with If-Match",
        "请通过请求头 If-Match 注明所依据的版本",
    )


class TooManyAttempts(RegistryError):
    """One source failed to show a valid key too often within a minute."""

    code = ProblemCode.too_many_attempts
    status = 429
    patience = 60
    title = Sentence(
        "Too many attempts without a valid key; wait a minute",
        "无效密钥尝试过多，请一分钟后再试",
    )


class SweepSuspected(RegistryError):
    """One key asked about so many natural persons that it looks like a search for numbers."""

    code = ProblemCode.sweep_suspected
    status = 429
    patience = 3600
    title = Sentence(
        "This key asked about natural persons in a way that looks like a search for numbers: none"
        " of them is answered before the time in Retry-After. Organisations are still answered,"
        " also in the same check or file. If the questions are genuine, ask the operator",
        "该密钥对自然人的查询疑似批量试探号码：在 Retry-After 所示时间之前不再答复自然人；"
        "单位的查询和报送照常办理（包括同一次核查或同一文件中的单位）。如确属正常业务，请联系系统"
        "管理员",
    )


class HeadTooLarge(RegistryError):
    """The head of the request has too many bytes or fields (RFC 6585, 5)."""

    code = ProblemCode.head_too_large
    status = 431
    title = Sentence(
        "The head of the request is too large: at most 64 KiB and 100 fields",
        "请求头过大：最多 64 KiB、100 个字段",
    )
