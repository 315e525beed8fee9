"""The demo's application: a render a second against a sandbox of its own; without a cache, so that audits find some."""

import random
import time

from auditor import Renderer, Sandbox

with (
    Sandbox(latency=0.05) as sandbox,
    Renderer(
        api_key="sandbox", base_url=sandbox.url, account="main", environment="production",
        cache=None, events="/var/log/renders/shop", spool_mode=0o640, spool_group=10001,
    ) as renderer,
):  # fmt: skip
    while True:
        product = int(random.paretovariate(1.1))  # a few are asked for again and again
        renderer.render("og-card", {"title.text": f"Product {product}"})
        time.sleep(1)
