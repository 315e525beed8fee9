"""What a log could not tell, and what was taken instead."""

from enum import StrEnum


class Assumption(StrEnum):
    """What a log could not tell: its name in reports, and what was taken instead, for people."""

    sentence: str

    def __new__(cls, name: str, sentence: str) -> "Assumption":
        """A member whose value is its name."""
        made = str.__new__(cls, name)
        made._value_, made.sentence = name, sentence
        return made

    NO_VERDICT = "no_verdict", "without a cache verdict, every good answer counts as a render"
    ODD_VERDICT = "odd_verdict", "the cache field holds no known verdict: every good answer counts as a render"
    NO_BODY = "no_body", "the log holds no request bodies: whether such a call repeats another is unknown"
    COUNT = (
        "count",
        "the log does not tell how many images such a call made: what it cost is unknown; demand, plan advice and "
        "simulations count it as one credit, so they are the least it can be",
    )
    FREE_REPEATS = (
        "free_repeats",
        "the provider serves the same call again without billing it: such repeats count a credit, but are no waste",
    )
    NO_INPUTS = "no_inputs", "the table has no column of inputs: whether a render repeats another is unknown"
    MASKED = (
        "masked",
        "a value of the request is masked (as [REDACTED] or ***): whether it repeats another is unknown; log it or "
        "name a parameter that no image depends on in `ignore` of a [sources] table",
    )
    NO_ENVIRONMENT = "no_environment", "the log does not tell the environment: production is assumed"
    NO_ACCOUNT = "no_account", "the log does not tell the account: the calls are booked on `default`"
    IDS_REPEAT = "ids_repeat", "rows of other times share an id: the ids are not used, and each row is an event"
    CACHE_BEHIND = "cache_behind", "a word behind the user agent, such as HIT, is taken for the cache's verdict"
    CACHE_BEFORE = "cache_before", "a word before the time, such as HIT, is taken for the cache's verdict"
    HOST_BEHIND = "host_behind", "a name behind the user agent is taken for the host"
    HOST_SECOND = "host_second", "a name in the second place, as lighttpd writes it, is taken for the host"
    MICROS_BEHIND = (
        "micros_behind",
        "the number behind the user agent is taken for the duration in microseconds, Apache's %D",
    )
    UNREAD_BEHIND = (
        "unread_behind",
        "values behind the user agent are not read, except those named here: give --input-format the log_format",
    )
    NUMBERS_UNREAD = "numbers_unread", "numbers that may be counts or prices are not read: each line counts once"
    NO_QUERY = "no_query", "the log has no query strings: requests that differ in nothing else count as the same image"
    LIMITED = "throttled", "429 may mean a used-up plan or too many calls a second: the latter is assumed"
    END_AS_START = (
        "end_as_start",
        "the log stamps the end of a request and not how long it took: the end is taken for the start",
    )
    DURATION_UNIT = "duration_unit", "nothing names the unit of the durations: the only one that fits is taken"
    DURATION_UNKNOWN = "duration_unknown", "nothing names the unit of the durations: they are not used"
    UNREAD_DURATION = (
        "unread_duration",
        "durations are written in a way or at a place that is not read: they are not used",
    )


SENTENCES = {each.value: each.sentence for each in Assumption}
"""What was assumed, for people, by its name in reports."""
