"""What happened to reviews, for the rooms above. All are sent inside the transaction of the change.

Sent inside on purpose: what a receiver writes is committed with the change or not at all, so that no crash can leave an
item without its test runs. Receivers must not talk to the network; they wake tasks with ``core.enqueue``.
"""

from django.dispatch import Signal

reviews_opened = Signal()  # reviews (a list): first seen, or open again after a closed state
revision_changed = Signal()  # review, old: the tip that is proposed is another one
review_closed = Signal()  # review: it entered a closed state
tests_released = Signal()  # reviews (a list), requested_by: their tests may start by themselves from now on
tests_held = Signal()  # reviews (a list): their tests may not start by themselves any more
# Comments by people that are new, or whose text is another one. Arguments: review, comments (a list in Launchpad's
# order), is_first_reading: nothing had been read before, so that they may be older than the review.
comments_read = Signal()
reviews_withdrawn = Signal()  # reviews (a list): they left the queue for a time, open as they are
