"""The decision, pure: what is wanted and what is seen come in as frozen values, decisions and memory go out.

The controller calls `decide` once per tick for all services. Nothing here reads a clock, logs or performs IO.
"""
