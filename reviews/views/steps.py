"""From one item to the next of the list that the reader came from."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from reviews.dashboard import get_order, remembered_group
from reviews.models import Review


@never_cache
@require_safe
def step(request: HttpRequest, pk: int, by: int) -> HttpResponse:
    """Leads to the item so many places after this one in the list that the reader last looked at, as it is now. What
    has left the list leads to its first item, and so it is said."""
    review = get_object_or_404(Review.objects.visible_to(request.user), pk=pk)
    user = request.user if isinstance(request.user, User) else None
    order, name = get_order(user), remembered_group(user).name
    if not order:
        messages.info(request, f"Nothing is left in the list {name}.")
        return redirect("dashboard")
    if pk not in order:
        messages.info(request, f"The item you came from is not in the list {name}. This is the first that is.")
        return redirect("review", order[0])
    to = order.index(pk) + by
    if not 0 <= to < len(order):
        messages.info(request, f"This is the {'first' if to < 0 else 'last'} item in the list {name}.")
        return redirect(review)
    return redirect("review", order[to])
