"""A department that pushes, corrects, publishes, ends and withdraws at random."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import httpx

from tests.support.request_bodies import (
    build_decision,
    build_licence_changes,
    build_organisation,
    build_penalty_changes,
    build_person,
    build_push,
    build_red_changes,
)

DISCLOSURES: tuple[dict[str, Any] | None, ...] = (
    None,
    {"class": "public"},
    {"class": "restricted"},
    {"class": "exempt", "exemption": "trade_secret", "basis": "反不正当竞争法第九条"},
)


@dataclass
class RandomDepartment:
    """Random actions on a few subjects; an action that a rule refuses changes nothing."""

    api: httpx.Client
    rng: random.Random
    today: Callable[[], date]
    subject_count: int = 6
    views: dict[str, dict[str, Any]] = field(default_factory=dict)
    response_counts: Counter[tuple[str, int]] = field(default_factory=Counter)
    _push_count: int = 0

    def do_random_action(self) -> None:
        """Do one action."""
        actions = [self._push, self._push, self._correct, self._correct, self._publish]
        actions += [self._revoke, self._exit]
        self.rng.choice(actions)()

    def _push(self) -> None:
        self._push_count += 1
        today = self.today()
        decided = today - timedelta(self.rng.randrange(8))
        effective_from = self.rng.choice([None, decided, today, self._pick_day(0, 40)])
        kind = self.rng.choice(["black", "red", "red", "penalty", "licence"])
        facts = {
            "black": dict,
            "red": build_red_changes,
            "penalty": build_penalty_changes,
            "licence": build_licence_changes,
        }[kind]()
        if kind == "black":
            facts["conduct_ended_on"] = (decided - timedelta(20)).isoformat()
        facts["decision"] = facts.get("decision", {}) | build_decision(decided.isoformat())
        facts["decision"]["kind"] = {
            "black": "list_decision",
            "red": "honour",
            "penalty": "administrative_penalty",
            "licence": "administrative_licence",
        }[kind]
        facts |= {
            "source_ref": f"OFFICE-{self._push_count}",
            "subject": self._pick_subject(),
            "effective_from": effective_from and effective_from.isoformat(),
            "effective_until": self._pick_last_day(),
            "disclosure": self.rng.choice(DISCLOSURES),
        }
        answer = self.api.post("/v1/entries", json=build_push(**facts))
        self._record_response(f"push {kind}", answer)

    def _correct(self) -> None:
        changes = self.rng.choice(
            [
                {"remark": f"更正{self.rng.random()}"},
                {"effective_until": self._pick_day(-20, 60).isoformat()},
                {"effective_from": self._pick_day(-20, 40).isoformat()},
                {"disclosure": self.rng.choice(DISCLOSURES[1:])},
                {"reason": "另一事由"},
            ]
        )
        self._post_change("corrections", {"reason": "更正", "changes": changes})

    def _revoke(self) -> None:
        code = self.rng.choice(["wrong_subject", "decision_revoked", "other"])
        order = {
            "reason": "撤销",
            "reason_code": code,
            "revoked_on": self._pick_day(-5, 1).isoformat(),
        }
        self._post_change("revocations", order)

    def _exit(self) -> None:
        self._post_change(
            "exits", {"reason": "移出", "exited_on": self._pick_day(-5, 2).isoformat()}
        )

    def _publish(self) -> None:
        channel = self.rng.choice(["department_site", "credit_china_zaozhuang"])
        if view := self._pick_view():
            body = {"channel": channel, "published_on": self.today().isoformat()}
            answer = self.api.post(f"/v1/entries/{view['id']}/disclosures", json=body)
            self._record_response("disclosures", answer)

    def _post_change(self, name: str, body: dict[str, Any]) -> None:
        if view := self._pick_view():
            answer = self.api.post(
                f"/v1/entries/{view['id']}/{name}",
                json=body,
                headers={"If-Match": f'"{view["version"]}"'},
            )
            self._record_response(name, answer)

    def _record_response(self, action: str, answer: httpx.Response) -> None:
        assert answer.status_code < 500, answer.text
        self.response_counts[action, answer.status_code] += 1
        if answer.is_success:
            view = answer.json()
            self.views[view["id"]] = view
        elif answer.status_code == httpx.codes.PRECONDITION_FAILED:
            self._refresh_views()

    def _refresh_views(self) -> None:
        """Read the views again: there are newer versions, and void entries are not readable."""
        for entry_id in list(self.views):
            answer = self.api.get(f"/v1/entries/{entry_id}")
            if answer.is_success:
                self.views[entry_id] = answer.json()
            else:
                del self.views[entry_id]

    def _pick_view(self) -> dict[str, Any] | None:
        return self.rng.choice(list(self.views.values())) if self.views else None

    def _pick_subject(self) -> dict[str, Any]:
        number = self.rng.randrange(self.subject_count)
        return build_person() if number == 0 else build_organisation(number)

    def _pick_last_day(self) -> str | None:
        """Pick a day that is mostly near, so that days change the status."""
        return self.rng.choice(
            [None, *(self._pick_day(0, max_days).isoformat() for max_days in (9, 60))]
        )

    def _pick_day(self, min_days: int, max_days: int) -> date:
        return self.today() + timedelta(self.rng.randint(min_days, max_days))
