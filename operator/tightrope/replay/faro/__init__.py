"""Faro's evaluation, played on our data plane: ten jobs that share a fixed cluster, beside the figures it published.

The replay is checked against something that is not ours: the peers' rules as that simulator applies them must give its
attainments. `python -m tightrope.replay.faro` prints the table (docs/replay-validation.md).
"""
