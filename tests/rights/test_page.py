"""The report as a page: Chinese first, self-contained, and it runs and loads nothing."""

import base64
import hashlib
import re
from enum import StrEnum
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from app.rights.page import TRANSLATIONS
from app.rules.decision import DecisionKind, PersonRole
from app.rules.disclosure import Channel
from app.rules.identifiers import Scheme
from app.rules.law import DisclosureClass, ListKind, MeasureKind, Obligation, Severity, SubjectKind
from app.rules.personal_numbers import contains_personal_number
from app.rules.redress import CaseKind, CaseState, CaseStep
from app.rules.status import Removal, Status
from app.rules.transitions import Action
from app.rules.verdict import Standing
from tests.support.own_reports import (
    BUILDER_NAME,
    build_person_report_body,
    issue_report,
    read_report_page,
)
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_check,
    build_licence_changes,
    build_penalty_changes,
    build_person,
    build_question,
    build_red_changes,
)
from tests.support.world import World

CHINESE = re.compile(r"[\u4e00-\u9fff]")
WICKED = '<script src="https://x.example/a.js">alert(1)</script><img src=x onerror=a()>'


class Page(HTMLParser):
    """The elements of a page and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def fetch_page(world: World, report: dict[str, Any]) -> httpx.Response:
    answer = world.api("operator").get(f"/v1/own-reports/{report['report_id']}/page")
    assert answer.status_code == 200
    return answer


@pytest.fixture
def full_report(world: World) -> dict[str, Any]:
    """A report with content in every part."""
    world.record(**build_red_changes())
    entry = world.record()
    world.record(**build_penalty_changes())
    world.record(**build_licence_changes())
    exempt = {"class": "exempt", "exemption": "trade_secret", "basis": "反不正当竞争法第九条"}
    world.record(**build_penalty_changes(source_ref="EX", disclosure=exempt))
    applicant = {"kind": "self", "name": "张某", "proof_ref": "SQ-1"}
    answer = world.api().post(
        f"/v1/entries/{entry['id']}/objections",
        json={"applicant": applicant, "grounds": "已结清"},
        headers={"If-Match": '"1"'},
    )
    assert answer.is_success, answer.text
    world.api("approver").post("/v1/checks", json=build_check())
    issue_report(world)
    return issue_report(world)


# --- content --------------------------------------------------------------


def test_it_says_in_words_what_the_report_holds(world: World, full_report: dict[str, Any]) -> None:
    text = Page(read_report_page(world, full_report)).text
    for phrase in (
        full_report["verification_code"],
        full_report["sha256"],
        full_report["report_id"],
        BUILDER_NAME,
        "91370403MB000CT75T",
        "市人力资源和社会保障局",
        "枣人社列〔2026〕12号",
        "拖欠农民工工资,经责令限期支付逾期未支付",
        "拖欠农民工工资失信联合惩戒对象名单管理暂行办法第五条",
        "限制参与招标投标",
        "罚款两千元",
        "准予行政许可决定书",
        "商业秘密",
        "异议处理中",
        "2026-11-25",
        "市财政局",
        "招标投标；tender 2026-118 qualification review",
        "2026-11-22 10:00",
        full_report["queries_note"]["zh"],
        full_report["rights"]["objection"]["zh"],
        full_report["rights"]["no_statement_of_credit"]["zh"],
    ):
        assert phrase in text, phrase


def test_every_label_is_in_chinese_and_english(world: World, full_report: dict[str, Any]) -> None:
    html = read_report_page(world, full_report)
    assert re.search(r'<html lang="zh-CN">', html)
    for heading in re.findall(r"<(?:h1|h2|th)>(.*?)</(?:h1|h2|th)>", html, re.DOTALL):
        chinese, _, english = heading.partition('<span class="en" lang="en">')
        assert CHINESE.search(chinese), heading
        assert re.match(r"[A-Za-z][A-Za-z :,.'-]+</span>", unescape(english)), heading


def test_a_report_without_entries_says_so_without_praise(world: World) -> None:
    text = Page(read_report_page(world, issue_report(world))).text
    assert "此结果不代表信用良好" in text
    assert "本系统未登记" in text


def test_no_personal_number_is_on_it(world: World) -> None:
    world.record()
    world.record(source_ref="P", case_ref=None, subject=build_person(), responsible_persons=None)
    world.api("approver").post(
        "/v1/checks",
        json=build_check(build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id")),
    )
    for body in (None, build_person_report_body()):
        report = issue_report(world, body)
        for text in (str(report), Page(read_report_page(world, report)).text):
            assert not contains_personal_number(text)
            assert PERSON_RESIDENT_ID[6:14] not in text


@pytest.mark.parametrize(
    ("vocabulary", "codes"),
    [
        ("subject_kind", SubjectKind),
        ("scheme", Scheme),
        ("list", ListKind),
        ("status", Status),
        ("removal", Removal),
        ("severity", Severity),
        ("decision", DecisionKind),
        ("person_role", PersonRole),
        ("disclosure", DisclosureClass),
        ("channel", Channel),
        ("measure_kind", MeasureKind),
        ("obligation", Obligation),
        ("action", Action),
        ("case", CaseKind),
        ("case_state", CaseState),
        ("step", CaseStep),
        ("standing", Standing),
    ],
)
def test_every_code_has_its_words(vocabulary: str, codes: type[StrEnum]) -> None:
    assert set(codes) <= TRANSLATIONS[vocabulary].keys()
    for said in TRANSLATIONS[vocabulary].values():
        assert CHINESE.search(said.zh)
        assert said.en.isascii()


# --- form -----------------------------------------------------------------


def test_it_loads_and_runs_nothing(world: World, full_report: dict[str, Any]) -> None:
    page = Page(read_report_page(world, full_report))
    assert page.open == []
    forbidden = {"script", "link", "img", "iframe", "object", "a", "form", "base", "svg", "video"}
    assert not forbidden & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not {name for name in attributes if name.startswith("on")}, tag
        assert not {"src", "href", "style", "srcset"} & attributes.keys(), tag


def test_its_policy_lets_in_its_own_style_alone(world: World, full_report: dict[str, Any]) -> None:
    answer = fetch_page(world, full_report)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    directives = [each.strip() for each in answer.headers["Content-Security-Policy"].split(";")]
    assert directives == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "sandbox",
    ]
    assert "url(" not in style
    assert "@import" not in style


def test_it_is_made_for_a4_with_numbered_sheets_that_name_the_report(
    world: World, full_report: dict[str, Any]
) -> None:
    html = read_report_page(world, full_report)
    for rule in (
        "size: A4",
        "counter(page)",
        "counter(pages)",
        f'content: "验证码 {full_report["verification_code"]}"',
        "display: table-header-group",
        "break-inside: avoid",
    ):
        assert rule in html, rule
    assert "<thead>" in html


def test_what_was_written_by_others_is_text_and_never_markup(world: World) -> None:
    entry = world.record(
        reason=WICKED,
        legal_basis=WICKED,
        remark=WICKED,
        source_ref="W",
    )
    world.api().post(
        f"/v1/entries/{entry['id']}/corrections",
        json={"reason": WICKED, "changes": {"case_ref": "C"}},
        headers={"If-Match": '"1"'},
    )
    world.api("approver").post("/v1/checks", json=build_check(purpose=WICKED, case_no="<b>1</b>"))
    applicant = {"kind": "delegated", "name": "<i>王某</i>", "proof_ref": "</style><b>"}
    body = {
        "scheme": "uscc",
        "number": "91370403MB000CT75T",
        "name": BUILDER_NAME,
        "applicant": applicant,
    }
    page = Page(read_report_page(world, issue_report(world, body)))
    assert not {"script", "img", "b", "i"} & {tag for tag, _ in page.elements}
    assert page.text.count(WICKED) == 5
    assert "<i>王某</i>" in page.text
