"""What the reviews layer tells whoever listens above it. All are sent inside the transaction of the change.

Sent inside on purpose: what a receiver writes is committed with the change or not at all, so that no crash can leave an
item without its test runs. Receivers must not talk to the network; they enqueue work with ``transaction.on_commit``.
"""

from django.dispatch import Signal

reviews_opened = Signal()  # reviews (a list): first seen, or open again after a closed state
revision_changed = Signal()  # review, old: the tip that is proposed is another one
review_closed = Signal()  # review: it entered a closed state
refresh_asked = Signal()  # review: somebody wants it brought up to date now
