"""What every table of the admin shares: bounded lists, filters without huge choices, actions that are bounded,
confirmed and told in words, pages with sections and buttons."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import ShowFacets
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Model, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from core.pagination import BoundedPaginator
from core.text import age, shorten, until
from core.urls import is_web_url

MOST_AT_ONCE = 500  # rows that one action takes while the page waits
MOST_NAMED = 20  # rows that a confirmation page names


class TextFilter(admin.SimpleListFilter):
    """A filter to type into: for what has too many values for a list. ``lookup`` is what is compared."""

    template = "admin/filter_text.html"
    lookup = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("", "")]  # without any, Django leaves the filter out

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: ChangeList) -> Any:
        """The other parameters of the page, which the filter's form has to keep."""
        kept = [
            (name, value)
            for name, values in changelist.filter_params.items()
            for value in values
            if name != self.parameter_name
        ]
        yield {"kept": kept, "name": self.parameter_name, "value": self.value() or ""}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = (self.value() or "").strip().replace("\0", "")[:255]
        return queryset.filter(**{self.lookup: value}) if value else queryset


class SourceFilter(admin.RelatedFieldListFilter):
    """The sources. One that anything was imported from is never deleted, so there is nothing "without a source"."""

    include_empty_choice = False


@dataclass
class Section:
    """A table on a change page. Cells are text or markup that was made safe."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[Any]] = field(default_factory=list)
    note: str = ""


class Autocomplete(AutocompleteSelect):
    """Shown again with whatever was sent, be it no number: Django's own looks that up and fails."""

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        return super().optgroups(name, [each for each in value if str(each).isdecimal()], attrs)


class Autocompletes:
    """Makes the fields of ``autocomplete_fields`` such ones."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.autocomplete_fields:  # type: ignore[attr-defined]
            kwargs["widget"] = Autocomplete(db_field, self.admin_site, using=kwargs.get("using"))  # type: ignore[attr-defined]
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]


class ReadOnly:
    """Rows that the queue itself writes: to look at, not to edit."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ConsoleAdmin(admin.ModelAdmin):
    """A table of the console. ``buttons`` names the actions that a row's own page offers too."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 100
    list_max_show_all = 200
    change_form_template = "admin/console_change_form.html"
    change_list_template = "admin/console_change_list.html"
    buttons: tuple[str, ...] = ()

    def name_of(self, row: Any) -> str:
        """What the row is called where it stands alone."""
        return str(row)

    def sections(self, request: HttpRequest, row: Any) -> list[Section]:
        """Tables below the row's fields."""
        return []

    def links(self, request: HttpRequest, row: Any) -> list[tuple[str, str]]:
        """Label and URL of where else the row is shown."""
        return []

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Nothing is left out of a list that is neither searched nor filtered: no "(Show all)" there."""
        changelist = super().get_changelist_instance(request)
        if not changelist.query and not changelist.has_active_filters:
            changelist.full_result_count = changelist.result_count
        return changelist

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None and not context.get("is_popup"):
            offered = self.get_actions(request)
            context["subtitle"] = self.name_of(row)
            context["console_buttons"] = [(name, found[2]) for name in self.buttons if (found := offered.get(name))]
            context["console_links"] = self.links(request, row)
            context["console_sections"] = self.sections(request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *more: Any) -> HttpResponse | None:
        if not all(re.fullmatch("[0-9]{1,18}", pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            self.message_user(request, "Nothing was done: the form names what can be no row.", messages.WARNING)
            return HttpResponseRedirect(request.get_full_path())
        response = super().response_action(request, queryset, *more)
        back = request.POST.get("back", "")
        if back.isdigit() and isinstance(response, HttpResponseRedirect):
            return HttpResponseRedirect(
                reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[back])
            )
        return response


def chosen(request: HttpRequest, queryset: QuerySet[Any], *, most: int = MOST_AT_ONCE) -> list[Any]:
    """The rows that were chosen, at most so many; says so when there are more."""
    rows = list(queryset[: most + 1])
    if len(rows) > most:
        rows.pop()
        words = f"Only the first {most} were taken, so that this page answers in time. Take the rest next."
        messages.warning(request, words)
    return rows


def _is_confirmed(request: HttpRequest) -> bool:
    return bool(request.POST.get("post"))


def confirmation(
    model_admin: ConsoleAdmin,
    request: HttpRequest,
    queryset: QuerySet[Any],
    *,
    question: str,
    cost: str,
    button: str,
    form: Form | None = None,
    unless_single: bool = False,
) -> HttpResponse | None:
    """The page that asks before an action costs something; None when the answer is in the request.

    ``question`` may hold ``{count}``. With ``unless_single`` one row alone needs no confirmation.
    """  # fmt: skip
    if _is_confirmed(request) and (form is None or form.is_valid()):
        return None
    rows = list(queryset[: MOST_AT_ONCE + 1])
    more = len(rows) > MOST_AT_ONCE
    rows = rows[:MOST_AT_ONCE]
    if unless_single and len(rows) == 1:
        return None
    context = {
        **model_admin.admin_site.each_context(request),
        "title": question.format(count=len(rows)),
        "cost": cost,
        "button": button,
        "form": form,
        "opts": model_admin.opts,
        "rows": [model_admin.name_of(row) for row in rows[:MOST_NAMED]],
        "unnamed": max(0, len(rows) - MOST_NAMED),
        "keys": [row.pk for row in rows],
        "bound": MOST_AT_ONCE if more else 0,
        "action": request.POST.get("action", ""),
        "back": request.POST.get("back", ""),
        "checkbox": ACTION_CHECKBOX_NAME,
        "action_url": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/confirm_action.html", context)


def tell(request: HttpRequest, done: str, skipped: Counter[str] | None = None) -> None:
    """What an action did, in words: ``4 retriggered, 1 skipped: the review is closed``."""
    reasons = "".join(f", {count} skipped: {reason}" for reason, count in (skipped or {}).items())
    (messages.warning if skipped else messages.success)(request, done + reasons)


def counted(count: int, one: str, many: str = "") -> str:
    """``1 run``, ``2 runs``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def age_cell(when: datetime | None) -> Any:
    """How far away a time is, the exact one on hover."""
    if when is None:
        return "–"
    now = timezone.now()
    words = until(when, now) if when > now else age(when, now)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', when.isoformat(), f"{when:%Y-%m-%d %H:%M:%S} UTC", words
    )


def link(url: str, words: str) -> Any:
    """A link out, if the URL is one that a browser may be sent to; else the URL as text."""
    if not url:
        return "–"
    if not is_web_url(url):
        return shorten(url, 100)
    return format_html('<a href="{}" rel="noopener nofollow noreferrer">{}</a>', url, words)


def column(words: str, order: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A computed column of a list, with its heading and what it is sorted by."""
    return admin.display(description=words, ordering=order or None)


def kept_if_used(
    model_admin: Any, request: HttpRequest, object_id: str, relation: str, words: str
) -> HttpResponse | None:
    """A redirect with the reason when a row is part of the history; None when it may be deleted."""
    row: Model | None = model_admin.get_object(request, object_id)
    if row is None or not model_admin.has_delete_permission(request, row) or not getattr(row, relation).exists():
        return None
    messages.error(request, f"{row} was not deleted: {words}, and history is kept. Switch off “active” instead.")
    return HttpResponseRedirect(
        reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_change", args=[object_id])
    )
