"""Signals of the testing room, for the rooms above."""

from django.dispatch import Signal

# Sent before runs are shown. Arguments: review, runs (a list). A receiver returns sentences to show beside some of the
# runs, as a dictionary by the run's id.
runs_shown = Signal()
