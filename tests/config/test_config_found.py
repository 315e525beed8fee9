"""auditor.toml that came with the data tells what the data means, and nothing that only its user may decide."""

from pathlib import Path

import pytest

from auditor import config
from auditor.model.errors import ConfigError
from tests.conftest import command, event, lines

TEAM = '[delivery.team]\nkind = "file"\npath = "{}"\n'
MEANING = """
timezone = "Asia/Tokyo"
decimal = ","
ids = "rows"
production_environments = ["live"]
[accounts.main]
provider = "imejis"
plan = "Pro"
[accounts.other]
provider = "hcti"
[plans.imejis.Own]
price = 1
included = 2
[limits.placements.x]
width = 4
[prices]
egress_per_gb = 1
[sources.shop]
path = "/x"
[formats.own]
log_format = "$remote_addr [$time_local] $request $status"
[rules.duplicate-renders]
ttl = "7d"
"""
OWNERS = (
    TEAM
    + """
[client.production]
account = "main"
api_key_env = "SOME_KEY"
[usage.other]
api_key_env = "SOME_KEY"
[rules.failed-calls]
enabled = false
"""
)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a folder of usage in it."""
    (tmp_path / "usage").mkdir()
    (tmp_path / "usage" / "usage.jsonl").write_bytes(lines([event("a"), event("b", "2026-09-01T09:00:00Z")]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_that_came_with_the_data_says_what_it_means(shop: Path) -> None:
    (shop / "usage" / "auditor.toml").write_text(MEANING + OWNERS.format("x"))
    settings, path, ignored = config.found([Path("usage")])
    assert path == Path("usage/auditor.toml")
    assert ignored == ["[delivery]", "[client]", "[usage]", "rules.failed-calls.enabled"]
    assert not settings.deliveries and not settings.clients and not settings.usage and not settings.disabled
    assert (str(settings.timezone), settings.ttl.days, len(settings.sources)) == ("Asia/Tokyo", 7, 1)
    assert settings.production == {"live"} and settings.accounts["main"].plan and settings.log_formats
    assert (settings.decimal, settings.ids) == (",", "rows")
    assert settings.placement_limits and settings.prices.egress_per_gb == 1
    assert config.found([Path("usage/usage.jsonl")])[2] == ignored


@pytest.mark.parametrize("way", ["config", "here"])
def test_the_owners_file_says_all(shop: Path, way: str) -> None:
    """Named, or in the working directory, though that is audited itself."""
    (shop / "auditor.toml").write_text(MEANING + OWNERS.format("x"))
    settings = config.load(Path("auditor.toml")) if way == "config" else config.found([Path()])[0]
    assert settings.deliveries and settings.clients and settings.usage and settings.disabled
    assert config.found([shop])[2] == []


def test_the_owners_tables_hold_beside_a_file_of_the_data(shop: Path) -> None:
    """A planted [delivery.team] is not the user's: the report goes where the working directory's file says."""
    (shop / "auditor.toml").write_text(TEAM.format(shop / "mine"))
    (shop / "usage" / "auditor.toml").write_text(
        '[accounts.main]\nprovider = "imejis"\n' + TEAM.format(shop / "theirs")
    )
    done = command("report", "usage", "--cycle", "2026-09", "--history", "h", "--deliver", "team", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert (shop / "mine").exists() and not (shop / "theirs").exists()
    said = done.stderr.decode()
    assert "settings from usage/auditor.toml" in said
    assert "[delivery] are not used" in said and "--config usage/auditor.toml" in said


def test_every_section_is_of_the_data_or_of_the_owner() -> None:
    """A new one has to be decided on."""
    with pytest.raises(ConfigError) as told:
        config.settings_of({"nonsense": 1}, "x")
    known = set(str(told.value).partition("available: ")[2].split(", "))
    meaning = {
        "sources",
        "formats",
        "accounts",
        "plans",
        "limits",
        "prices",
        "timezone",
        "production_environments",
        "rules",
        "decimal",
        "ids",
    }
    assert known == meaning | set(config.OWNERS)


def test_a_link_out_of_the_folder_is_no_configuration(shop: Path) -> None:
    (shop / "other.toml").write_text("timezone = 'Asia/Tokyo'")
    (shop / "usage" / "auditor.toml").symlink_to(shop / "other.toml")
    assert config.found([Path("usage")])[1] is None
    (shop / "usage" / "real.toml").write_text("timezone = 'Asia/Tokyo'")
    (shop / "usage" / "auditor.toml").unlink()
    (shop / "usage" / "auditor.toml").symlink_to("real.toml")
    assert config.found([Path("usage")])[1] is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("a = " + "{a=" * 100_000, "nested too deeply"),
        ("anchor_day = " + "1" * 5_000, "cannot be read"),
        ("[accounts.main]\nprovider = 'imejis'\nanchor_day = 0x" + "1" * 100_000, "anchor_day"),
        ("[prices]\negress_per_gb = 1e999999999", "egress_per_gb"),
        ("[prices]\negress_per_gb = nan", "egress_per_gb"),
        ("a" + ".a" * 200_000 + " = 1", "dots"),
        ("[a" + " . a" * 100_000 + "]", "dots"),
        ("#" * (2 << 20), "larger than 1 MiB"),
        ("a = '" + "x" * 500_000 + "'", "unknown"),
        ("x" * 500_000 + " = 1", "x"),
        ("timezone = '" + "x" * 100_000 + "'", "timezone"),
        ("a = 1\na = 2", "is not TOML"),
        ("a = \ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "TOML"),
    ],
)
@pytest.mark.parametrize("found", [True, False])
def test_a_damaged_file_is_one_sentence(shop: Path, text: str, words: str, found: bool) -> None:
    path = shop / "usage" / "auditor.toml"
    path.write_text(text)
    done = command("audit", "usage", *([] if found else ["--config", str(path)]), cwd=shop)
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert words in said and "auditor.toml" in said and "Traceback" not in said
    assert said.count("\n") == 1 and len(said) < 1000
