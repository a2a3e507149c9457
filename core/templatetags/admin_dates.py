"""Tags of the admin's lists."""

from __future__ import annotations

import calendar
from datetime import date
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import date_format

register = template.Library()


@register.inclusion_tag("admin/date_hierarchy.html")
def bounded_date_hierarchy(cl: Any) -> dict[str, Any]:
    """The date hierarchy by the first and last row alone: Django's own reads every row to leave out empty days."""
    name = cl.date_hierarchy
    asked = [cl.params.get(f"{name}__{level}") for level in ("year", "month", "day")]
    rows = cl.model._default_manager.order_by(name).values_list(name, flat=True)
    first, last = rows.first(), rows.last()
    if not first or not last:
        return {"show": False}
    begin, end = timezone.localtime(first).date(), timezone.localtime(last).date()
    try:
        year, month, day = (int(value) if value else None for value in asked)
        return {"show": True, **_level(cl, name, begin, end, year, month, day)}
    except (ValueError, OverflowError):
        return {"show": False}


def _level(
    cl: Any, name: str, begin: date, end: date, year: int | None, month: int | None, day: int | None
) -> dict[str, Any]:
    def link(**levels: int) -> str:
        return str(cl.get_query_string({f"{name}__{level}": value for level, value in levels.items()}, [f"{name}__"]))

    if year and month and day:
        shown = date(year, month, day)
        back = {"link": link(year=year, month=month), "title": date_format(shown, "YEAR_MONTH_FORMAT")}
        return {"back": back, "choices": [{"title": date_format(shown, "MONTH_DAY_FORMAT")}]}
    if year and month:
        days = [date(year, month, number + 1) for number in range(calendar.monthrange(year, month)[1])]
        choices = [
            {"link": link(year=year, month=month, day=at.day), "title": date_format(at, "MONTH_DAY_FORMAT")}
            for at in days
            if begin <= at <= end
        ]
        return {"back": {"link": link(year=year), "title": str(year)}, "choices": choices}
    if not year and begin.year != end.year:
        years = range(begin.year, end.year + 1)
        return {"back": None, "choices": [{"link": link(year=at), "title": str(at)} for at in years]}
    at_year = year or end.year
    months = [date(at_year, number, 1) for number in range(1, 13)]
    choices = [
        {"link": link(year=at_year, month=at.month), "title": date_format(at, "YEAR_MONTH_FORMAT")}
        for at in months
        if (begin.year, begin.month) <= (at.year, at.month) <= (end.year, end.month)
    ]
    return {"back": {"link": link(), "title": "All dates"} if year else None, "choices": choices}
