"""Schedules in the admin."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from datetime import timedelta
from typing import Any

from celery import current_app
from celery.schedules import ParseException
from django import forms
from django.contrib import admin
from django.contrib.admin.options import ShowFacets
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat.admin import CrontabScheduleAdmin as BeatCrontabAdmin
from django_celery_beat.admin import IntervalScheduleAdmin as BeatIntervalAdmin
from django_celery_beat.admin import PeriodicTaskAdmin as BeatTaskAdmin
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from core.admin import report
from core.enqueue import Unsent, enqueue_now
from core.text import counted

MIN_INTERVAL, MAX_INTERVAL = timedelta(seconds=10), timedelta(days=366)


class IntervalForm(forms.ModelForm):
    """An interval of at least 10 seconds and at most a year."""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        every, period = data.get("every"), data.get("period")
        if every and period:
            try:
                length = timedelta(**{period: every})
            except OverflowError:
                length = timedelta.max
            if not MIN_INTERVAL <= length <= MAX_INTERVAL:
                raise ValidationError({"every": "An interval is at least 10 seconds and at most a year."})
        return data


def _known_tasks() -> list[tuple[str, str]]:
    """Tasks that can be scheduled; of Celery's own only the one that beat schedules by itself."""
    names = sorted(name for name in current_app.tasks if not name.startswith("celery."))
    return [("", "---------"), *((name, name) for name in [*names, "celery.backend_cleanup"])]


class PeriodicTaskForm(forms.ModelForm):
    """A schedule of a task that exists, with arguments that it takes."""

    task = forms.ChoiceField(choices=_known_tasks)
    args = forms.CharField(
        required=False, empty_value="[]", label="Positional arguments", widget=forms.Textarea(attrs={"rows": 2}),
        help_text="A JSON list, as [1, 2].",
    )  # fmt: skip
    kwargs = forms.CharField(
        required=False, empty_value="{}", label="Keyword arguments", widget=forms.Textarea(attrs={"rows": 2}),
        help_text='A JSON object, as {"days": 180}.',
    )  # fmt: skip

    class Meta:
        model = PeriodicTask
        fields = [
            "name", "task", "enabled", "description", "interval", "crontab", "solar", "clocked", "start_time",
            "one_off", "args", "kwargs", "expires", "expire_seconds",
        ]  # fmt: skip

    def clean_args(self) -> str:
        return self._clean_json("args", list, "Write a JSON list, as [1, 2]; [] for none.")

    def clean_kwargs(self) -> str:
        return self._clean_json("kwargs", dict, 'Write a JSON object, as {"days": 180}; {} for none.')

    def _clean_json(self, name: str, kind: type, words: str) -> str:
        text: str = self.cleaned_data[name]
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, kind):
            raise ValidationError(words)
        return text

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        task = current_app.tasks.get(data.get("task") or "")
        if task and "args" in data and "kwargs" in data:
            signature = inspect.signature(task.run)
            try:
                signature.bind(*json.loads(data["args"]), **json.loads(data["kwargs"]))
            except TypeError as error:
                takes = ", ".join(signature.parameters) or "none"
                self.add_error("kwargs", f"The task does not take these arguments ({error}). It takes: {takes}.")
        if data.get("expires") and data.get("expire_seconds") is not None:
            self.add_error("expire_seconds", "Set either this or the time at which it expires.")
        return data


for schedule in (CrontabSchedule, IntervalSchedule, PeriodicTask):
    admin.site.unregister(schedule)


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(BeatIntervalAdmin):
    form = IntervalForm


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(BeatCrontabAdmin):
    @admin.display(description="means")
    def human_readable(self, crontab: CrontabSchedule) -> str:
        """In words; a dash while its form holds a crontab that was refused."""
        try:
            return str(crontab.human_readable)
        except ParseException:
            return "–"


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(BeatTaskAdmin):
    """Schedules. Running, enabling and disabling need the permission to change them, and are logged with the name."""

    form = PeriodicTaskForm
    date_hierarchy = None
    list_display = ["name", "enabled", "task", "scheduler", "last_run_at"]
    list_filter = ["enabled", "task"]
    show_facets = ShowFacets.NEVER
    actions = ["enable_tasks", "disable_tasks", "run_tasks"]
    fieldsets = [
        (None, {"fields": ["name", "task", "enabled", "description"]}),
        (
            "Schedule",
            {
                "fields": [
                    "interval", "crontab", "crontab_translation", "solar", "clocked", "start_time", "last_run_at",
                    "one_off",
                ],
                "description": "Choose one of interval, crontab, solar and clocked.",
            },
        ),
        ("Arguments", {"fields": ["args", "kwargs"]}),
        ("A message that nobody took yet expires", {"fields": ["expires", "expire_seconds"]}),
    ]  # fmt: skip

    def _log_each(self, request: HttpRequest, queryset: QuerySet[PeriodicTask], words: str) -> None:
        for task in queryset:
            self.log_change(request, task, words)

    @admin.action(description="Enable", permissions=["change"])
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        self._log_each(request, queryset, "Enabled")
        super().enable_tasks(request, queryset)

    @admin.action(description="Disable", permissions=["change"])
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        self._log_each(request, queryset, "Disabled")
        super().disable_tasks(request, queryset)

    @admin.action(description="Run now", permissions=["change"])
    def run_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Enqueue each task. Waits a second at most for the broker; the message says when it is away."""
        known = {name for name, _ in _known_tasks()}
        started, skipped = 0, Counter[str]()
        for task in queryset:
            if task.task not in known:
                skipped[f"the program has no task {task.task}."] += 1
                continue
            options = {"kwargs": json.loads(task.kwargs), "headers": {"periodic_task_name": task.name}}
            if task.queue:
                options["queue"] = task.queue
            try:
                enqueue_now(task.task, [tuple(json.loads(task.args))], **options)
            except Unsent:
                skipped["the broker does not take messages. Health says how to mend it."] += 1
                continue
            self.log_change(request, task, "Run now")
            started += 1
        report(request, f"{counted(started, 'task')} started", skipped)
