"""The only register: what is not in one of these tuples does not exist for the program."""

from collections.abc import Mapping

from auditor.audits.base import Audit
from auditor.audits.duplicate_renders import DuplicateRenders
from auditor.audits.failed_calls import FailedCalls
from auditor.audits.low_volume_templates import LowVolumeTemplates
from auditor.audits.oversized_outputs import OversizedOutputs
from auditor.audits.plan_mismatch import PlanMismatch
from auditor.audits.retina_variants import RetinaVariants
from auditor.audits.secret_in_log import SecretInLog
from auditor.audits.staging_credits import StagingCredits
from auditor.audits.volatile_inputs import VolatileInputs
from auditor.engine.duckdb import DuckDB
from auditor.formats.jsonl import JsonLines
from auditor.providers.base import Provider
from auditor.providers.imejis import IMEJIS
from auditor.reports.base import Report
from auditor.reports.json_v1 import JsonV1
from auditor.reports.text import Text

AUDITS: Mapping[str, Audit] = {
    audit.id: audit
    for audit in (
        DuplicateRenders(),
        VolatileInputs(),
        OversizedOutputs(),
        RetinaVariants(),
        StagingCredits(),
        PlanMismatch(),
        LowVolumeTemplates(),
        FailedCalls(),
        SecretInLog(),
    )
}

FORMATS = {log_format.name: log_format for log_format in (JsonLines(),)}

ENGINES = {engine.name: engine for engine in (DuckDB,)}

REPORTS: Mapping[str, Report] = {
    report.name: report
    for report in (
        Text(),
        JsonV1(),
    )
}

PROVIDERS: Mapping[str, Provider] = {provider.name: provider for provider in (IMEJIS,)}
