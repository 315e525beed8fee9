"""`auditor map`: usual endpoints are known, programs and styles never taken in, and two commands give a figure."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from auditor.config import load, settings_of
from auditor.exchanges.exchange import Exchange
from auditor.exchanges.mapped import LeftOut
from auditor.exchanges.mapper import Mapper
from auditor.exchanges.proposal import frequent, propose
from tests.conftest import command
from tests.formats.test_foreign import line


def exchanges(*targets: str, method: str = "GET", **more: Any) -> list[Exchange]:
    return [Exchange(n * 10**6, method, target, status=200, **more) for n, target in enumerate(targets)]


def mapped(targets: Sequence[str], sample: Sequence[Exchange]) -> list[tuple[str, int | None] | None]:
    """(template, width) of what some requests are by the tables proposed from a sample; None for no image."""
    text = "\n".join(row for table in propose(sample) for row in table.lines)
    mapper = Mapper(settings_of(tomllib.loads(text), "the proposal"), "x")
    found = []
    for exchange in exchanges(*targets):
        event = mapper.event(exchange, "id")
        assert not isinstance(event, LeftOut)
        found.append(None if event is None else (event[0].template, event[0].width))
    return found


OTHERS = [
    "/",
    "/blog",
    "/assets/app.js",
    "/style.css",
    "/about.html",
    "/setup.exe",
    "/favicon.ico",
    "/fonts/a.woff2",
    "/data.json",
]


@pytest.mark.parametrize(
    ("seen", "unseen", "template", "width"),
    [
        ("/og?title=a&theme=dark", "/og?title=b", "og", None),
        ("/api/og?title=a", "/api/og?title=b", "og", None),
        ("/blog/hello/opengraph-image", "/blog/hello/opengraph-image", "opengraph-image", None),
        ("/opengraph-image.png?ab12", "/opengraph-image.png?cd", "opengraph-image", None),
        ("/blog/x/twitter-image-1a2b3c/0", "/blog/x/twitter-image-1a2b3c/0", "twitter-image", None),
        ("/_next/image?url=%2Fa.png&w=640&q=75", "/shop/_next/image?url=%2Fb.png&w=1080&q=75", "next-image", 1080),
        ("/render?template=card&title=x", "/render?template=banner", "banner", None),
        ("/image?template=card&w=300", "/image?template=card&w=400", "card", 400),
        ("/social-card?name=a", "/social-card?name=b", "social-card", None),
        ("/og-image?t=1", "/og-image?t=2", "og-image", None),
        ("/og.php?title=1", "/og.php?title=2", "og", None),
        ("/sig/rs:fill:300:200:0/g:no/plain/http://x/a.jpg@webp", "/abc/g:ce/rs:fit:640:0/aHR0cDovL3g.png", "imgproxy", 640),
        ("/insecure/w:1440/plain/local:///a.jpg", "/insecure/q:80/plain/local:///b.jpg", "imgproxy", None),
        ("/unsafe/300x200/smart/x/a.jpg", "/unsafe/fit-in/640x480/filters:quality(80)/x/b.jpg", "thumbor", 640),
        ("/cdn-cgi/image/width=80,quality=75/up/a.jpg", "/cdn-cgi/image/fit=cover,width=120/b.png", "cdn-cgi-image", 120),
        ("/demo/image/upload/w_300,c_fill/v1/a.jpg", "/demo/image/upload/c_fill,w_640/b.jpg", "cloudinary", 640),
        ("https://res.cloudinary.com/demo/image/fetch/f_auto/https://x/a.jpg",
         "https://res.cloudinary.com/demo/image/fetch/w_99/https://x/a.jpg", "cloudinary", 99),
        ("https://shop.imgix.net/a.jpg?w=300&fm=webp", "https://shop.imgix.net/b.jpg?w=640", "imgix", 640),
        ("/.netlify/images?url=/a.png&w=300", "/.netlify/images?url=/b.png&w=640", "netlify-images", 640),
        ("/_vercel/image?url=%2Fa.png&w=300&q=75", "/_vercel/image?url=%2Fb.png&w=640&q=75", "vercel-image", 640),
        ("/_ipx/w_300&f_webp/a.jpg", "/_ipx/f_webp,w_640/b.jpg", "ipx", 640),
    ],
)  # fmt: skip
def test_usual_endpoints_are_known(seen: str, unseen: str, template: str, width: int | None) -> None:
    """From one line; what else the server delivers is not taken in."""
    sample = exchanges(seen, *OTHERS)
    assert mapped([unseen, *OTHERS], sample) == [(template, width), *[None] * len(OTHERS)]


def test_a_render_that_is_posted() -> None:
    sample = exchanges("/render", method="POST")
    assert [table.name for table in propose(sample)] == ["render"]
    assert propose(exchanges("/render")) == []


@pytest.mark.parametrize(
    ("images", "others"),
    [
        (["/files/a/logo.png", "/files/a/photo.jpg"], ["/files/a/setup.exe", "/files/a/site.css", "/files/a/b/c.js"]),
        ([f"/img/{n}" for n in range(9)], ["/img/app.js", "/img/x.html", "/img/sprite.css"]),
        ([f"/images/{'a/' * n}{n}.webp" for n in range(9)], ["/images/a/run.exe", "/images/x.html"]),
        ([*(f"/images/{'a/' * n}{n}" for n in range(9)), "/images/1.png"], ["/images/a/a/run.exe", "/images/x.html"]),
        ([f"/image/{n}/card/200x300" for n in range(9)], ["/image/1/card/main.css", "/image/1/card/x.php"]),
        (["/thumbs/a/1.png", "/thumbs/a/2"], ["/thumbs/a/3.css", "/thumbs/b/x.mjs"]),
    ],
)
def test_styles_scripts_pages_and_programs_are_never_images(images: list[str], others: list[str]) -> None:
    """Not in the sample, and not when they come later."""
    for sample in (exchanges(*images, *others), exchanges(*images)):
        found = mapped([*images, *others], sample)
        assert all(each is not None for each in found[: len(images)])
        assert found[len(images) :] == [None] * len(others)


@pytest.mark.parametrize(
    "images",
    [
        ["/img/a.PNG", "/img/b.JPG", "/img/c.png"],
        ["/files/a/B.Webp", "/files/c.GIF"],
        ["/p/card-300x200.PNG", "/p/card-30x20.jpg"],
        ["/images/1", "/images/2", "/images/3", "/images/4.SVG"],
        [f"/images/{'a/' * n}{n}" + ".PDF" * (n % 2) for n in range(9)],
        [*(f"/blog/{n}/opengraph-image.png" for n in range(9)), "/blog/x/opengraph-image.PNG", "/blog/OG/x/OG"],
        [f"/blog/{n}/{'og' if n % 2 else 'OG'}.{'Png' if n % 3 else 'png'}" for n in range(9)],
    ],
)
def test_extensions_are_of_any_case(images: list[str]) -> None:
    """What the table was proposed for it matches."""
    assert None not in mapped(images, exchanges(*images))


@pytest.mark.parametrize(
    ("images", "others"),
    [
        ([f"/api/og/blog/post-{n}" for n in range(10)], ["/api/users/5/orders"] * 20),
        ([f"/api/v{n % 2}/OG/{'x/' * n}{n}" for n in range(9)], ["/api/v1/users/5", "/api/v1/x/y/z", "/api/v1"]),
        ([f"/u/{n}/avatar/small" for n in range(120)], ["/u/1/orders/small", "/u/1/avatar/x.js", "/u/avatar"]),
        (["/a/cards/1", "/a/b/covers/2", "/a/b/covers/3/4"], ["/a/orders/1", "/a/b/orders/2", "/a/b/c/4"]),
        ([f"/s/img/{n % 3}/{n}/300x200" for n in range(9)], ["/s/orders/1/2/3", "/s/css/1/2/300"]),
    ],
)
def test_a_word_that_tells_an_image_stays_in_the_path(images: list[str], others: list[str]) -> None:
    """What lies beside it is not taken in, whether it was seen or comes later."""
    for sample in (exchanges(*images, *others), exchanges(*images)):
        assert sum(table.group.requests for table in propose(sample)) == len(images)
        found = mapped([*images, *others], sample)
        assert None not in found[: len(images)]
        assert found[len(images) :] == [None] * len(others)


def test_media_types_that_the_log_holds_decide() -> None:
    pages = exchanges("/render?template=a", "/images/1", media_type="text/html")
    images = exchanges("/files/1", "/files/2", media_type="image/png")
    assert [table.name for table in propose([*pages[1:], *images])] == ["files"]
    (known, _) = propose([*pages[:1], *images])
    assert (known.name, known.group.others) == ("render", 1)


@pytest.mark.parametrize(
    ("seen", "unseen"),
    [
        ("/v2/render?file=Card1.JPG&Format=PNG", "/v2/render?file=Card2.JPG&Format=PNG"),
        ("/thumb?src=a/b.Webp", "/thumb?src=c.webp"),
        ("/api/preview/?FM=avif&doc=1", "/api/preview/?FM=avif&doc=2"),
        ("/export?doc=1&Output=PNG", "/export?doc=2&Output=png"),
        ("/make?doc=1&size=320x200", "/make?doc=2&size=640x400"),
        ("/de/Card.PHP?out=a.gif", "/de/Card.PHP?out=b.gif"),
    ],
)
def test_a_file_a_format_or_a_size_of_images_in_a_parameter_tells(seen: str, unseen: str) -> None:
    assert mapped([unseen], exchanges(*[seen] * 5)) != [None]


@pytest.mark.parametrize(
    ("images", "others"),
    [
        ("/make?doc=1&size=320x200", "/make?doc=1"),
        ("/export?doc=1&format=png", "/export?doc=1&format=csv"),
        ("/run?f=webp", "/run?f=log"),
        ("/app/?size=10x10", "/app/"),
    ],
)
def test_a_table_is_not_made_of_a_path_that_serves_other_things_too(images: str, others: str) -> None:
    """It would take them in: tables are for whole paths, whatever the parameters are."""
    assert mapped([images, others], exchanges(*[images, others] * 5)) == [None, None]
    assert mapped([images], exchanges(*[images] * 10)) != [None]


@pytest.mark.parametrize(
    "other",
    ["/render.js?format=png", "/run.php?file=a.png", "/site.css?size=10x10", "/report?format=pdf", "/page.html?fm=png",
     "/render?page=about.html", "/card?id=7", "/search?q=a.png"],
)  # fmt: skip
def test_no_parameter_makes_an_image_of_styles_programs_and_pages(other: str) -> None:
    assert mapped([other], exchanges(*[other] * 10)) == [None]


@pytest.mark.parametrize("ids", [["65410", "65411"], ["8f14e45fceea", "c9f0f895fb98"], ["a1", "b2c3"]])
def test_an_id_is_not_the_template(ids: list[str]) -> None:
    """Even where most values are words."""
    sample = exchanges(*["/image/index/card"] * 30, *(f"/image/index/{each}" for each in ids))
    found = mapped([f"/image/index/{each}" for each in (*ids, "123456")], sample)
    assert not {each and each[0] for each in found} & {*ids, "123456"}


def test_what_was_never_there_is_not_proposed() -> None:
    assert propose([Exchange(1, "GET", "/og?title=a", status=404)]) == []
    assert propose(exchanges("data:image/png;base64,xx", "blob:https://h/x", "*")) == []


def test_payers_and_redirects_are_said() -> None:
    lines = propose([Exchange(1, "GET", "/og?title=a", status=307)], ("imejis", "main"))[0].lines
    assert any(each.startswith("provider = 'imejis'   # who renders") for each in lines)
    assert any(each.startswith("account = 'main'   # who is billed") for each in lines)
    assert any(each.startswith('# redirects = "render"   # filtered: 1 redirect;') for each in lines)


def test_frequent_paths_are_tables_ready_to_use() -> None:
    """Ten, the most frequent first, ids aside, with their parameters; no static file."""
    targets = [f"/p/{n}?q={n}" for n in range(30)] + [f"/page-{chr(97 + n)}" for n in range(14)] + ["/app.js"] * 99
    found = frequent(exchanges(*targets))
    assert len(found) == 10
    assert (found[0].group.requests, list(found[0].group.values)) == (30, ["q"])
    parsed = settings_of(tomllib.loads("\n".join(row for table in found for row in table.lines)), "x").sources
    assert parsed[0].path == "/p/[^/]+"
    assert len({table.name for table in parsed}) == 10


def site(path: Path) -> Path:
    """An ordinary site with an Open Graph endpoint."""
    path.write_text(
        "".join(
            line(n * 10, f"/og?title=Post+{n % 4}&theme=dark")
            + line(n * 10 + 1, "/")
            + line(n * 10 + 2, "/assets/app.js")
            for n in range(40)
        )
    )
    return path


def test_two_commands_from_an_unknown_log_to_a_figure(tmp_path: Path) -> None:
    """Without an editor; a second run changes nothing."""
    log, config = site(tmp_path / "access.log"), tmp_path / "auditor.toml"
    done = command("map", str(log), "--output", str(config))
    assert done.returncode == 0, done.stderr
    assert b"added [sources.og]; next: auditor audit" in done.stderr
    found = json.loads(command("audit", str(log), "--format", "json", "--no-cache").stdout)
    assert (found["totals"]["renders"], found["waste"]["repeat"], found["inputs"]["filtered"]) == (40, 36, 80)
    text = command("audit", str(log), "--no-cache").stdout
    assert b"prices unknown" in text
    assert b"no plan holds" not in text
    before = config.read_bytes()
    again = command("map", str(log), "--output", str(config))
    assert b"nothing to add" in again.stderr
    assert config.read_bytes() == before
    assert b"Post" not in before


def test_output_adds_to_what_there_is(tmp_path: Path) -> None:
    """Comments and tables stay as they are; an account that is alone is who pays; a name that is taken gets a number."""
    log, config = site(tmp_path / "access.log"), tmp_path / "auditor.toml"
    own = (
        '# mine\n[accounts.main]\nprovider = "imejis"\nplan = "Basic"\n\n[sources.og]   # another one\npath = "/other"'
    )
    config.write_text(own)
    assert command("map", str(log), "--output", str(config)).returncode == 0
    text = config.read_text()
    assert text.startswith(own + "\n")
    settings = load(config)
    assert [(table.name, table.provider, table.account) for table in settings.sources] == [
        ("og", "own", "default"), ("og-2", "imejis", "main"),
    ]  # fmt: skip
    assert command("map", str(log), "--output", str(config)).returncode == 0
    assert config.read_text() == text
    assert b"[sources." not in command("map", str(log)).stdout


def test_what_cannot_be_merged_is_left_alone(tmp_path: Path) -> None:
    log, config = site(tmp_path / "access.log"), tmp_path / "auditor.toml"
    config.write_text('sources = { x = { path = "/x" } }\n')
    done = command("map", str(log), "--output", str(config))
    assert (done.returncode, config.read_text()) == (2, 'sources = { x = { path = "/x" } }\n')
    assert b"the tables cannot be added" in done.stderr
    assert command("map", str(log), "--output", str(tmp_path / "no" / "auditor.toml")).returncode == 2


def test_calls_to_a_provider_get_the_lines_that_say_whose_they_are(tmp_path: Path) -> None:
    log, config = tmp_path / "proxy.log", tmp_path / "auditor.toml"
    log.write_text("".join(line(n, f"https://render.imejis.io/v1/og?title={n}") for n in range(5)))
    done = command("map", str(log), "--output", str(config))
    assert b"5 for images" in done.stdout
    assert b"No request looks like" not in done.stdout
    (table,) = load(config).sources
    assert (table.provider, table.account, table.path) == ("imejis", "main", None)
    before = config.read_bytes()
    assert b"nothing to add" in command("map", str(log), "--output", str(config)).stderr
    assert config.read_bytes() == before


def test_a_log_without_images_shows_its_paths_and_writes_nothing(tmp_path: Path) -> None:
    log, config = tmp_path / "access.log", tmp_path / "auditor.toml"
    log.write_text("".join(line(n, f"/cart?id={n}") + line(n, "/login") for n in range(20)))
    done = command("map", str(log), "--output", str(config))
    assert done.returncode == 0
    assert not config.exists()
    shown = [row.removeprefix("# ") for row in done.stdout.decode().splitlines()]
    start = shown.index("[sources.cart]")
    assert settings_of(tomllib.loads("\n".join(shown[start : start + 6])), "x").sources[0].path == "/cart"
