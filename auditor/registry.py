"""The only register: what is not in one of these tuples does not exist for the program.

An entry is imported when it is first asked for, so that the client, which lives in other people's web applications,
does not bring the audits' engines with it, and `auditor --help` is quick.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from auditor.analysis.case import Rule
    from auditor.caches import Cache
    from auditor.engines.duckdb import DuckDB
    from auditor.model.provider import Provider
    from auditor.reading.format import Format
    from auditor.reports.shared.format import ReportFormat
    from auditor.schedule.delivery import Delivery

T = TypeVar("T")


class Entries(Mapping[str, T]):
    """Names to objects of one family, in the order in which reports list them."""

    def __init__(self, package: str, entries: Mapping[str, str], *, make: bool = False) -> None:
        self.package = f"auditor.{package}"
        self.paths = dict(entries)
        """`module:attribute` by name; empty for what a plug-in brought."""
        self._make = make
        self._found: dict[str, T] = {}
        self.allowed: set[str] = set()
        """Names that allowed plug-ins bring, whether or not they can be used."""

    def add(self, name: str, found: T) -> None:
        """Put in what a plug-in brings, behind what is built in."""
        self._found[name] = found
        self.paths[name] = ""

    def __getitem__(self, name: str) -> T:
        if name not in self._found:
            module, attribute = self.paths[name].split(":")
            found = getattr(import_module(f"{self.package}.{module}"), attribute)
            self._found[name] = found() if self._make else found
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        """Without importing it."""
        return name in self.paths

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self.paths))  # as it is now: a plug-in may come in while an audit walks the rules

    def __len__(self) -> int:
        return len(self.paths)


RULES: Entries["Rule"] = Entries(
    "rules",
    {
        "duplicate-renders": "duplicate_renders:DuplicateRenders",
        "volatile-inputs": "volatile_inputs:VolatileInputs",
        "aliases": "aliases:Aliases",
        "unrendered-templates": "unrendered_templates:UnrenderedTemplates",
        "oversized-outputs": "oversized_outputs:OversizedOutputs",
        "format-waste": "format_waste:FormatWaste",
        "retina-variants": "retina_variants:RetinaVariants",
        "heavy-images": "heavy_images:HeavyImages",
        "short-cache-lifetime": "short_cache_lifetime:ShortCacheLifetime",
        "repeated-downloads": "repeated_downloads:RepeatedDownloads",
        "staging-credits": "staging_credits:StagingCredits",
        "plan-mismatch": "plan_mismatch:PlanMismatch",
        "low-volume-templates": "low_volume_templates:LowVolumeTemplates",
        "failed-calls": "failed_calls:FailedCalls",
        "secret-in-log": "secret_in_log:SecretInLog",
    },
    make=True,
)

MEASURED_RULE = "format-waste"
"""The rule that finds nothing without what `auditor inspect` measured."""

FORMATS: Entries["type[Format]"] = Entries(
    "formats",
    {
        "jsonl": "jsonl:JsonLines",
        "traefik-clf": "traefik_clf:TraefikClf",
        "ingress-nginx": "ingress_nginx:IngressNginx",
        "combined": "combined:Combined",
        "log-format": "log_format:LogFormat",
        "nginx-json": "nginx_json:NginxJson",
        "caddy": "caddy:Caddy",
        "haproxy": "haproxy:HAProxy",
        "heroku": "heroku:Heroku",
        "logfmt": "logfmt:Logfmt",
        "imgproxy": "imgproxy:Imgproxy",
        "thumbor": "thumbor:Thumbor",
        "traefik": "traefik:Traefik",
        "envoy": "envoy:Envoy",
        "alb": "alb:Alb",
        "elb": "elb:Elb",
        "cloudfront": "cloudfront:CloudFront",
        "cloudfront-realtime": "cloudfront_realtime:CloudFrontRealtime",
        "s3": "s3:S3",
        "bunny": "bunny:Bunny",
        "cloudflare": "cloudflare:Cloudflare",
        "fastly": "fastly:Fastly",
        "google-cloud": "google_cloud:GoogleCloud",
        "w3c": "w3c:W3C",
        "har": "har:Har",
        "structlog": "structlog:Structlog",
        "httpx": "httpx_text:HttpxText",
        "pino": "pino:Pino",
        "vercel": "vercel:Vercel",
        "azure-front-door": "azure_front_door:AzureFrontDoor",
        "azure-app-gateway": "azure_app_gateway:AzureAppGateway",
        "api-gateway": "api_gateway:ApiGateway",
        "akamai": "akamai:Akamai",
        "ecs": "ecs:Ecs",
        "otlp": "otlp:Otlp",
        "cloudflare-workers": "cloudflare_workers:CloudflareWorkers",
        "imgproxy-json": "imgproxy_json:ImgproxyJson",
        "csv": "csv_table:CsvTable",
        "parquet": "parquet:Parquet",
        "cache-trace": "cache_trace:CacheTrace",
    },
)
"""By the name for `--input-format`; where two fit a log equally well, the first one is taken."""

ALSO_CALLED: Mapping[str, str] = {"nginx": "combined", "apache": "combined", "iis": "w3c"}
"""What people call a format, by the name of the server that writes it."""

ENGINES: Entries["type[DuckDB]"] = Entries("engines", {"duckdb": "duckdb:DuckDB"})

REPORTS: Entries["ReportFormat"] = Entries(
    "reports",
    {
        "text": "text:Text",
        "json": "json:Json",
        "html": "html:Html",
        "markdown": "markdown:Markdown",
        "csv": "csv:Findings",
        "csv-cycles": "csv:Cycles",
        "csv-daily": "csv:Daily",
        "focus": "focus:Focus",
    },
    make=True,
)

PROVIDERS: Entries["Provider"] = Entries(
    "providers",
    {
        "imejis": "imejis:IMEJIS",
        "hcti": "hcti:HCTI",
        "bannerbear": "bannerbear:BANNERBEAR",
        "placid": "placid:PLACID",
        "templated": "templated:TEMPLATED",
        "orshot": "orshot:ORSHOT",
        "renderform": "renderform:RENDERFORM",
        "apitemplate": "apitemplate:APITEMPLATE",
        "abyssale": "abyssale:ABYSSALE",
        "dynapictures": "dynapictures:DYNAPICTURES",
        "creatomate": "creatomate:CREATOMATE",
    },
)
"""What is known of each provider, one file each: dated, sourced facts, and how to speak to it."""

CACHES: Entries["type[Cache]"] = Entries(
    "caches", {"memory": "memory:Memory", "redis": "redis:Redis", "files": "files:Files"}
)

DELIVERIES: Entries["type[Delivery]"] = Entries(
    "schedule.deliveries",
    {"file": "file:File", "smtp": "smtp:Smtp", "slack": "slack:Slack", "webhook": "webhook:Webhook"},
)
