"""`tightrope`: the command line. Data goes to stdout, logs to stderr."""
