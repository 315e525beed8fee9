r"""AWS Application Load Balancer access logs.

Each line holds when the request arrived (`request_creation_time`) and when it was answered; lines from before 2018
have the second time only, off which the processing times are taken. The bytes are all that went to the client, the
headers too. Status 460 is a client that went away. The balancer has no cache, and `trace_id` identifies no request,
since clients may send it.
"""

from auditor.formats.elb import Elb
from auditor.model.events import BadRecordError, Reason

TYPES = frozenset({"http", "https", "h2", "grpcs", "ws", "wss"})


class Alb(Elb):
    """HTTP, HTTP/2, gRPC and WebSockets."""

    name = "alb"
    title = "AWS Application Load Balancer"
    answered = True
    names = (
        "type", *Elb.names, "target_group_arn", "trace_id", "domain_name", "chosen_cert_arn", "matched_rule_priority",
        "request_creation_time", "actions_executed", "redirect_url", "error_reason", "target_port_list",
        "target_status_code_list", "classification", "classification_reason", "conn_trace_id", "transformed_host",
        "transformed_uri", "request_transform_status",
    )  # fmt: skip

    def fields(self, data: bytes) -> dict[str, str]:
        """The values of one line by their documented names; values that came later may be absent."""
        fields = super().fields(data)
        if fields["type"] not in TYPES:
            raise BadRecordError(Reason.NO_MATCH, "its type is none of a request to an Application Load Balancer")
        return fields
