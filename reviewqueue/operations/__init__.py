"""Keeping the queue running: health, metrics, probes, checks, heartbeats, pruning."""
