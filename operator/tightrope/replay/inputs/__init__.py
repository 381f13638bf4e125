"""What users have, as a replay needs it: their YAML, and their recorded demand. The command line calls these."""
