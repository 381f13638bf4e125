"""What the lab raises when it cannot go on; messages say what happened and what to do."""


class LabError(Exception):
    """The lab cannot be prepared, started or used; the message is for a person."""
