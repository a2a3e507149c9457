"""Signals of the testing room, for the rooms above."""

from django.dispatch import Signal

# Sent before the verdict on a review is shown. Argument: review. A receiver returns a sentence to show beside it, or an
# empty text.
verdict_shown = Signal()
