"""The outside: one room for each thing the operator talks to. Adapters do not know each other."""
