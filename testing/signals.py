"""What the testing layer tells, or asks, whoever listens above it."""

from django.dispatch import Signal

# review, runs (a list): they are about to be shown. A receiver returns what it has to say of some of them, as a
# dictionary of sentences by the run's id.
runs_shown = Signal()
