"""The outside systems, each in a folder: Launchpad, Jenkins, and the sandbox that stands in for both."""
