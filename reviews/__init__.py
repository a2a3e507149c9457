"""What waits for review: items, people, comments, locks, history. Knows no Launchpad, no Jenkins, no test runs."""
