"""Refusals by a rule of law or of the registry: 409."""

from app.errors.base import RegistryError, Sentence
from app.errors.codes import ProblemCode


class Refused(RegistryError):
    """A rule of law, or of the registry, stands against the request."""

    code = ProblemCode.refused
    status = 409
    title = Sentence("A rule stands against this", "依据规则不予受理")


class EntryConflict(Refused):
    """The source_ref is taken by an entry with other facts."""

    code = ProblemCode.entry_conflict
    title = Sentence(
        "This source_ref is recorded with other facts; correct that entry, or use a new source_ref",
        "该 source_ref 已登记且内容不同；请更正原条目，或使用新的 source_ref",
    )


class IdentifierConflict(Refused):
    """The numbers of one push belong to two recorded subjects."""

    code = ProblemCode.identifier_conflict
    title = Sentence(
        "These identifiers belong to different recorded subjects; send only those of one subject",
        "所提交的证件号码分属不同主体；请只提交同一主体的号码",
    )


class SubjectKindConflict(Refused):
    """The subject is recorded as of another kind."""

    code = ProblemCode.subject_kind_conflict
    title = Sentence(
        "The subject is recorded as of another kind",
        "该主体已按其他主体类别登记",
    )


class SubjectFixed(Refused):
    """The subject of an entry cannot be corrected."""

    code = ProblemCode.subject_fixed
    title = Sentence(
        "Whom an entry is about cannot be corrected: revoke it with reason_code wrong_subject"
        " and push anew with replaces",
        "条目所指主体不可更正：请以 wrong_subject 撤销后重新报送并注明 replaces",
    )


class MinorSubject(Refused):
    """A minor is never listed (山东省社会信用条例 Art 2; 失信被执行人规定 2017 Art 4)."""

    code = ProblemCode.minor_subject
    title = Sentence(
        "The subject was under 18; minors are never listed",
        "该主体当时未满十八周岁；未成年人不得列入",
    )


class SealedRecord(Refused):
    """Public-security penalties are sealed (治安管理处罚法 Art 136)."""

    code = ProblemCode.sealed_record
    title = Sentence(
        "Public-security penalty records are sealed by law and are not taken in",
        "治安管理处罚记录依法封存，本系统不予接收",
    )


class BlacklistedSubject(Refused):
    """Nobody on a black list is put on a red one (发改财金规〔2017〕1798号)."""

    code = ProblemCode.blacklisted_subject
    title = Sentence(
        "A black-list entry of this subject is active or scheduled within the term",
        "该主体在所报期限内有有效或即将生效的黑名单条目，不得列入红名单",
    )


class ListTypeNotInForce(Refused):
    """The list type has no confirmed legal basis, or not on that day."""

    code = ProblemCode.list_type_not_in_force
    title = Sentence(
        "This list type is not in force: an operator must enable it with its legal reference",
        "该名单类型尚未启用：须由管理员载明法律依据后启用",
    )


class SubjectKindNotAllowed(Refused):
    """The list type does not take subjects of this kind."""

    code = ProblemCode.subject_kind_not_allowed
    title = Sentence(
        "This list type does not take subjects of this kind",
        "该名单类型不适用于此类主体",
    )


class TermNotAllowed(Refused):
    """The list type does not allow this term."""

    code = ProblemCode.term_not_allowed
    title = Sentence("The list type does not allow this term", "该名单类型不允许此期限")


class PublicationNotAllowed(Refused):
    """This entry may not be published."""

    code = ProblemCode.publication_not_allowed
    title = Sentence("This entry may not be published", "该条目依法不得公开")


class AlreadyPublished(Refused):
    """The channel has a publication with other particulars."""

    code = ProblemCode.already_published
    title = Sentence(
        "A publication on this channel is recorded with another day or address; withdraw it first",
        "该渠道已登记其他公示日期或网址；请先登记撤下",
    )


class NotPublished(Refused):
    """There is no publication on the channel to withdraw."""

    code = ProblemCode.not_published
    title = Sentence(
        "No standing publication on this channel is recorded",
        "该渠道没有在公示的记录",
    )


class TransitionRefused(Refused):
    """The entry's status does not allow the action."""

    code = ProblemCode.transition_refused
    title = Sentence(
        "The entry's present status does not allow this",
        "条目当前状态不允许此操作",
    )


class NotRepairable(Refused):
    """The entry cannot be repaired, or not yet; the members say why and from when."""

    code = ProblemCode.not_repairable
    title = Sentence(
        "The conditions of repair are not met; `unmet` names them, `earliest_on` the first day",
        "尚不符合信用修复条件；unmet 列明未满足的条件，earliest_on 为最早可申请日期",
    )


class CaseOpen(Refused):
    """The same is being dealt with already."""

    code = ProblemCode.case_open
    title = Sentence(
        "Another application for repair of this entry is open",
        "该条目已有正在办理的信用修复申请",
    )


class StepRefused(Refused):
    """The case is not at the step that was to be taken."""

    code = ProblemCode.step_refused
    title = Sentence(
        "The case is not at this step; read it again",
        "该事项当前不处于此办理环节，请重新读取",
    )


class SamePerson(Refused):
    """The person who accepted an application does not decide on it."""

    code = ProblemCode.same_person
    title = Sentence(
        "Acceptance and decision are taken by two different people",
        "受理与决定须由不同经办人办理",
    )


class SubmissionUnderWay(Refused):
    """The state of the submission does not allow the request."""

    code = ProblemCode.submission_state
    title = Sentence(
        "The state of the submission does not allow this", "该批次当前状态不允许此操作"
    )


class BuiltUpon(Refused):
    """Something later rests on what the submission recorded."""

    code = ProblemCode.built_upon
    title = Sentence(
        "Entries of this submission were changed since; deal with those one by one",
        "该批次的部分条目已有后续变更，请逐条处理",
    )


class OutcomeConflict(Refused):
    """Another outcome is recorded for that result."""

    code = ProblemCode.outcome_conflict
    title = Sentence(
        "Another outcome is recorded for this result",
        "该结果已登记不同的处理情况",
    )
