"""What schemathesis cannot know of weir's API.

A cursor is a text of weir's own making: one that was made up is refused, however well it fits the pattern. Requests that should succeed
are made without one; requests that should fail keep theirs. proxy/tests/it/tabs follows real ones.
"""

import schemathesis
from schemathesis import GenerationMode


@schemathesis.hook
def filter_case(context, case):
    """Leaves out a request that is meant to succeed with a cursor nobody gave out."""
    meant_to_succeed = case.meta is None or case.meta.generation.mode == GenerationMode.POSITIVE
    return not (meant_to_succeed and "cursor" in (case.query or {}))
