"""The back-fill on the page of figures."""

from collections.abc import Iterator, Mapping

from benchmarks.backfill import pricing
from benchmarks.markdown import paragraph, table
from benchmarks.report import elsewhere, read


def section() -> Iterator[str]:
    """The lines of the page."""
    told = read("backfill")
    race, growth = told["race"], told["growth"]
    found, waits = race["found"], race["found"]["live_wait_ms"]
    yield "## Back-fill"
    yield ""
    yield paragraph(
        f"`make benchmark NAME=backfill`{elsewhere('backfill')}: {race['objects']:,} small objects "
        f"of another bucket are back-filled at {race['pace']:.0f} photos a second. "
        f"{waits['beside']['count']} uploads come at random moments beside it, and "
        f"{waits['alone']['count']} in its pauses, for it is stopped and resumed {race['stops']} "
        f"times. Lister and function are killed {sum(race['kills'].values())} times. The model "
        f"takes {race['answer_ms']:.0f} ms for a request, as an endpoint on a machine of its own; "
        f"all else shares two CPUs (load before the run: {race['load_before']:.1f})."
    )
    yield ""
    rows = [
        ("rows", f"{found['rows']:,}"),
        ("objects without a row", str(found["objects_without_row"])),
        ("rows that were answered twice", str(found["rows_answered_again"])),
        ("dead letters", str(found["dead_letters"])),
        (
            "photos that the endpoint was asked about (more than rows: a killed function's)",
            f"{found['photos_asked_of_the_endpoint']:,}",
        ),
        ("photos a second", f"{race['photos_a_second']:.0f}"),
        *(
            (
                f"an upload's wait to its row {words}: median, 95 %, longest",
                f"{wait['median']:.0f}, {wait['p95']:.0f}, {wait['max']:.0f} ms",
            )
            for words, wait in (
                ("without the back-fill", waits["alone"]),
                ("beside it", waits["beside"]),
            )
        ),
        ("... median beside it, against without", f"{race['median_wait_ratio']:.2f} x"),
        *(
            (
                f"MB of {part}, in the second quarter of the objects and in the last",
                f"{size['second_quarter_mb']:.0f}, {size['last_quarter_mb']:.0f}",
            )
            for part, size in race["memory"].items()
        ),
    ]
    yield from table(("what", "result"), rows)
    yield ""
    yield "What one photo needs of each service, counted between functions and cloud:"
    yield ""
    heads = ("calls and items a photo", *(f"of {int(size):,}" for size in growth))
    names = sorted({name for size in growth.values() for name in size})
    yield from table(
        heads, ((name, *(f"{of.get(name, 0):.4f}" for of in growth.values())) for name in names)
    )
    yield ""
    yield from _on_aws(list(growth.values())[-1])


def _on_aws(a_photo: Mapping[str, float]) -> Iterator[str]:
    yield paragraph(
        "From these, computed for AWS and not measured there: "
        + "; ".join(pricing.ASSUMPTIONS)
        + "."
    )
    yield ""
    services = pricing.usd_a_photo(a_photo)
    heads = (
        "photos",
        *(f"USD, {service}" for service in services),
        "USD, all of these",
        *(f"hours and endpoint's USD, {each} functions" for each in pricing.CONCURRENCIES),
    )
    yield from table(
        heads,
        (
            (
                f"{bill.photos:,}",
                *(f"{bill.photos * usd:,.2f}" for usd in services.values()),
                f"{bill.usd:,.2f}",
                *(
                    f"{bill.hours[each]:,.1f}, {bill.endpoint_usd[each]:,.2f}"
                    for each in pricing.CONCURRENCIES
                ),
            )
            for bill in pricing.bills(a_photo)
        ),
    )
