"""For every test: a property is about what holds, never about how long an example took on a busy machine."""

from hypothesis import settings

settings.register_profile("no deadlines", deadline=None)
settings.load_profile("no deadlines")
