"""Reports on the 7-working-day deadline, for the credit office."""

from datetime import date

from pydantic import Field

from app.http.schemas import Day, View


class TimelinessRow(View):
    """One department and list type in the period, by the day of decision."""

    department: str
    department_name: str | None
    list_type: str
    decided: int
    reported_on_time: int = Field(description="The registry received it by the deadline")
    reported_late: int = Field(description="迟报")
    published_on_time: int
    published_late: int
    overdue: int = Field(description="The deadline has passed and a required channel lacks it")
    pending: int = Field(description="Not yet published, the deadline has not passed")
    exempt: int = Field(description="Exempt from publication, with a coded reason")
    restricted: int
    no_longer_due: int = Field(description="Ended before its deadline, so it need not be published")
    reported_on_time_rate: float | None = Field(description="及时率: reported in time / decided")


class TimelinessReport(View):
    """Timeliness of disclosure: how often departments met the 7-working-day deadline."""

    # Counted back from `to`, so it may lie before any day that is taken.
    from_: date = Field(alias="from")
    to: Day
    on: Day
    calendar_version: str
    rows: list[TimelinessRow]
