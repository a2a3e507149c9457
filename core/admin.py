"""What every table of the admin shares: bounded lists, text filters, confirmed and bounded actions, sections.

A room adds to the table of a lower room with ``extend``: columns, actions, links, sections.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
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
from core.web_urls import is_web_url

MAX_ACTION_ROWS = 500  # rows that one action takes while the page waits
MAX_NAMED_ROWS = 20  # rows that a confirmation page names


@dataclass
class Section:
    """A table on a row's page. Cells are text, or markup that was made safe."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[Any]] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True)
class Action:
    """An action that a room adds to a table below it. ``permission``: who is offered it, as ``app.change_model``."""

    run: Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]  # called with the QueueModelAdmin first
    description: str
    permission: str


def action(description: str, *, permission: str) -> Callable[[Callable[..., HttpResponse | None]], Action]:
    """Decorate a function of (admin, request, queryset) to be an action for ``extend``."""
    return lambda run: Action(run, description, permission)


@dataclass(frozen=True)
class Extension:
    """What one room adds to the table of a model of a room below it."""

    columns: Sequence[Callable[[Any], Any]]
    actions: Sequence[Action]
    links: Callable[[Any], list[tuple[str, str]]]
    sections: Callable[[Any], list[Section]]


_extensions: defaultdict[type[Model], list[Extension]] = defaultdict(list)


def _nothing(row: Any) -> list[Any]:
    return []


def extend(
    model: type[Model],
    *,
    columns: Sequence[Callable[[Any], Any]] = (),
    actions: Sequence[Action] = (),
    links: Callable[[Any], list[tuple[str, str]]] = _nothing,
    sections: Callable[[Any], list[Section]] = _nothing,
) -> None:
    """Add to the ``QueueModelAdmin`` of the model, whether or not that is registered yet.

    ``columns``: functions of a row, behind the list's own columns. ``links``: of a row, label and URL pairs.
    ``sections``: of a row, tables before those of the page itself.
    """
    _extensions[model].append(Extension(columns, actions, links, sections))


class TextFilter(admin.SimpleListFilter):
    """A filter with a text field, for columns with too many values to list. ``lookup``: the field that is compared."""

    template = "admin/filter_text.html"
    lookup = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("", "")]  # Django leaves out a filter without choices

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: ChangeList) -> Any:
        """One choice: this filter's value, and the page's other parameters, which its form sends again."""
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


class SetRelationFilter(admin.RelatedFieldListFilter):
    """A filter by a relation that nearly every row has, without the choice "Empty"."""

    include_empty_choice = False


class Autocomplete(AutocompleteSelect):
    """Shows an invalid form again whatever was sent. Django's own raises ValueError for an id that is not a number."""

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        return super().optgroups(name, [each for each in value if str(each).isdecimal()], attrs)


class Autocompletes(admin.ModelAdmin):
    """Uses ``Autocomplete`` for the fields of ``autocomplete_fields``."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.autocomplete_fields:
            kwargs["widget"] = Autocomplete(db_field, self.admin_site, using=kwargs.get("using"))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class ReadOnly(admin.ModelAdmin):
    """Rows that the queue itself writes: to look at, not to edit."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class KeptWhileUsed(admin.ModelAdmin):
    """Rows that can be deleted one at a time only, and not at all while other rows point at them."""

    # The related name of rows that point at it: why a used row stays, and what to do instead, in sentences.
    used_by: Mapping[str, str] = {}

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None or not self.has_delete_permission(request, row):
            return super().delete_view(request, object_id, extra_context)
        for related_name, words in self.used_by.items():
            if getattr(row, related_name).exists():
                messages.error(request, f"The {self.opts.verbose_name} {row} was not deleted: {words}")
                return HttpResponseRedirect(change_url(row))
        return super().delete_view(request, object_id, extra_context)


class QueueModelAdmin(admin.ModelAdmin):
    """A table of this project's admin. What its list offers as actions, a row's own page offers as buttons."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 100
    list_max_show_all = 200
    change_form_template = "admin/queue_change_form.html"
    change_list_template = "admin/queue_change_list.html"
    secret_fields: Sequence[str] = ()  # no filter by these: matches would give the value away letter by letter

    def name_of(self, row: Any) -> str:
        """What the row is called where it stands alone."""
        return str(row)

    def links(self, row: Any) -> list[tuple[str, str]]:
        """Label and URL of where else the row is shown."""
        return []

    def sections(self, row: Any) -> list[Section]:
        """Tables below the row's fields."""
        return []

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup.split("__")[0] not in self.secret_fields and super().lookup_allowed(lookup, value, request)

    def get_list_display(self, request: HttpRequest) -> Any:
        added = [column for extension in _extensions[self.model] for column in extension.columns]
        return [*super().get_list_display(request), *added]

    def get_actions(self, request: HttpRequest) -> Any:
        """The table's own actions and those that other rooms added, as far as the person may use them."""
        actions: dict[str, Any] = {**super().get_actions(request)}
        for extension in _extensions[self.model]:
            for added in extension.actions:
                if request.user.has_perm(added.permission):
                    name = added.run.__name__
                    actions[name] = (added.run, name, added.description)
        return actions

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Without Django's "(Show all)" link where the list is neither searched nor filtered: all rows are counted."""
        changelist = super().get_changelist_instance(request)
        if not changelist.query and not changelist.has_active_filters:
            changelist.full_result_count = changelist.result_count
        return changelist

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None and not context.get("is_popup"):
            extensions = _extensions[self.model]
            actions = self.get_actions(request)
            actions.pop("delete_selected", None)
            context["subtitle"] = self.name_of(row)
            context["row_buttons"] = [(name, description) for _, name, description in actions.values()]
            context["row_links"] = [*self.links(row), *(link for added in extensions for link in added.links(row))]
            context["row_sections"] = [
                *(section for added in extensions for section in added.sections(row)), *self.sections(row)
            ]  # fmt: skip
        return super().render_change_form(request, context, *args, **kwargs)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *more: Any) -> HttpResponse | None:
        """Run an action; a button on a row's page leads back to that page."""
        if not all(re.fullmatch("[0-9]{1,18}", pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            self.message_user(request, "Nothing was changed: the form contains an unknown id.", messages.WARNING)
            return HttpResponseRedirect(request.get_full_path())
        response = super().response_action(request, queryset, *more)
        back = request.POST.get("back", "")
        if back.isdigit() and isinstance(response, HttpResponseRedirect):
            return HttpResponseRedirect(
                reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[back])
            )
        return response


def chosen(request: HttpRequest, queryset: QuerySet[Any], *, limit: int | None = None) -> list[Any]:
    """The rows that an action is for, at most ``limit`` (``MAX_ACTION_ROWS``); warns when there are more."""
    limit = limit or MAX_ACTION_ROWS
    rows = list(queryset[: limit + 1])
    if len(rows) > limit:
        rows.pop()
        messages.warning(request, f"Only the first {limit} were taken, so that this page answers in time. Repeat it.")
    return rows


def confirmation(
    model_admin: QueueModelAdmin,
    request: HttpRequest,
    queryset: QuerySet[Any],
    *,
    question: str,
    consequence: str,
    button: str,
    form: Form | None = None,
    unless_single: bool = False,
) -> HttpResponse | None:
    """The page that asks before an action that costs something; None when the person has confirmed it.

    ``question`` may hold ``{count}``. With ``unless_single`` one row alone needs no confirmation.
    """  # fmt: skip
    if request.POST.get("post") and (form is None or form.is_valid()):
        return None
    rows = list(queryset[: MAX_ACTION_ROWS + 1])
    more = len(rows) > MAX_ACTION_ROWS
    rows = rows[:MAX_ACTION_ROWS]
    if unless_single and len(rows) == 1:
        return None
    context = {
        **model_admin.admin_site.each_context(request),
        "title": question.format(count=len(rows)),
        "consequence": consequence,
        "button": button,
        "form": form,
        "opts": model_admin.opts,
        "rows": [model_admin.name_of(row) for row in rows[:MAX_NAMED_ROWS]],
        "unnamed": max(0, len(rows) - MAX_NAMED_ROWS),
        "keys": [row.pk for row in rows],
        "limit": MAX_ACTION_ROWS if more else 0,
        "action": request.POST.get("action", ""),
        "back": request.POST.get("back", ""),
        "checkbox": ACTION_CHECKBOX_NAME,
        "action_url": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/confirm_action.html", context)


def report(request: HttpRequest, done: str, skipped: Counter[str] | None = None) -> None:
    """Say what an action did: ``4 retriggered, 1 skipped: the review is closed``."""
    reasons = "".join(f", {count} skipped: {reason}" for reason, count in (skipped or {}).items())
    (messages.warning if skipped else messages.success)(request, done + reasons)


def change_url(row: Model) -> str:
    """The row's page in the admin."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def age_cell(when: datetime | None) -> Any:
    """How far away a time is, the exact one on hover."""
    if when is None:
        return "–"
    now = timezone.now()
    form, words = ("until", until(when, now)) if when > now else ("age", age(when, now))
    exact = f"{when:%Y-%m-%d %H:%M:%S} UTC"
    return format_html('<time datetime="{}" data-words="{}" title="{}">{}</time>', when.isoformat(), form, exact, words)


def link(url: str, words: str) -> Any:
    """A link out, if the URL is one that a browser may be sent to; else the URL as text."""
    if not url:
        return "–"
    if not is_web_url(url):
        return shorten(url, 100)
    return format_html('<a href="{}" rel="noopener nofollow noreferrer">{}</a>', url, words)
