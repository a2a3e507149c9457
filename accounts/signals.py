"""Signals about people, for the rooms above."""

from django.dispatch import Signal

# Sent when staff marked a person as a bot or took the mark away, inside the transaction. Argument: person.
bot_mark_changed = Signal()
