"""Render Auditor: what every render of a metered image API costs, and which of them were needless.

The map of layers, top imports down, siblings on one line do not import each other::

    cli                                   commands, exit codes, stdout and stderr
    pipeline                              the only file that knows the order
    config                                auditor.toml -> frozen Settings
    registry                              FORMATS AUDITS REPORTS PROVIDERS ENGINES, the only register
    formats | audits | reports            one file each
    engine | replay | waste               sorted streams, the walk, one cause for each wasted credit
    providers                             dated and sourced plans
    events | findings | fingerprint | plans
    errors
"""

__version__ = "0.1.0"
