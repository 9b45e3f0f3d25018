"""A department at work: pushes, corrects, publishes, ends and takes back, as chance has it."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import httpx

from tests.support.facts import decision, licence, organisation, penalty, person, push, red

DISCLOSURES: tuple[dict[str, Any] | None, ...] = (
    None,
    {"class": "public"},
    {"class": "restricted"},
    {"class": "exempt", "exemption": "trade_secret", "basis": "反不正当竞争法第九条"},
)


@dataclass
class Office:
    """Does one thing after another to a few subjects; what a rule refuses, it leaves."""

    api: httpx.Client
    chance: random.Random
    today: Callable[[], date]
    subjects: int = 6
    views: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    _pushed: int = 0

    def act(self) -> None:
        """Do one thing."""
        deeds = [self._push, self._push, self._correct, self._correct, self._publish]
        deeds += [self._revoke, self._exit]
        self.chance.choice(deeds)()

    def _push(self) -> None:
        self._pushed += 1
        today = self.today()
        decided = today - timedelta(self.chance.randrange(8))
        begins = self.chance.choice([None, decided, today, self._day(0, 40)])
        kind = self.chance.choice(["black", "red", "red", "penalty", "licence"])
        facts = {"black": dict, "red": red, "penalty": penalty, "licence": licence}[kind]()
        if kind == "black":
            facts["conduct_ended_on"] = (decided - timedelta(20)).isoformat()
        facts["decision"] = facts.get("decision", {}) | decision(decided.isoformat())
        facts["decision"]["kind"] = {
            "black": "list_decision",
            "red": "honour",
            "penalty": "administrative_penalty",
            "licence": "administrative_licence",
        }[kind]
        facts |= {
            "source_ref": f"OFFICE-{self._pushed}",
            "subject": self._subject(),
            "effective_from": begins and begins.isoformat(),
            "effective_until": self._until(),
            "disclosure": self.chance.choice(DISCLOSURES),
        }
        answer = self.api.post("/v1/entries", json=push(**facts))
        self._note(f"push {kind}", answer)

    def _correct(self) -> None:
        changes = self.chance.choice(
            [
                {"remark": f"更正{self.chance.random()}"},
                {"effective_until": self._day(-20, 60).isoformat()},
                {"effective_from": self._day(-20, 40).isoformat()},
                {"disclosure": self.chance.choice(DISCLOSURES[1:])},
                {"reason": "另一事由"},
            ]
        )
        self._order("corrections", {"reason": "更正", "changes": changes})

    def _revoke(self) -> None:
        code = self.chance.choice(["wrong_subject", "decision_revoked", "other"])
        order = {"reason": "撤销", "reason_code": code, "revoked_on": self._day(-5, 1).isoformat()}
        self._order("revocations", order)

    def _exit(self) -> None:
        self._order("exits", {"reason": "移出", "exited_on": self._day(-5, 2).isoformat()})

    def _publish(self) -> None:
        channel = self.chance.choice(["department_site", "credit_china_zaozhuang"])
        if view := self._any():
            body = {"channel": channel, "published_on": self.today().isoformat()}
            answer = self.api.post(f"/v1/entries/{view['id']}/disclosures", json=body)
            self._note("disclosures", answer)

    def _order(self, name: str, body: dict[str, Any]) -> None:
        if view := self._any():
            answer = self.api.post(
                f"/v1/entries/{view['id']}/{name}",
                json=body,
                headers={"If-Match": f'"{view["version"]}"'},
            )
            self._note(name, answer)

    def _note(self, deed: str, answer: httpx.Response) -> None:
        assert answer.status_code < 500, answer.text
        self.answers[deed, answer.status_code] += 1
        if answer.is_success:
            view = answer.json()
            self.views[view["id"]] = view
        elif answer.status_code == httpx.codes.PRECONDITION_FAILED:
            self._read_again()

    def _read_again(self) -> None:
        """Somebody else made new versions; what was revoked as wrong is not to be read any more."""
        for entry_id in list(self.views):
            answer = self.api.get(f"/v1/entries/{entry_id}")
            if answer.is_success:
                self.views[entry_id] = answer.json()
            else:
                del self.views[entry_id]

    def _any(self) -> dict[str, Any] | None:
        return self.chance.choice(list(self.views.values())) if self.views else None

    def _subject(self) -> dict[str, Any]:
        number = self.chance.randrange(self.subjects)
        return person() if number == 0 else organisation(number)

    def _until(self) -> str | None:
        """Soon, for the most part, so that days do something."""
        return self.chance.choice([None, *(self._day(0, most).isoformat() for most in (9, 60))])

    def _day(self, earliest: int, latest: int) -> date:
        return self.today() + timedelta(self.chance.randint(earliest, latest))
