"""Responses about the working calendar."""

from datetime import date

from pydantic import Field

from app.http.schemas import Day, View


class DeadlineView(View):
    """The 7th working day after a decision."""

    decided_on: Day
    deadline: date  # for the last day that a request may name, it lies after the accepted days
    working_days: int
    provisional: bool = Field(
        description="True while a year before the deadline has no notice of days off yet"
    )
    calendar_version: str
