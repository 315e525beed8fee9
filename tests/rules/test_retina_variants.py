"""retina-variants, worked out by hand."""

import pytest

from tests.conftest import Report, event, only


@pytest.mark.parametrize(
    ("width", "height", "found"),
    [
        (1200, 630, True),
        (900, 472, True),
        (899, 472, False),
        (1200, 640, False),
        (1200, 636, True),
        (1200, 637, False),
    ],
)
def test_larger_by_half_with_the_same_aspect(report: Report, width: int, height: int, found: bool) -> None:
    """From 1.5 times the width, aspect ratios within 1 %."""
    sizes = [(600, 315), (width, height)]
    events = [
        event(f"e{n}", key=f"k{n}", width=w, height=h, bytes=1000 * n + 500, inputs={"a": "x"})
        for n, (w, h) in enumerate(sizes)
    ]
    rules = [finding["rule"] for finding in report(events)["findings"]]
    assert ("retina-variants" in rules) is found


def test_evidence_names_the_sizes_and_the_larger_ones_traffic(report: Report) -> None:
    """Requests and bytes are those of the larger size, hits included; other inputs are no variants."""
    events = [
        event("a", key="k1", width=600, height=315, bytes=100, inputs={"a": "x"}),
        event("b", key="k2", width=1200, height=630, bytes=900, inputs={"a": "x"}),
        event("c", key="k2", outcome="hit", count=4, width=1200, height=630, bytes=900),
        event("d", key="k3", width=2400, height=1260, bytes=9, inputs={"a": "y"}),
    ]
    finding = only(report(events), "retina-variants")
    evidence = finding["evidence"]
    assert (evidence["smaller"], evidence["larger"]) == ({"width": 600, "height": 315}, {"width": 1200, "height": 630})
    assert (evidence["pictures"], evidence["requests"], finding["bytes"]) == (1, 5, 4500)


def test_the_two_sizes_may_be_of_two_accounts_and_environments(report: Report) -> None:
    """The template and the inputs make the image; each pair of sizes counts once, wherever it was rendered."""
    places = [("main", "production"), ("main", "staging"), ("other", "production")]
    events = [
        event(f"{account}{environment}{width}", key=f"k{width}", account=account, environment=environment,
              width=width, height=width // 2, bytes=100, inputs={"a": "x"})
        for account, environment in places for width in (600, 1200)
        if (account, width) != ("other", 600)
    ]  # fmt: skip
    across = [event("s", key="s", environment="staging", template="t2", width=600, height=300, inputs={"a": "x"}),
              event("p", key="p", account="other", template="t2", width=1200, height=600, inputs={"a": "x"})]  # fmt: skip
    found = [one for one in report(events + across)["findings"] if one["rule"] == "retina-variants"]
    assert {one["subject"]["template"]: one["evidence"]["pictures"] for one in found} == {"og": 1, "t2": 1}
