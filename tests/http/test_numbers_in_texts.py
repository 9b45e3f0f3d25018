"""Personal numbers of a request or of its entry are in no text that is kept or logged."""

import json
import logging
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select

from app.db.tables import AccessRecord, Check, Submission
from app.db.tables.base import Base
from app.http.request_bodies import RequestBody, list_parts
from app.jobs.worker import run_waiting_jobs
from app.main import create_app
from app.submissions.processing import queue
from tests.support.own_reports import build_person_report_body
from tests.support.problems import count_written_rows, read_server_log, require_refused
from tests.support.redress_cases import (
    build_application,
    build_objection,
    create_official_client,
    open_case,
    require_unchanged,
    take_case_step,
)
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_check,
    build_licence_changes,
    build_penalty_changes,
    build_publication,
    build_push,
    build_question,
)
from tests.support.spellings import FOUND_SPELLINGS, PASSED_SPELLINGS
from tests.support.submission_files import (
    build_cells,
    build_row,
    build_rows,
    change_settings,
    format_csv,
    format_json_array,
    format_ndjson,
    read_results,
    read_submission,
    send_file,
    submit_file,
    submit_in_background,
)
from tests.support.world import World

PASSPORT = "E10203045"
REPRESENTATIVE_PASSPORT = "G60708090"
CODE = "personal_number_in_text"
NUMBERS = {
    "resident_id": PERSON_RESIDENT_ID,
    "passport": PASSPORT,
    "hk_macao_permit": "H1020304501",
    "taiwan_permit": "10203045",
    "foreign_permanent_resident": "USA110181030300",
}


def build_foreigner(number: str = PASSPORT, scheme: str = "passport") -> dict[str, Any]:
    subject: dict[str, Any] = {
        "kind": "natural_person",
        "name": "John Doe",
        "identifiers": [{"scheme": scheme, "number": number}],
    }
    has_birth_date = scheme in {"resident_id", "foreign_permanent_resident"}
    if not has_birth_date or len(number) != 18:
        subject["birth_date"] = "1980-01-01"
    return subject


def build_person_push(number: str = PASSPORT, scheme: str = "passport", **changes: Any) -> Any:
    return build_push(subject=build_foreigner(number, scheme), responsible_persons=None, **changes)


def build_representative(number: str = REPRESENTATIVE_PASSPORT) -> dict[str, Any]:
    return {
        "role": "legal_representative",
        "name": "王某",
        "identifier": {"scheme": "passport", "number": number},
    }


def change(
    api: httpx.Client, entry: dict[str, Any], action: str, body: Any, **headers: str
) -> httpx.Response:
    return api.post(
        f"/v1/entries/{entry['id']}/{action}",
        json=body,
        headers={"If-Match": f'"{entry["version"]}"', **headers},
    )


def dump(world: World) -> str:
    """Return all rows of all tables."""
    rows = []
    for table in Base.metadata.sorted_tables:
        way = world.registry.database.reading
        way = way if table.schema is None else world.registry.database.reading_ledger
        with way() as connection:
            rows += [str(tuple(row)) for row in connection.execute(table.select())]
    return "\n".join(rows)


class TestPushes:
    @pytest.mark.parametrize("scheme", NUMBERS)
    def test_the_number_of_the_subject_is_refused_in_every_text(
        self, world: World, scheme: str
    ) -> None:
        number = NUMBERS[scheme]
        before = count_written_rows(world)
        texts: dict[str, dict[str, Any]] = {
            "/source_ref": {"source_ref": f"HR-{number}"},
            "/case_ref": {"case_ref": number},
            "/reason": {"reason": f"持证（{number}）人员拖欠工资"},
            "/legal_basis": {"legal_basis": f"办法第五条 {number}"},
            "/remark": {"remark": f"证件{number}"},
            "/decision/number": {
                "decision": {
                    "number": f"〔2026〕{number}号",
                    "kind": "list_decision",
                    "decided_on": "2026-11-20",
                }
            },
            "/disclosure/basis": {
                "disclosure": {
                    "class": "exempt",
                    "exemption": "personal_privacy",
                    "basis": f"条例 {number}",
                }
            },
            "/subject/name": {
                "subject": build_foreigner(number, scheme) | {"name": f"John Doe {number}"}
            },
        }
        for pointer, texts_changes in texts.items():
            answer = world.api().post(
                "/v1/entries", json=build_person_push(number, scheme) | texts_changes
            )
            require_refused(answer, 422, CODE, pointer)
            assert number not in answer.text
        assert count_written_rows(world) == before

    def test_numbers_of_responsible_persons_are_refused(self, world: World) -> None:
        body = build_push(
            responsible_persons=[build_representative()],
            reason=f"法定代表人护照 {REPRESENTATIVE_PASSPORT}",
        )
        require_refused(world.api().post("/v1/entries", json=body), 422, CODE, "/reason")

    def test_contents_of_penalties_and_licences_are_searched(self, world: World) -> None:
        representative = [build_representative()]
        for part, build in (("penalty", build_penalty_changes), ("licence", build_licence_changes)):
            facts = build_push(**build())
            for name in ("content", *{"penalty": ["conduct"], "licence": ["category"]}[part]):
                body = facts | {
                    "responsible_persons": representative,
                    part: facts[part] | {name: f"护照{REPRESENTATIVE_PASSPORT}"},
                }
                answer = world.api().post("/v1/entries", json=body)
                require_refused(answer, 422, CODE, f"/{part}/{name}")

    def test_every_spelling_has_its_result(self, world: World) -> None:
        for position, (name, spell) in enumerate((FOUND_SPELLINGS | PASSED_SPELLINGS).items()):
            for number, scheme in ((PASSPORT, "passport"), (PERSON_RESIDENT_ID, "resident_id")):
                body = build_person_push(
                    number,
                    scheme,
                    source_ref=f"S-{scheme[0]}-{position}",
                    reason=f"当事人{spell(number)}拖欠工资",
                )
                answer = world.api().post("/v1/entries", json=body)
                expected = 201 if name in PASSED_SPELLINGS else 422
                assert answer.status_code == expected, (name, scheme, answer.text)
                if expected == 422:
                    require_refused(answer, 422, CODE, "/reason")

    def test_a_short_passport_is_refused_beside_its_word_only(self, world: World) -> None:
        push = build_person_push("AB123")
        refused = world.api().post("/v1/entries", json=push | {"reason": "护照 AB-123 持有人"})
        require_refused(refused, 422, CODE, "/reason")
        passed = world.api().post("/v1/entries", json=push | {"reason": "AB123 车间欠薪"})
        assert passed.status_code == 201, passed.text

    def test_other_numbers_of_the_same_form_pass(self, world: World) -> None:
        world.record(**build_person_push(reason="见 E10203046 号文件及 HR-2026-000123"))

    def test_a_name_in_a_refused_body_repeats_no_number(self, world: World) -> None:
        entry = world.record(**build_person_push())
        body = {
            "reason": "更正",
            "changes": {"subject": {"kind": {PASSPORT: f"x{PASSPORT}", "scheme": 1}}},
        }
        answer = change(world.api(), entry, "corrections", body)
        assert answer.status_code in {409, 422}
        assert PASSPORT not in answer.text


class TestRequestIds:
    @pytest.fixture
    def log(self, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
        caplog.set_level(logging.INFO)
        return caplog

    def test_an_id_with_a_number_of_the_body_is_replaced(
        self, world: World, log: pytest.LogCaptureFixture
    ) -> None:
        invalid = build_person_push()
        del invalid["reason"]
        question = build_question(PASSPORT, "John Doe", scheme="passport")
        for api, path, body in (
            (world.api(), "/v1/entries", build_person_push()),
            (world.api(), "/v1/entries", build_person_push(source_ref="B", reason=PASSPORT)),
            (world.api(), "/v1/entries", invalid),
            (world.api("approver"), "/v1/checks", build_check(question)),
            (world.api("approver"), "/v1/checks", build_check(question) | {"purpose": PASSPORT}),
            (world.api("approver"), "/v1/checks", build_check(question) | {"case_no": None}),
            (
                world.api(),
                "/v1/subjects/lookup",
                {key: question[key] for key in ("scheme", "number", "name")}
                | {"purpose": "受理前查询", "case_no": "RS-1"},
            ),
        ):
            for sent in (f"req-{PASSPORT}", "e102.030-45"):
                answer = api.post(path, json=body, headers={"X-Request-ID": sent})
                assert answer.headers["X-Request-ID"] != sent
                assert answer.headers["X-Request-ID"] in read_server_log(log)
                if answer.is_error:
                    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
        assert PASSPORT not in read_server_log(log)
        assert "e102.030-45" not in read_server_log(log)
        stored = dump(world)
        assert PASSPORT not in stored
        assert "e102.030-45" not in stored
        with world.registry.database.reading_ledger() as connection:
            ids = [*connection.scalars(select(Check.request_id))]
            ids += connection.scalars(select(AccessRecord.request_id))
        assert all(ids)

    def test_other_ids_are_kept(self, world: World) -> None:
        for sent in ("office-42.a_b", "E10203046", "01928374-0000-7000-8000-000000000000"):
            answer = world.api().post(
                "/v1/entries", json=build_person_push(), headers={"X-Request-ID": sent}
            )
            assert answer.headers["X-Request-ID"] == sent

    def test_an_id_with_a_number_of_the_entry_is_replaced(self, world: World) -> None:
        entry = world.record(**build_person_push())
        answer = change(
            world.api(),
            entry,
            "exits",
            {"reason": "已足额支付", "exited_on": "2026-11-22"},
            **{"X-Request-ID": PASSPORT},
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["X-Request-ID"] != PASSPORT
        assert PASSPORT not in dump(world)

    def test_the_id_of_a_file_holds_nothing_like_a_number(self, world: World) -> None:
        content = format_ndjson([build_person_push()])
        trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
        for sent, is_kept in ((f"x-{PASSPORT}", False), ("office-42", True), (trace_id, True)):
            answer = world.api().post(
                "/v1/submissions",
                content=content,
                params={"list_type": "wage_arrears.black"},
                headers={"X-Request-ID": sent},
            )
            assert answer.status_code == 200, answer.text
            assert (answer.headers["X-Request-ID"] == sent) is is_kept
        assert PASSPORT not in dump(world)


class TestQueries:
    def test_a_filter_that_resembles_a_number_is_recorded_as_a_digest(self, world: World) -> None:
        entry = world.record(**build_person_push(source_ref="HR-2026-000123"))
        api = world.api("auditor")
        for path, filters in (
            ("/v1/entries", {"source_ref": PASSPORT}),
            ("/v1/entries", {"source_ref": "HR-2026-000123"}),
            ("/v1/entries", {"department": PASSPORT, "list_type": PASSPORT, "domain": PASSPORT}),
            ("/v1/objections", {"department": PASSPORT}),
            ("/v1/disclosures", {"department": PASSPORT, "list_type": PASSPORT}),
            ("/v1/withdrawals", {"department": PASSPORT}),
            ("/v1/exports/entries", {"department": PASSPORT, "domain": PASSPORT}),
            ("/v1/reports/timeliness", {"department": PASSPORT}),
            ("/v1/audit/records", {"target": PASSPORT, "department": PASSPORT}),
        ):
            assert api.get(path, params=filters).status_code in {200, 422}, path
        stored = dump(world)
        assert PASSPORT not in stored
        assert "digest:" in stored
        with world.registry.database.reading_ledger() as connection:
            details = connection.scalars(select(AccessRecord.detail)).all()
        assert [each["source_ref"] for each in details if "source_ref" in each][-1] == entry[
            "source_ref"
        ]


class TestQuestions:
    @pytest.mark.parametrize("scheme", NUMBERS)
    def test_no_text_of_a_check_holds_an_asked_number(self, world: World, scheme: str) -> None:
        number = NUMBERS[scheme]
        question = build_question(number, "张某", scheme=scheme)
        basis = {"basis": f"侦查 {number}", "until": "2026-12-31"}
        for pointer, body in {
            "/purpose": build_check(question, purpose=f"核查 {number}"),
            "/case_no": build_check(question, case_no=f"ZZ-{number}"),
            "/subjects/0/name": build_check(question | {"name": f"张某{number}"}),
            "/subjects/1/ref": build_check(question, build_question(ref=number)),
            "/investigation/basis": build_check(question, investigation=basis),
        }.items():
            answer = world.api("approver").post("/v1/checks", json=body)
            require_refused(answer, 422, CODE, pointer)
        with world.registry.database.reading_ledger() as connection:
            assert connection.execute(select(Check.id)).all() == []

    def test_a_number_at_the_wrong_place_is_found(self, world: World) -> None:
        for scheme in ("uscc", "org_code", "registration_no"):
            body = build_check(build_question(PASSPORT, "张某", scheme=scheme), purpose=PASSPORT)
            answer = world.api("approver").post("/v1/checks", json=body)
            require_refused(answer, 422, CODE, "/purpose")

    def test_a_number_of_a_company_may_stand_in_the_purpose(self, world: World) -> None:
        body = build_check(purpose=f"核查 {build_question()['number']}")
        assert world.api("approver").post("/v1/checks", json=body).status_code == 200

    def test_a_lookup_and_an_own_report_hold_no_asked_number(self, world: World) -> None:
        lookup = {"scheme": "passport", "number": PASSPORT, "name": "John Doe"}
        answer = world.api().post(
            "/v1/subjects/lookup", json=lookup | {"purpose": f"护照{PASSPORT}", "case_no": "1"}
        )
        require_refused(answer, 422, CODE, "/purpose")
        report = build_person_report_body(
            case_no="1-0-2-0-3-0-4-5", scheme="taiwan_permit", number="10203045"
        )
        answer = world.api("operator").post("/v1/own-reports", json=report)
        require_refused(answer, 422, CODE, "/case_no")

    def test_the_remark_of_an_outcome_holds_no_asked_number(self, world: World) -> None:
        approver = world.api("approver")
        numbers = [*NUMBERS.items()]
        check = approver.post(
            "/v1/checks",
            json=build_check(
                *(
                    build_question(number, "张某", scheme=scheme, ref=scheme)
                    for scheme, number in numbers
                )
            ),
        ).json()
        path = f"/v1/checks/{check['check_id']}/outcomes"
        outcome = {"ref": "passport", "action": "not_applied", "measures": []}
        for _, number in numbers[1:]:
            for remark in (f"已核实 {number}", f"{number[:4]}、{number[4:]}已核实"):
                answer = approver.post(path, json=outcome | {"remark": remark})
                require_refused(answer, 422, CODE, "/remark")
        answer = approver.post(path, json=outcome | {"remark": "E10203046 核实，电话13800138000"})
        assert answer.status_code == 201, answer.text


class TestChangesOfAnEntry:
    @pytest.fixture
    def entry(self, world: World) -> dict[str, Any]:
        """An entry of a company whose representative has a passport."""
        return world.record(responsible_persons=[build_representative()])

    @pytest.fixture
    def person_entry(self, world: World) -> dict[str, Any]:
        return world.record(**build_person_push(source_ref="HR-P"))

    def test_no_change_repeats_a_number_of_the_entry(
        self, world: World, entry: dict[str, Any], person_entry: dict[str, Any]
    ) -> None:
        for changed, number in ((entry, REPRESENTATIVE_PASSPORT), (person_entry, PASSPORT)):
            text = f"证件 {number[:4]}，{number[4:]}"
            bodies: dict[str, tuple[str, dict[str, Any]]] = {
                "corrections": ("/reason", {"reason": text, "changes": {"remark": "无"}}),
                "revocations": (
                    "/reason",
                    {"reason": text, "reason_code": "other", "revoked_on": "2026-11-22"},
                ),
                "exits": ("/reason", {"reason": text, "exited_on": "2026-11-22"}),
                "extensions": (
                    "/legal_basis",
                    {
                        "reason": "延长",
                        "legal_basis": text,
                        "decision": {"number": "2", "decided_on": "2026-11-22"},
                        "effective_until": "2031-11-20",
                    },
                ),
                "disclosures": (
                    "/url",
                    build_publication(url=f"https://example.org/?p={number.lower()}"),
                ),
                "objections": ("/grounds", build_objection(grounds=text)),
                "repairs": (
                    "/promise/reference",
                    build_application(promise={"reference": text, "signed_on": "2026-11-20"}),
                ),
            }
            with require_unchanged(world):
                for action, (pointer, body) in bodies.items():
                    answer = change(world.api(), changed, action, body)
                    require_refused(answer, 422, CODE, pointer)
                    assert number not in answer.text
            correction = {"reason": "更正", "changes": {"reason": text}}
            answer = change(world.api(), changed, "corrections", correction)
            require_refused(answer, 422, CODE, "/changes/reason")

    def test_a_correction_holds_no_number_that_it_brings(
        self, world: World, entry: dict[str, Any]
    ) -> None:
        changes = {"responsible_persons": [build_representative(PASSPORT)], "remark": PASSPORT}
        answer = change(world.api(), entry, "corrections", {"reason": "补充", "changes": changes})
        require_refused(answer, 422, CODE, "/changes/remark")

    def test_a_removed_person_is_still_a_person_of_the_entry(
        self, world: World, entry: dict[str, Any]
    ) -> None:
        person = build_representative(PASSPORT)
        answer = change(
            world.api(),
            entry,
            "corrections",
            {"reason": "更换", "changes": {"responsible_persons": [person]}},
        )
        assert answer.status_code == 200, answer.text
        correction = {"reason": "更正", "changes": {"remark": REPRESENTATIVE_PASSPORT}}
        answer = change(world.api(), answer.json(), "corrections", correction)
        require_refused(answer, 422, CODE, "/changes/remark")

    def test_steps_of_cases_are_searched(self, world: World, entry: dict[str, Any]) -> None:
        person = create_official_client(world, "赵某")
        objection = open_case(world.api(), entry, "objections", build_objection())
        text = f"经查 {REPRESENTATIVE_PASSPORT}"
        for action, body, pointer, version in (
            ("assistance", {"unit": "市住建局", "reason": text}, "/reason", None),
            ("decision", {"outcome": "rejected", "reasons": text}, "/reasons", 2),
        ):
            with require_unchanged(world):
                answer = take_case_step(person, objection, action, body, version)
                require_refused(answer, 422, CODE, pointer)

    @pytest.mark.usefixtures("person_entry")
    def test_numbers_of_other_entries_disclose_nothing(
        self, world: World, entry: dict[str, Any]
    ) -> None:
        body = {"reason": f"见 {PASSPORT}", "exited_on": "2026-11-22"}
        answer = change(world.api(), entry, "exits", body)
        assert answer.status_code == 200, answer.text


class TestFiles:
    def test_rows_of_every_format_are_searched(self, world: World) -> None:
        row = build_row(1, responsible_persons=[build_representative()])
        row["reason"] = f"护照{REPRESENTATIVE_PASSPORT}持有人"
        for content in (
            format_ndjson([row]),
            format_json_array([row]),
            format_csv([build_cells(row)]),
        ):
            view = submit_file(world.api(), content)
            [result] = view["results"]
            assert result["outcome"] == "refused"
            assert result["code"] == CODE
            assert result["pointer"] == "/reason"
        assert REPRESENTATIVE_PASSPORT not in dump(world)

    def test_the_result_of_a_row_shows_no_number_as_its_reference(self, world: World) -> None:
        row = build_row(1, responsible_persons=[build_representative()])
        row["source_ref"] = f"HR-{REPRESENTATIVE_PASSPORT}"
        without_reason = {name: value for name, value in row.items() if name != "reason"}
        view = submit_file(world.api(), format_ndjson([row, without_reason]))
        assert [result["outcome"] for result in view["results"]] == ["refused", "refused"]
        assert all("source_ref" not in result for result in view["results"])
        assert REPRESENTATIVE_PASSPORT not in json.dumps(read_results(world.api(), view))
        assert REPRESENTATIVE_PASSPORT not in dump(world)

    @pytest.mark.parametrize("query", [{}, {"dry_run": "true"}, {"commit": "all_or_nothing"}])
    def test_a_reason_with_a_number_of_a_row_is_refused_and_erased(
        self, world: World, query: dict[str, str]
    ) -> None:
        rows = [build_row(1), build_row(2, responsible_persons=[build_representative()])]
        before = count_written_rows(world)
        answer = send_file(
            world.api(), format_ndjson(rows), reason=f"更新 {REPRESENTATIVE_PASSPORT}", **query
        )
        require_refused(answer, 422, CODE, "?reason")
        assert count_written_rows(world) == before
        with world.registry.database.reading() as connection:
            assert connection.execute(select(Submission.reason)).all() == [(None,)]
        assert REPRESENTATIVE_PASSPORT not in dump(world)

    def test_a_file_in_the_background_is_searched_too(self, world: World) -> None:
        change_settings(world, submission_at_once_bytes=10)
        rows = build_rows(3, responsible_persons=[build_representative()])
        view = submit_in_background(
            world, world.api(), format_ndjson(rows), reason=REPRESENTATIVE_PASSPORT
        )
        assert view["state"] == "refused"
        assert view["reason"] is None
        assert view["problem"]["errors"][0]["pointer"] == "?reason"
        assert REPRESENTATIVE_PASSPORT not in dump(world)

    def test_a_replaced_list_gives_no_reason_with_a_number_of_a_leaving_entry(
        self, world: World
    ) -> None:
        change_settings(world, replace_brake_share=1.0)
        leaving = build_row(9, responsible_persons=[build_representative()])
        submit_file(world.api(), format_ndjson([*build_rows(3), leaving]))
        whole = {"mode": "replace", "department": "human_resources", "rows": 3}
        refused = submit_file(
            world.api(),
            format_ndjson(build_rows(3)),
            reason=f"移出 {REPRESENTATIVE_PASSPORT}",
            **whole,
        )
        assert (refused["state"], refused["reason"]) == ("refused", None)
        assert refused["problem"]["errors"][0]["pointer"] == "?reason"
        assert REPRESENTATIVE_PASSPORT not in dump(world)

    def test_a_replaced_row_repeats_no_recorded_number(self, world: World) -> None:
        change_settings(world, replace_brake_share=1.0)
        submit_file(
            world.api(),
            format_ndjson([build_row(1, responsible_persons=[build_representative()])]),
        )
        whole = {"mode": "replace", "department": "human_resources", "rows": 1, "reason": "更新"}
        rows = [build_row(1, reason=f"护照{REPRESENTATIVE_PASSPORT}")]
        [result] = submit_file(world.api(), format_ndjson(rows), **whole)["results"]
        assert (result["outcome"], result["code"], result["pointer"]) == (
            "refused",
            CODE,
            "/reason",
        )

    def test_an_approval_gives_no_reason_with_a_number_of_the_list(self, world: World) -> None:
        leaving = build_row(9, responsible_persons=[build_representative()])
        submit_file(world.api(), format_ndjson([build_row(1), leaving]))
        whole = {"mode": "replace", "department": "human_resources", "rows": 2, "reason": "更新"}
        arriving = build_row(10, responsible_persons=[build_representative(PASSPORT)])
        change_settings(world, replace_brake_entries=0)
        held = submit_file(world.api(), format_ndjson([build_row(1), arriving]), **whole)
        assert held["state"] == "held"
        path = f"/v1/submissions/{held['id']}/approvals"
        for person, reason, status in (
            ("赵某", f"移出 {REPRESENTATIVE_PASSPORT}", 422),
            ("赵某", "已核对", 200),
            ("钱某", f"列入 {PASSPORT}", 200),  # the new row is read again later
        ):
            answer = create_official_client(world, person).post(path, json={"reason": reason})
            assert answer.status_code == status, answer.text
        run_waiting_jobs(world.registry, [queue.SubmissionQueue()])
        assert read_submission(world.api(), held)["state"] == "refused"
        for number in (PASSPORT, REPRESENTATIVE_PASSPORT):
            assert number not in dump(world)

    def test_a_reversal_gives_no_reason_with_a_number_of_its_entries(self, world: World) -> None:
        rows = [build_row(1, responsible_persons=[build_representative()])]
        view = submit_file(world.api(), format_ndjson(rows))
        for reason, status in ((f"误传 {REPRESENTATIVE_PASSPORT}", 422), ("误传", 200)):
            answer = world.api().post(
                f"/v1/submissions/{view['id']}/reversals", json={"reason": reason}
            )
            assert answer.status_code == status, answer.text
        assert REPRESENTATIVE_PASSPORT not in dump(world)


class TestContactNumbers:
    MOBILE, CARD = "13800138000", "6222021234567890128"

    def test_texts_that_may_become_public_hold_none(self, world: World) -> None:
        api = world.api()
        for code, number in (
            ("mobile_number_in_text", self.MOBILE),
            ("mobile_number_in_text", "+86 138-0013-8000"),
            ("mobile_number_in_text", "１３８００１３８０００"),
            ("card_number_in_text", self.CARD),
            ("card_number_in_text", "6222 0212 3456 7890 128"),
        ):
            for pointer, changes in {
                "/reason": {"reason": f"欠薪，联系{number}"},
                "/legal_basis": {"legal_basis": f"办法 {number}"},
                "/subject/name": {"subject": build_foreigner() | {"name": f"John {number}"}},
                "/responsible_persons/0/name": {
                    "responsible_persons": [build_representative() | {"name": f"王 {number}"}]
                },
            }.items():
                answer = api.post("/v1/entries", json=build_push() | changes)
                require_refused(answer, 422, code, pointer)
                assert number not in answer.text
            penalty = build_push(**build_penalty_changes())
            body = penalty | {"penalty": {"content": f"罚款，{number}"}}
            require_refused(api.post("/v1/entries", json=body), 422, code, "/penalty/content")
            licence = build_push(**build_licence_changes())
            body = licence | {"licence": {"certificate_name": f"证 {number}"}}
            answer = api.post("/v1/entries", json=body)
            require_refused(answer, 422, code, "/licence/certificate_name")

    def test_corrections_and_extensions_hold_none(self, world: World) -> None:
        entry = world.record()
        body = {"reason": "更正", "changes": {"reason": f"欠薪 {self.MOBILE}"}}
        answer = change(world.api(), entry, "corrections", body)
        require_refused(answer, 422, "mobile_number_in_text", "/changes/reason")

    def test_a_remark_and_a_reference_may_hold_them(self, world: World) -> None:
        world.record(remark=f"联系人手机 {self.MOBILE}，卡号 {self.CARD}", case_ref=self.MOBILE)

    @pytest.mark.parametrize("line", ["0632-3318888", "06323318888", "400-600-1234", "12333"])
    def test_office_lines_pass(self, world: World, line: str) -> None:
        world.record(reason=f"拖欠工资，投诉电话 {line}")

    def test_rows_of_files_are_refused(self, world: World) -> None:
        rows = [build_row(1, reason=f"欠薪 {self.MOBILE}")]
        [result] = submit_file(world.api(), format_csv([build_cells(rows[0])]))["results"]
        assert (result["code"], result["column"]) == ("mobile_number_in_text", "列入事由")


def test_every_body_is_searched() -> None:
    bodies = {
        parameter.field_info.annotation
        for route in create_app().routes
        if isinstance(route, APIRoute)
        for parameter in route.dependant.body_params
    }
    assert len(bodies) > 15
    for body in bodies:
        assert isinstance(body, type)
        assert issubclass(body, RequestBody), body


def test_all_texts_of_a_body_are_listed() -> None:
    body = build_push(**build_penalty_changes(), remark="备注")

    def list_texts(value: Any) -> set[str]:
        if isinstance(value, dict):
            members = {} if "scheme" in value else value
            return {text for member in members.values() for text in list_texts(member)}
        if isinstance(value, list):
            return {text for member in value for text in list_texts(member)}
        return {value} if isinstance(value, str) else set()

    parts = list_parts(body)
    assert set(parts.texts) == list_texts(body)
    [identifier] = body["subject"]["identifiers"]
    assert parts.numbers == [(identifier["scheme"], identifier["number"])]
